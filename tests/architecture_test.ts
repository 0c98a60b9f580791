/**
 * The picture of the program that cannot go stale: who may import whom, and where each outside thing lives.
 *
 * The tables come first, for people. A new folder, package or system call that is not in them fails the test.
 * @module
 */
import assert from "node:assert/strict";
import { join, relative } from "node:path";
import { pathToFileURL } from "node:url";
import { tempFolder } from "./helpers/temp_folder.ts";
import { CLIENT_PERMISSIONS, SERVER_PERMISSIONS } from "../build/permissions.ts";
import { PROJECT_FOLDER } from "../build/tool.ts";

/** The files of `lib/` outside its folders, and those of them that each may import. Every folder may import them all. */
const ROOT_MAY_IMPORT: Record<string, readonly string[]> = {
  "errors.ts": [],
  "version.ts": [],
  "sync_folder.ts": [],
  "waiting.ts": [],
  "bytes.ts": [],
  "count.ts": [],
  "addresses.ts": ["errors.ts"],
};

/** Each folder of `lib/`, and the other folders that it may import. */
const MAY_IMPORT: Record<string, readonly string[]> = {
  "protocol": [],
  "net": ["protocol"],
  "sql": [],
  "sqlite": ["sql"],
  "chat": ["protocol"],
  "store": ["sql", "sqlite", "chat"],
  "profile": ["sqlite", "mail"],
  "mail": [],
  "terminal": [],
  "findings": ["terminal"],
  "client": ["net", "protocol"],
  "peer": ["net", "protocol"],
  "export": [], // what both programs write: the client of its own account, the operator of any
  "server": ["completion", "findings", "chat", "store", "net", "protocol", "terminal", "export"],
  "completion": ["terminal"],
  "commands": [
    "completion",
    "findings",
    "client",
    "peer",
    "mail",
    "profile",
    "terminal",
    "net",
    "protocol",
    "export",
  ],
};

/** Imports of {@linkcode MAY_IMPORT} that are of types alone: nothing of the second is loaded when the first runs. */
const TYPES_ALONE: readonly (readonly [from: string, to: string])[] = [["store", "chat"], [
  "profile",
  "mail",
]];

/** Both entry points may import all of `lib/`. */
const ENTRY_POINTS = ["server.ts", "client.ts"];

/** Each outside package, and the only places that may import it. */
const HOME_OF_PACKAGE: Record<string, readonly string[]> = {
  "kysely": ["sql", "sqlite", "store", "profile"],
  "node:sqlite": ["sqlite"],
  "node:worker_threads": ["store"],
  "nodemailer": ["mail"],
  "pg": ["store"],
  "oauth4webapi": ["mail"],
  "cliffy": ["terminal"],
  "get-east-asian-width": ["terminal"],
  "fastest-levenshtein": ["terminal", "commands"],
  "@peculiar/x509": ["net"],
  "reflect-metadata": ["net"],
  "node:fs": ["terminal", "server"], // fstatSync() alone: where the output goes; statfs() and lchown() alone: how much is free, and whose it is
  "node:net": ["net", "peer", "protocol"], // protocol: isIPv6() alone, which opens nothing
  "node:tls": ["net", "peer"],
  "node:dns": ["net"],
  "node:timers": ["waiting.ts"],
  "ipaddr.js": ["addresses.ts"],
  "@achingbrain/nat-port-mapper": ["peer"],
  "rate-limiter-flexible": ["chat", "store"],
  "@logtape/logtape": ["server", "server.ts"],
  "commander": ["server", "commands", "completion", ...ENTRY_POINTS],
  "zod": ["protocol", "net", "chat", "client", "peer", "export"],
  "prom-client": ["server"],
};

/** Modules of the runtime that any folder may import: pure helpers, without sockets, processes or terminals. */
const ANYWHERE = [
  "node:path",
  "node:url",
  "node:crypto",
  "node:buffer",
  "node:util",
  "node:events",
  "node:stream",
];

