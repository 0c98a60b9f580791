// release.json: the one list of what a release holds. npm packages, .deb, Homebrew and Scoop files are made from it, and from
// nothing else, so that none of them can name another version or another checksum.
import { createHash } from "node:crypto";
import { join } from "node:path";
import * as z from "zod";
import { PROGRAMS, TARGETS } from "../compile.ts";

/** Name of the manifest, beside the archives. */
const MANIFEST_NAME = "release.json";

/** No version in it, so that `…/latest/download/NAME` stays a good address; Windows opens .zip without further programs. */
export function archiveName(program: string, target: string): string {
  return `${program}-${target}.${target.startsWith("windows") ? "zip" : "tar.gz"}`;
}

/** The executable inside of an archive, and inside of an npm package. */
export function executableName(program: string, target: string): string {
  return target.startsWith("windows") ? `${program}.exe` : program;
}

const releaseFileSchema = z.strictObject({
  file: z.string(), // name of the archive, without a folder
  program: z.enum(PROGRAMS.map(({ name }) => name)),
  target: z.enum(Object.keys(TARGETS)),
  bytes: z.int().positive(),
  sha256: z.string().regex(/^[0-9a-f]{64}$/, "64 lowercase hexadecimal digits"),
}).refine(({ file, program, target }) => file === archiveName(program, target), {
  path: ["file"],
  error: "not the name of that program's archive for that target",
});

/** What an address of a release must be, in words. */
export const WANTED_URL = "the https:// address of the folder of the downloads, without a slash at its end";

/** The folder that a release is downloaded from. */
export const downloadFolder = z.string().regex(
  /^(https:\/\/|http:\/\/127\.0\.0\.1:)\S*[^/\s]$/, // loopback: the tests' own server
  WANTED_URL,
);

const releaseSchema = z.strictObject({
  name: z.literal("mini-chat"),
  version: z.string().regex(/^\d+\.\d+\.\d+(-[\w.]+)?$/, "a version such as 1.2.3"),
  commit: z.string().regex(/^[0-9a-f]{40}$/, "40 lowercase hexadecimal digits"),
  deno: z.string().regex(/^\d+\.\d+\.\d+/, "a version of Deno"), // that inside of the executables
  url: downloadFolder,
  // Sorted by file: the same release is the same bytes.
  files: z.array(releaseFileSchema).min(1).refine(isSortedByFile, "sorted by file, each of them once"),
});

/** One archive of a release. */
export type ReleaseFile = z.infer<typeof releaseFileSchema>;

/** What `release.json` holds. */
export type Release = z.infer<typeof releaseSchema>;

function isSortedByFile(files: readonly { readonly file: string }[]): boolean {
  return files.every(({ file }, index) => index === 0 || files[index - 1]!.file < file);
}

/**
 * Reads a manifest.
 *
 * @param path The file, or the folder of the release that it lies in.
 * @throws {Error} there is none, or something in it is not as it should be; the message names it.
 */
export async function readManifest(path: string): Promise<Release> {
  const file = path.endsWith(".json") ? path : join(path, MANIFEST_NAME);
  let text: string;
  try {
    text = await Deno.readTextFile(file);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    throw new Error(`Cannot find ${file}: deno task release makes it`);
  }
  return parseManifest(text, file);
}

/** The same for the text of a manifest; `where` it comes from is for the message. */
export function parseManifest(text: string, where: string): Release {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new Error(`Cannot read ${where}: it is no JSON: ${(error as Error).message}`);
  }
  return check(value, `Cannot use ${where}`);
}

/**
 * Writes `release.json` into the folder of the release, its files sorted.
 *
 * @returns Its path.
 * @throws {Error} something in it is not as it should be.
 */
export async function writeManifest(folder: string, release: Release): Promise<string> {
  const files = release.files.toSorted((a, b) => a.file < b.file ? -1 : 1);
  const checked = check({ ...release, files }, `Cannot write ${MANIFEST_NAME}`);
  const path = join(folder, MANIFEST_NAME);
  await Deno.writeTextFile(path, JSON.stringify(checked, null, 2) + "\n");
  return path;
}

function check(value: unknown, problem: string): Release {
  const result = releaseSchema.safeParse(value);
  if (result.success) return result.data;
  throw new Error(`${problem}:\n${z.prettifyError(result.error)}`);
}

/** The archive of a program for a target; undefined when the release has none. */
export function findFile(release: Release, program: string, target: string): ReleaseFile | undefined {
  return release.files.find((file) => file.program === program && file.target === target);
}

/** Where an archive is downloaded from. */
export function downloadUrl(release: Release, { file }: ReleaseFile): string {
  return `${release.url}/${file}`;
}

/** Measures an archive that lies in the folder of the release. */
export async function describeFile(folder: string, program: string, target: string): Promise<ReleaseFile> {
  const file = archiveName(program, target);
  return { file, program, target, ...await measure(join(folder, file)) };
}

/** Length and SHA-256 of a file. */
export async function measure(path: string): Promise<{ readonly bytes: number; readonly sha256: string }> {
  const hash = createHash("sha256");
  let bytes = 0;
  using file = await Deno.open(path);
  for await (const chunk of file.readable) {
    hash.update(chunk);
    bytes += chunk.length;
  }
  return { bytes, sha256: hash.digest("hex") };
}

/**
 * Checks that the archives in a folder are those of the manifest.
 *
 * @throws {Error} one is missing or differs; the message names it.
 */
export async function checkFiles(folder: string, release: Release): Promise<void> {
  for (const { file, bytes, sha256 } of release.files) {
    const found = await measure(join(folder, file)).catch((error: unknown) => {
      if (error instanceof Deno.errors.NotFound) return undefined;
      throw error;
    });
    if (found === undefined) {
      throw new Error(`Cannot find ${file} in ${folder}, which ${MANIFEST_NAME} names`);
    }
    if (found.bytes !== bytes || found.sha256 !== sha256) {
      throw new Error(
        `Cannot use ${join(folder, file)}: it has ${found.bytes} bytes and SHA-256 ${found.sha256}, ` +
          `${MANIFEST_NAME} says ${bytes} and ${sha256}; make the release again`,
      );
    }
  }
}
