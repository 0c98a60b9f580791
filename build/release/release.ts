/**
 * `deno task release`: makes everything of a release from one commit: archives, `release.json`, `SHA256SUMS` and its signature.
 *
 * `build/release/README.md` says what there is then, how a person checks it, and how to make a key.
 * @module
 */
import { join } from "node:path";
import { parseArgs } from "node:util";
import { commitOfSource, compileProgram, type Program, PROGRAMS, TARGETS } from "../compile.ts";
import { writeWords } from "../words.ts";
import { complain, PROJECT_FOLDER, runTool, say } from "../tool.ts";
import { VERSION } from "../../lib/version.ts";
import { filesIn, packFolder, run } from "./archives.ts";
import { writeCatalogues } from "./catalogues.ts";
import { writeInstallers } from "./installers.ts";
import { makeDebianPackages } from "./debian.ts";
import { checkExecutable } from "./inspect.ts";
import {
  archiveName,
  describeFile,
  downloadFolder,
  measure,
  type Release,
  type ReleaseFile,
  WANTED_URL,
  writeManifest,
} from "./manifest.ts";
import { PUBLIC_KEY_FILE, SECRET_KEY_VARIABLE, type Signer, tryKeys } from "./signing.ts";

/** What is signed: a line for each other file, as `sha256sum` writes it. */
const SUMS_NAME = "SHA256SUMS";

/** What a release is made of. */
export interface ReleaseOptions {
  /** Folder for all of it: made when missing, refused when something is in it. */
  readonly folder: string;
  /** Where the folder will be downloaded from, without a slash at its end. */
  readonly url: string;
  /** Hash of the commit that the source is of. */
  readonly commit: string;
  /** When that was made; the time of all that is in the archives. */
  readonly committedAt: Date;
  /** Keys of {@linkcode TARGETS}. */
  readonly targets: readonly string[];
  readonly signer: Signer;
  /** Who answers for the packages for Debian, as `NAME <ADDRESS>`; none are made when unset. */
  readonly maintainer?: string;
  /** Variables for the compiler on top of this process's, such as those of other base executables. */
  readonly env?: Readonly<Record<string, string>>;
  /** Told each file that is made. */
  readonly report: (line: string) => void;
}

/**
 * Makes a release. The same commit makes the same bytes again, but for the signature.
 *
 * @throws {Error} the folder holds something, or a part cannot be made.
 */
export async function makeRelease(options: ReleaseOptions): Promise<void> {
  const { folder, url, commit, committedAt, targets, signer, report } = options;
  await Deno.mkdir(folder, { recursive: true });
  if ((await Array.fromAsync(Deno.readDir(folder))).length > 0) {
    throw new Error(
      `Cannot make a release in ${folder}: it is not empty; remove what is in it, or give another --output`,
    );
  }
  const files: ReleaseFile[] = [];
  const versions = new Set<string>();
  for (const target of targets) {
    // Both at once: gzip takes most of the time, on one core.
    const made = await Promise.all(PROGRAMS.map((program) => makeArchive(program, target, options)));
    for (const { file, deno } of made) {
      report(`${file.file}  ${(file.bytes / 1e6).toFixed(1)} MB`);
      files.push(file);
      versions.add(deno);
    }
  }
  const [deno = "", ...others] = versions;
  if (others.length > 0) {
    throw new Error(
      `Cannot make a release of base executables of several versions of Deno: ${[...versions].join(", ")}`,
    );
  }
  await writeInstallers(folder, { url, publicKey: signer.publicKey });
  const release: Release = { name: "mini-chat", version: VERSION, commit, deno, url, files };
  await writeManifest(folder, release);
  await writeCatalogues(folder, release);
  if (options.maintainer !== undefined) {
    const made = await makeDebianPackages({ folder, release, committedAt, maintainer: options.maintainer });
    for (const name of made) report(name);
  }
  await writeSums(folder);
  await signer.sign(
    join(folder, SUMS_NAME),
    `mini-chat ${VERSION}, commit ${commit}, ${committedAt.toISOString()}`,
  );
  report(`${SUMS_NAME}, signed`);
}