/** System calls, and the only places that may use them. */
const HOME_OF_CALL: readonly { call: RegExp; home: readonly string[] }[] = [
  { call: /\bDeno\.rename(Sync)?\b/, home: ["sync_folder.ts"] }, // a name that is not synced may be lost
  { call: /\bDeno\.(listen|listenTls|connect|connectTls|startTls)\b/, home: ["net", "peer"] },
  { call: /\bDeno\.networkInterfaces\b/, home: ["addresses.ts"] }, // it may throw
  { call: /\bDeno\.serve\b/, home: ["server", "mail"] }, // metrics; the browser on its way back from signing in
  { call: /\bDeno\.(stdin|stdout|consoleSize)\b/, home: ["terminal", ...ENTRY_POINTS] },
  { call: /\bDeno\.stderr\b/, home: ["terminal", "server", ...ENTRY_POINTS] }, // server: its log
  {
    call: /\bDeno\.(args|env)\b|\bprocess\.(env|argv)\b/,
    home: ENTRY_POINTS,
  },
  { call: /\bDeno\.exit\b|\bprocess\.exit\b/, home: ["terminal", ...ENTRY_POINTS] }, // terminal: the end by Ctrl+C
  { call: /\bDeno\.(add|remove)SignalListener\b/, home: ["terminal", ...ENTRY_POINTS] }, // terminal: its size
  { call: /\bDeno\.Command\b/, home: ["terminal", "mail", "commands"] },
  { call: /\bnew Worker\b/, home: ["store"] },
];

/** How large a folder and a module may be, so that a person can still see all of it. */
const MAX_MODULES = 15;
const MAX_LINES = 350;

/** What no file of the project holds: where packages are fetched from, and where somebody once built it. */
const FORBIDDEN_TEXT: readonly RegExp[] = [
  new RegExp(["registry", "(npmjs|yarnpkg)", "(org|com)"].join("\\.")),
  new RegExp(["(deb|security)", "debian", "org"].join("\\.")),
  new RegExp("/" + "(work/(main|shared|\\.library)|root|home/[a-z]\\w*|Users/[a-z]\\w*)/"),
];

/** What pages may name before it is there: the owner of the project makes it. */
const TO_BE_MADE = ["build/release/minisign.pub"];

/** The pages whose paths must lead somewhere. */
const PAGES: readonly string[] = [
  "README.md",
  "BENCHMARKS.md",
  "CONTRIBUTING.md",
  "SECURITY.md",
  "build/release/README.md",
  "data/README.md",
  "lib/README.md",
  "lib/commands/README.md",
  "lib/peer/README.md",
  "lib/protocol/README.md",
  "lib/protocol/PEER.md",
  "lib/server/README.md",
  "lib/store/postgres/README.md",
  "tests/README.md",
  "build/release/debian/README.md",
];

/** What is not the project's text: made by tools, or by people at run time. */
const NOT_OURS = [".git", "dist", "node_modules", ".cache"];

/** One module of the project and what it imports. */
interface Module {
  readonly path: string; // from the project's folder, with "/"
  readonly imports: readonly string[]; // the same for ours, the specifier for others; types included
  readonly loads: readonly string[]; // those of ours that run when this module does, or later: not types
  readonly atStart: readonly string[]; // what runs when this module does, not with `import()` later
}

Deno.test("architecture: each folder imports only what the table lets it", async () => {
  const wrong: string[] = [];
  for (const { path, imports } of await readModules()) {
    if (ENTRY_POINTS.includes(path)) continue;
    const from = placeOf(path);
    const allowed = ROOT_MAY_IMPORT[from] ?? MAY_IMPORT[from]?.concat(Object.keys(ROOT_MAY_IMPORT));
    if (!allowed) wrong.push(`lib/${from} is not in the table`);
    for (const imported of imports.filter(isOurs)) {
      const to = placeOf(imported);
      if (allowed && to !== from && !allowed.includes(to)) wrong.push(`${path} imports ${imported}`);
    }
  }
  assert.deepEqual([...new Set(wrong)], []);
});

