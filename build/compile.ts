/**
 * `deno task compile`: makes `mini-chat-server` and `mini-chat-client`, one file each, with the least permissions.
 *
 * Without arguments: both for this machine, in `dist/`. `--target NAME` (more than once if wanted): for another
 * one, in `dist/NAME/`. `--all`: for each that Deno can compile for. `--output DIR` writes elsewhere than `dist/`.
 *
 * Deno downloads the base executable that a program is put behind. `DENORT_BIN` names one for this machine instead,
 * `DENORT_BIN_LINUX_ARM64` and so on one for another.
 * @module
 */
import { cp } from "node:fs/promises";
import { basename, join } from "node:path";
import { parseArgs } from "node:util";
import { type Build, BUILD_NAME, VERSION } from "../lib/version.ts";
import { CLIENT_PERMISSIONS, SERVER_PERMISSIONS } from "./permissions.ts";
import { complain, PROJECT_FOLDER, runTool, say } from "./tool.ts";

/** Our name of each machine that Deno 2.8 compiles for, and Deno's. There is no base executable for Windows on arm64. */
export const TARGETS: Readonly<Record<string, string>> = {
  "linux-x64": "x86_64-unknown-linux-gnu",
  "linux-arm64": "aarch64-unknown-linux-gnu",
  "macos-x64": "x86_64-apple-darwin",
  "macos-arm64": "aarch64-apple-darwin",
  "windows-x64": "x86_64-pc-windows-msvc",
};

/** A program to compile: its entry point, its file's name and its permissions. */
export interface Program {
  readonly entry: string;
  readonly name: string;
  readonly permissions: readonly string[];
  /** Module that it starts a thread with, as `new URL("./NAME.ts", import.meta.url)`; none when unset. */
  readonly worker?: string;
}

/** Both programs, as they are released. */
export const PROGRAMS: readonly Program[] = [
  {
    entry: "server.ts",
    name: "mini-chat-server",
    permissions: SERVER_PERMISSIONS,
    worker: "lib/store/sqlite/worker.ts",
  },
  { entry: "client.ts", name: "mini-chat-client", permissions: CLIENT_PERMISSIONS },
];

/** The variable that names a base executable for a target, where it is not to be downloaded: `DENORT_BIN_LINUX_ARM64`. */
export function baseVariableOf(target: string): string {
  return `DENORT_BIN_${target.toUpperCase().replace("-", "_")}`;
}

/** When all that lies in an executable was written, it says, so that the same source makes the same bytes. */
const WRITTEN_AT = new Date("2000-01-01T00:00:00Z");

/**
 * How the bundler gives CommonJS packages their `require`: that of `node:module`, which loads hundreds of modules at each start. Once
 * they are bundled, they ask for nothing but Node's own.
 */
const BUNDLED_REQUIRE =
  /^import \{ createRequire as (\w+) \} from "node:module";\nvar __require = \1\(import\.meta\.url\);$/m;
const REQUIRE = "var __require = (name) => globalThis.process.getBuiltinModule(name);";

/**
 * Node's modules that commander names and no start of ours needs: loading them takes 6 ms. They are found when they are used.
 */
const LAZY_MODULES = /^import (\w+) from "(node:(?:child_process|fs))";$/gm;
const LAZY_MODULE =
  'const $1 = new Proxy({}, { get: (_, name) => globalThis.process.getBuiltinModule("$2")[name] });';

/** What `compileProgram` is told besides the program. */
export interface CompileOptions {
  /** Folder that the executable is written to; made when missing. */
  readonly folder: string;
  /** Key of {@linkcode TARGETS}; this machine when unset. */
  readonly target?: string;
  /** Hash of the commit that it says it is of; git is asked when unset. */
  readonly commit?: string;
  /** Variables set on top of this process's. */
  readonly env?: Readonly<Record<string, string>>;
}

/**
 * Compiles one program.
 *
 * @returns Path of the executable.
 * @throws {Error} Deno could not compile it; the message says why, and what to do about a base executable.
 */