/** Compiles a program, and packs it with what belongs to it; `deno` is the version of that inside of it. */
async function makeArchive(
  program: Program,
  target: string,
  options: ReleaseOptions,
): Promise<{ readonly file: ReleaseFile; readonly deno: string }> {
  const { folder, commit, committedAt, env = {} } = options;
  const scratch = await Deno.makeTempDir({ prefix: "mini-chat-release-" });
  try {
    const executable = await compileProgram(program, { folder: scratch, target, commit, env });
    const deno = await checkExecutable(executable, { version: VERSION, commit, target });
    await Deno.copyFile(join(PROJECT_FOLDER, "LICENSE"), join(scratch, "LICENSE"));
    await writeWords(scratch, program.name);
    await packFolder(scratch, join(folder, archiveName(program.name, target)), committedAt);
    return { file: await describeFile(folder, program.name, target), deno };
  } finally {
    await Deno.remove(scratch, { recursive: true });
  }
}

/** Writes `SHA256SUMS` of every file in the folder. */
async function writeSums(folder: string): Promise<void> {
  const lines: string[] = [];
  for (const name of await filesIn(folder, "")) {
    lines.push(`${(await measure(join(folder, name))).sha256}  ${name}\n`);
  }
  await Deno.writeTextFile(join(folder, SUMS_NAME), lines.join(""));
}

const USAGE =
  `Usage: deno task release --url URL --key FILE [--output DIR] [--public-key FILE] [--target NAME]…

  --url URL          https:// address of the folder that the files will be downloaded from, without a slash at its end
  --key FILE         secret key of minisign that signs them, or ${SECRET_KEY_VARIABLE}; its password from standard input
  --public-key FILE  the public part (build/release/minisign.pub)
  --maintainer WHO   name and <address> in the packages for Debian (whoever made the commit)
  --output DIR       folder to make it in (dist/release)
  --target NAME      only for this machine, more than once if wanted: ${Object.keys(TARGETS).join(" ")}`;

function readArguments() {
  try {
    const { values } = parseArgs({
      args: Deno.args,
      options: {
        url: { type: "string" },
        key: { type: "string", default: Deno.env.get(SECRET_KEY_VARIABLE) },
        "public-key": { type: "string", default: PUBLIC_KEY_FILE },
        output: { type: "string", default: join(PROJECT_FOLDER, "dist", "release") },
        maintainer: { type: "string" },
        target: { type: "string", multiple: true, default: Object.keys(TARGETS) },
      },
    });
    const unknown = values.target.find((target) => !(target in TARGETS));
    if (unknown !== undefined) {
      throw new TypeError(`Cannot make a release for ${unknown}: Deno compiles for none such`);
    }
    return values;
  } catch (error) {
    complain(`${(error as Error).message}\n\n${USAGE}`);
    Deno.exit(2);
  }
}

async function main(): Promise<void> {
  const args = readArguments();
  const { success: isGood, data: url } = downloadFolder.safeParse(args.url);
  if (!isGood) throw new Error(`Cannot make a release for --url ${args.url}: give ${WANTED_URL}\n\n${USAGE}`);
  const signer = await tryKeys({ secret: args.key, public: args["public-key"] });
  const commit = await commitOfSource();
  if (commit === null) {
    throw new Error("Cannot make a release: this is no clone of the repository with git beside it");
  }
  if (commit.endsWith("-modified")) {
    throw new Error(
      "Cannot make a release: the source is not that of a commit; git status shows what differs",
    );
  }
  const seconds = await run("git", ["-C", PROJECT_FOLDER, "log", "-1", "--format=%ct"]);
  await makeRelease({
    folder: args.output,
    url,
    commit,
    committedAt: new Date(Number(seconds) * 1000),
    targets: args.target,
    signer,
    maintainer: args.maintainer ??
      await run("git", ["-C", PROJECT_FOLDER, "log", "-1", "--format=%an <%ae>"]).then((it) => it.trim()),
    report: say,
  });
  const left = Object.keys(TARGETS).filter((target) => !args.target.includes(target));
  say(`${args.output} holds Mini-Chat ${VERSION} for ${args.target.join(", ")}`);
  if (left.length > 0) say(`Left out: ${left.join(", ")}`);
}

if (import.meta.main) await runTool(main);