Deno.test("architecture: a folder's subfolders are its inside: nobody else imports them", async () => {
  const wrong: string[] = [];
  for (const { path, imports } of await readModules()) {
    if (ENTRY_POINTS.includes(path)) continue;
    const from = folderOf(path);
    for (const imported of imports.filter(isOurs)) {
      // A file in `lib/a/b/` is for what lies in `lib/a/`; one in `lib/a/` is for everybody whom the table lets.
      const owner = folderOf(folderOf(imported));
      if (owner !== "lib" && owner !== "" && from !== owner && !from.startsWith(`${owner}/`)) {
        wrong.push(`${path} imports ${imported}`);
      }
    }
  }
  assert.deepEqual(wrong, []);
});

Deno.test("architecture: a folder has at most 15 modules beside its subfolders, a module at most 350 lines", () => {
  const wrong: string[] = [];
  const perFolder = Map.groupBy(sourcePaths(), folderOf);
  for (const [folder, paths] of perFolder) {
    if (paths.length > MAX_MODULES) wrong.push(`${folder} has ${paths.length} modules`);
  }
  for (const path of sourcePaths()) {
    const lines = Deno.readTextFileSync(join(PROJECT_FOLDER, path)).split("\n").length - 1;
    if (lines > MAX_LINES) wrong.push(`${path} has ${lines} lines`);
  }
  assert.deepEqual(wrong, []);
});

Deno.test("architecture: store and profile load nothing of the folders whose types they implement", async () => {
  const wrong: string[] = [];
  for (const { path, loads } of await readModules()) {
    for (const loaded of loads) {
      const isWrong = TYPES_ALONE.some(([from, to]) => placeOf(path) === from && placeOf(loaded) === to);
      if (isWrong) wrong.push(`${path} loads ${loaded}`);
    }
  }
  assert.deepEqual(wrong, []);
});

Deno.test("architecture: each outside package is imported only at its home", async () => {
  const wrong: string[] = [];
  for (const { path, imports } of await readModules()) {
    for (const specifier of imports.filter((imported) => !isOurs(imported))) {
      const name = packageOf(specifier);
      if (ANYWHERE.includes(name) || specifier === "deno.json") continue;
      const home = HOME_OF_PACKAGE[name] ?? [];
      if (!home.includes(placeOf(path))) wrong.push(`${path} imports ${specifier}`);
    }
  }
  assert.deepEqual(wrong, []);
});

Deno.test("architecture: no modules import each other in a circle, not even types", async () => {
  const modules = new Map(
    (await readModules()).map((module) => [module.path, module.imports.filter(isOurs)]),
  );
  const done = new Set<string>();
  const visit = (path: string, trail: readonly string[]): void => {
    const start = trail.indexOf(path);
    assert.equal(start, -1, `import cycle: ${[...trail.slice(start), path].join(" → ")}`);
    if (done.has(path)) return;
    for (const imported of modules.get(path) ?? []) {
      visit(imported, [...trail, path]);
    }
    done.add(path);
  };
  for (const path of modules.keys()) visit(path, []);
});

Deno.test("architecture: the client knows no more than flags and errors before it has read its arguments", async () => {
  const modules = new Map((await readModules()).map((module) => [module.path, module.atStart]));
  const loaded = new Set(["client.ts"]);
  for (const path of loaded) for (const next of modules.get(path) ?? []) loaded.add(next);
  const packages = [...loaded].filter((path) => !isOurs(path)).sort();
  // Each further package costs every start its time: zod 25 ms, nodemailer 13 ms.
  assert.deepEqual(packages, ["commander", "deno.json", "node:path"]);
});