export async function compileProgram(program: Program, options: CompileOptions): Promise<string> {
  const { folder, target } = options;
  const isWindows = target === undefined ? Deno.build.os === "windows" : target.startsWith("windows");
  const path = join(folder, program.name + (isWindows ? ".exe" : ""));
  await Deno.mkdir(folder, { recursive: true });

  const env: Record<string, string> = { ...Deno.env.toObject(), ...options.env };
  const builtFor = target ?? targetOfThisMachine();
  const commit = options.commit ?? await commitOfSource();
  const base = env[baseVariableOf(builtFor)];
  if (base !== undefined) env.DENORT_BIN = base;
  else if (builtFor !== targetOfThisMachine()) delete env.DENORT_BIN;
  const bundle = await Deno.makeTempDir({ prefix: "mini-chat-compile-" });
  try {
    const files = await bundleProgram(program, bundle, { version: VERSION, commit, target: builtFor }, env);
    const result = await runDeno([
      "compile",
      "--quiet",
      "--no-check", // `deno bundle` has left no types to check
      // V8's compiled code would be kept at a fixed path in the system's temporary folder and be run unchecked from there:
      // another user of the machine could lay their own code at it.
      "--no-code-cache",
      ...files.included.flatMap((file) => ["--include", file]),
      ...(target === undefined ? [] : ["--target", TARGETS[target] ?? target]),
      ...program.permissions,
      ...files.env === undefined ? [] : [`--env-file=${files.env}`],
      "--output",
      path,
      files.entry,
    ], env);
    if (!result.success) throw new Error(explainFailure(program, result.stderr, env.DENORT_BIN));
  } finally {
    await Deno.remove(bundle, { recursive: true });
  }
  return path;
}

/**
 * Makes a few files of all that the program loads: one for what each start needs, one for each part that is loaded when it is
 * wanted. `deno compile --bundle` would make one of everything, in which each start loads every `node:` module that any
 * part names: `--version` then takes 300 ms of processor time where this takes 50, as an empty program does.
 *
 * @returns Paths of the entry point among them, of those that no `import` leads to, and of the variables that it starts with.
 */
async function bundleProgram(
  program: Program,
  folder: string,
  build: Build,
  env: Readonly<Record<string, string>>,
): Promise<{ readonly entry: string; readonly included: readonly string[]; readonly env?: string }> {
  const source = join(folder, "source");
  await copySource(source);
  // Two folders down, since a package (@achingbrain/ssdp) reads `../../package.json` to say in its requests who it is.
  const code = join(folder, "dist", "src");
  const about = join(folder, "package.json");
  await Deno.mkdir(code, { recursive: true });
  await Deno.writeTextFile(about, JSON.stringify({ name: "mini-chat", version: VERSION }));
  const first = `globalThis.${BUILD_NAME} = ${JSON.stringify(build)};\n`;
  const bundle = async (entry: string, outputFolder: string) => {
    // Never `--minify`: it puts a `using` variable that is used once in place, and then nobody disposes of it.
    const flags = ["--quiet", "--node-modules-dir=auto", "--code-splitting", "--outdir", outputFolder];
    const { success, stderr } = await runDeno(["bundle", ...flags, entry], env, source);
    if (!success) throw new Error(explainFailure(program, stderr, env.DENORT_BIN));
    const name = basename(entry).replace(/\.ts$/, ".js");
    const path = join(outputFolder, name);
    for await (const file of Deno.readDir(outputFolder)) {
      if (!file.isFile) continue;
      const written = join(outputFolder, file.name);
      const code = await Deno.readTextFile(written);
      await Deno.writeTextFile(
        written,
        code.replaceAll(LAZY_MODULES, LAZY_MODULE).replace(BUNDLED_REQUIRE, REQUIRE),
      );
    }
    await Deno.writeTextFile(join(outputFolder, "first.js"), first);
    await Deno.writeTextFile(path, `import "./first.js";${await Deno.readTextFile(path)}`);
    return name;
  };
  const entry = join(code, await bundle(program.entry, code));
  const included = [about];
  if (program.worker !== undefined) {
    // The bundler does not follow `new Worker(…)`: a module of that name has to lie beside that of the caller.
    const thread = await bundle(program.worker, join(code, "thread"));
    const worker = join(code, basename(program.worker));
    await Deno.writeTextFile(worker, `import "./thread/${thread}";\n`);
    included.push(worker);
  }
  await Deno.remove(source, { recursive: true });
  const isStarter = program.permissions.some((flag) => flag.startsWith("--allow-run="));
  const variables = join(folder, "variables");
  if (isStarter) await Deno.writeTextFile(variables, `PATH=${searchPathOf(build.target)}\n`);
  await setTimes(folder);
  return { entry, included, ...(isStarter && { env: variables }) };
}

/** What a bundle is made of. */
const SOURCE = ["client.ts", "server.ts", "lib", "deno.json", "deno.lock"];