Deno.test("architecture: a server that keeps its own file loads nothing of PostgreSQL", async () => {
  const isOfPostgres = (path: string) => path.startsWith("lib/store/postgres/") || packageOf(path) === "pg";
  const outside = (await readModules()).filter(({ path }) => !isOfPostgres(path));
  assert.deepEqual(outside.filter(({ atStart }) => atStart.some(isOfPostgres)).map(({ path }) => path), []);
  // With `import()`, once a shared database is opened.
  const later = outside.filter(({ loads }) => loads.some(isOfPostgres)).map(({ path }) => path);
  assert.deepEqual(later, ["lib/store/move.ts", "lib/store/open.ts"]);
});

Deno.test("architecture: sockets, terminal, environment and processes are touched only at their home", () => {
  const wrong: string[] = [];
  for (const path of sourcePaths()) {
    const code = withoutComments(Deno.readTextFileSync(join(PROJECT_FOLDER, path)));
    for (const { call, home } of HOME_OF_CALL) {
      const match = call.exec(code);
      if (match && !home.includes(placeOf(path))) wrong.push(`${path} uses ${match[0]}`);
    }
  }
  assert.deepEqual(wrong, []);
});

Deno.test("architecture: no file names a package registry or a folder of the machine it was made on", () => {
  const wrong: string[] = [];
  for (const path of filesIn("")) {
    const text = new TextDecoder().decode(Deno.readFileSync(join(PROJECT_FOLDER, path)));
    for (const [index, line] of text.split("\n").entries()) {
      if (FORBIDDEN_TEXT.some((pattern) => pattern.test(line))) {
        wrong.push(`${path}:${index + 1}: ${line.trim().slice(0, 120)}`);
      }
    }
  }
  assert.deepEqual(wrong, []);
});

Deno.test("architecture: the pages for developers name only files and folders that exist", () => {
  const wrong = PAGES.flatMap((page) => {
    const text = Deno.readTextFileSync(join(PROJECT_FOLDER, page));
    // `lib/a/b.ts` in text and code; [words](../a/b.md) from the page's own folder.
    const named = text.matchAll(/(?<![\w/.-])(?:lib|tests|build)\/[\w./-]*\w/g).map(([path]) => path);
    const linked = text.matchAll(/\]\((?!https?:|#)([^)#\s]+)[^)]*\)/g)
      .map(([, path]) => join(folderOf(page), path!));
    return [...named, ...linked].filter((path) => !isThere(path) && !TO_BE_MADE.includes(path)).map((path) =>
      `${page} names ${path}`
    );
  });
  assert.deepEqual(wrong, []);
});

Deno.test("architecture: tasks are described, grant what the executables grant, and never everything", () => {
  const { tasks } = JSON.parse(Deno.readTextFileSync(join(PROJECT_FOLDER, "deno.json"))) as {
    tasks: Record<string, { description?: string; command: string }>;
  };
  for (const [name, { description, command }] of Object.entries(tasks)) {
    assert.ok(description, `task ${name} has no description`);
    assert.doesNotMatch(command, /\s(-A|--allow-all)\b/, `task ${name} grants everything`);
  }
  for (const [name, flags] of [["server", SERVER_PERMISSIONS], ["client", CLIENT_PERMISSIONS]] as const) {
    const quoted = flags.map((flag) => flag.includes("*") ? `'${flag}'` : flag);
    assert.equal(tasks[name]?.command, `deno run -q ${quoted.join(" ")} ${name}.ts`);
  }
});

/** The folder of `lib/` that a file is in; its own name for a file directly in `lib/` and for an entry point. */
function placeOf(path: string): string {
  return path.replace(/^lib\//, "").split("/")[0] ?? path;
}

/** The folder a path lies in; empty for the project's own. */
function folderOf(path: string): string {
  return path.split("/").slice(0, -1).join("/");
}

function isOurs(imported: string): boolean {
  return imported.startsWith("lib/") || ENTRY_POINTS.includes(imported);
}

/** `npm:@scope/name@1.2/sub` and `@scope/name/sub` are both `@scope/name`. */
function packageOf(specifier: string): string {
  if (specifier.startsWith("node:")) return specifier.split("/")[0] ?? specifier;
  const [, name = specifier] = /^(?:npm:)?\/?((?:@[^/]+\/)?[^/@]+)/.exec(specifier) ?? [];
  return name;
}

let modules: Promise<Module[]> | undefined; // read once for all tests of this file

function readModules(): Promise<Module[]> {
  return modules ??= askDeno();
}

/** Asks Deno's own parser what every module imports, types included. */
async function askDeno(): Promise<Module[]> {
  using folder = tempFolder();
  const entry = join(folder.path, "all.ts");
  const imports = sourcePaths().map((path) =>
    `import ${JSON.stringify(pathToFileURL(join(PROJECT_FOLDER, path)).href)};`
  );
  await Deno.writeTextFile(entry, imports.join("\n"));
  const { success, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["info", "--json", "--config", join(PROJECT_FOLDER, "deno.json"), pathToFileURL(entry).href],
    env: { NO_COLOR: "1" },
  }).output();
  assert.ok(success, new TextDecoder().decode(stderr));
  const graph = JSON.parse(new TextDecoder().decode(stdout)) as {
    modules: { specifier: string; dependencies?: DependencyInfo[] }[];
  };
  const ours = new Set(sourcePaths());
  const modules = graph.modules.flatMap(({ specifier, dependencies = [] }) => {
    const path = pathOf(specifier);
    if (path === undefined || !ours.has(path)) return [];
    return [{
      path,
      imports: dependencies.map((it) => pathOf(targetOf(it)) ?? it.specifier),
      loads: dependencies.flatMap((it) => pathOf(it.code?.specifier ?? "") ?? []),
      atStart: dependencies.filter((it) => it.code && !it.isDynamic).map((it) =>
        pathOf(targetOf(it)) ?? it.specifier
      ),
    }];
  });
  assert.equal(modules.length, ours.size, "Deno tells of every module");
  return modules;
}

/** What `deno info --json` tells of one import. */
interface DependencyInfo {
  readonly specifier: string;
  readonly isDynamic?: boolean;
  readonly code?: { readonly specifier?: string };
  readonly type?: { readonly specifier?: string };
}

function targetOf(dependency: DependencyInfo): string {
  return dependency.code?.specifier ?? dependency.type?.specifier ?? dependency.specifier;
}

/** The path from the project's folder of a module of the project; undefined for any other. */
function pathOf(specifier: string): string | undefined {
  const root = pathToFileURL(PROJECT_FOLDER).href + "/";
  return specifier.startsWith(root) ? decodeURIComponent(specifier.slice(root.length)) : undefined;
}

/** Every module of the programs. */
function sourcePaths(): string[] {
  const isEntry = (path: string) => ENTRY_POINTS.includes(path);
  return filesIn("").filter((path) => isEntry(path) || /^lib\/.*\.ts$/.test(path)).sort();
}

function isThere(path: string): boolean {
  try {
    Deno.statSync(join(PROJECT_FOLDER, path));
    return true;
  } catch {
    return false;
  }
}

function filesIn(folder: string): string[] {
  return [...Deno.readDirSync(join(PROJECT_FOLDER, folder))].flatMap((entry) => {
    if (NOT_OURS.includes(entry.name) || entry.isSymlink) return [];
    const path = folder === "" ? entry.name : `${folder}/${entry.name}`;
    if (entry.isDirectory) return path === "data" ? ["data/README.md"] : filesIn(path);
    return [relative(PROJECT_FOLDER, join(PROJECT_FOLDER, path)).replaceAll("\\", "/")];
  });
}

/** Cuts comments out, so that a call named in documentation does not count. */
function withoutComments(source: string): string {
  return source.replace(/\/\*[\s\S]*?\*\//g, "").replace(/(^|[\s;{(,])\/\/.*$/gm, "$1");
}