/**
 * Copies the source. The bundler writes into its chunks, and into their names, the way from the current folder to each module, those of
 * packages in Deno's cache as well: a clone deeper down, or another home, would make other bytes. From a copy with packages beside it
 * the ways are the same everywhere.
 */
async function copySource(folder: string): Promise<void> {
  for (const name of SOURCE) await cp(join(PROJECT_FOLDER, name), join(folder, name), { recursive: true });
}

/**
 * Where a program that may start others looks for them if its environment has no `PATH` (`env -i`): Deno would not even start it, as
 * it looks for all of them first.
 */
function searchPathOf(target: string): string {
  return target.startsWith("windows")
    ? "'C:\\Windows\\System32;C:\\Windows'"
    : "/usr/local/bin:/usr/bin:/bin";
}

/** Deno writes into the executable when each file was last written. */
async function setTimes(folder: string): Promise<void> {
  for await (const { name, isDirectory } of Deno.readDir(folder)) {
    const path = join(folder, name);
    if (isDirectory) await setTimes(path);
    else await Deno.utime(path, WRITTEN_AT, WRITTEN_AT);
  }
}

/** The commit that the source is of, with `-modified` behind it where it has been changed since; null outside of a clone. */
export async function commitOfSource(): Promise<string | null> {
  const git = async (...args: string[]) => {
    const command = new Deno.Command("git", { args, cwd: PROJECT_FOLDER, stdin: "null", stderr: "null" });
    const { success, stdout } = await command.output();
    return success ? new TextDecoder().decode(stdout).trim() : null;
  };
  try {
    const commit = await git("rev-parse", "--verify", "HEAD");
    if (commit === null) return null;
    return await git("status", "--porcelain") === "" ? commit : `${commit}-modified`;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return null; // no git
    throw error;
  }
}

async function runDeno(
  args: readonly string[],
  env: Readonly<Record<string, string>>,
  cwd = PROJECT_FOLDER,
): Promise<{ readonly success: boolean; readonly stderr: string }> {
  const { success, stderr } = await new Deno.Command(Deno.execPath(), {
    args: [...args],
    cwd,
    clearEnv: true,
    env: { ...env, NO_COLOR: "1" },
    stdin: "null",
    stdout: "null",
  }).output();
  return { success, stderr: new TextDecoder().decode(stderr) };
}

/** Turns what `deno compile` said into what a person can do next. */
function explainFailure(program: Program, stderr: string, denort: string | undefined): string {
  const reason = stderr.split(/\n\s*Stack backtrace:/)[0]?.trim() ?? "";
  if (/Could not find denort/.test(reason)) {
    return `Cannot compile ${program.entry}: DENORT_BIN names no base executable of Deno: ${denort}`;
  }
  if (/Setting up base binary|denort/.test(reason)) {
    return `Cannot compile ${program.entry} as Deno's base executable (denort) cannot be downloaded: ` +
      "on a machine that does not reach Deno's download site, fetch it elsewhere and set DENORT_BIN to its path" +
      `\n\n${reason}`;
  }
  return `Cannot compile ${program.entry}:\n${reason}`;
}

/** Key of {@linkcode TARGETS}, or Deno's own name for a machine that is none of them. */
function targetOfThisMachine(): string {
  return Object.keys(TARGETS).find((name) => TARGETS[name] === Deno.build.target) ?? Deno.build.target;
}

function usage(): never {
  complain(
    `Usage: deno task compile [--target ${Object.keys(TARGETS).join("|")}]… [--all] [--output DIR]`,
  );
  Deno.exit(2);
}

function readArguments(): { targets: readonly (string | undefined)[]; output: string } {
  try {
    const { values } = parseArgs({
      args: Deno.args,
      options: {
        target: { type: "string", multiple: true },
        all: { type: "boolean", default: false },
        output: { type: "string", default: join(PROJECT_FOLDER, "dist") },
      },
    });
    const targets = values.all ? Object.keys(TARGETS) : values.target ?? [undefined];
    if (targets.some((target) => target !== undefined && !(target in TARGETS))) usage();
    return { targets, output: values.output };
  } catch {
    usage();
  }
}

async function main(): Promise<void> {
  const { targets, output } = readArguments();
  for (const target of targets) {
    for (const program of PROGRAMS) {
      const folder = target === undefined ? output : join(output, target);
      const path = await compileProgram(program, target === undefined ? { folder } : { folder, target });
      const megabytes = (await Deno.stat(path)).size / 1e6;
      say(`${path}  ${megabytes.toFixed(0)} MB`);
    }
  }
}

if (import.meta.main) await runTool(main);
