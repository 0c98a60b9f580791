// What an executable is, read from its bytes: most of those of a release cannot be run where it is made.
import { Buffer } from "node:buffer";
import { type Build, BUILD_NAME } from "../../lib/version.ts";
import { isLoadedWhole } from "../portable_executable.ts";

/** What an executable says of itself. */
export interface Inspected {
  /** Machine that it runs on, named as targets are; or what is wrong with its head. */
  readonly target: string;
  /** What the compiler wrote into it; null when there is nothing. */
  readonly build: Build | null;
  /** Version of the Deno that is inside, from how it names itself to web servers; null when it does not. */
  readonly deno: string | null;
}

/** Numbers by which each format names a processor. */
const ELF_MACHINES = new Map([[62, "linux-x64"], [183, "linux-arm64"]]);
const MACH_O_MACHINES = new Map([[0x01000007, "macos-x64"], [0x0100000c, "macos-arm64"]]);
const PE_MACHINES = new Map([[0x8664, "windows-x64"], [0xaa64, "windows-arm64"]]);

/** Reads what an executable is. */
export async function inspectExecutable(path: string): Promise<Inspected> {
  const bytes = Buffer.from((await Deno.readFile(path)).buffer);
  return { target: targetOf(bytes), build: buildOf(bytes), deno: denoOf(bytes) };
}

function targetOf(bytes: Buffer): string {
  const machineOf = (machines: ReadonlyMap<number, string>, number: number) =>
    machines.get(number) ?? `unknown machine ${number}`;
  if (bytes.readUInt32BE(0) === 0x7f454c46) return machineOf(ELF_MACHINES, bytes.readUInt16LE(18));
  if (bytes.readUInt32LE(0) === 0xfeedfacf) return machineOf(MACH_O_MACHINES, bytes.readUInt32LE(4));
  const head = bytes.readUInt32LE(60); // where the PE head lies
  if (bytes.toString("latin1", head, head + 4) === "PE\0\0") {
    const machine = machineOf(PE_MACHINES, bytes.readUInt16LE(head + 4));
    return isLoadedWhole(bytes) ? machine : `${machine}, which would load only a part of it`;
  }
  return "unknown format";
}

function buildOf(bytes: Buffer): Build | null {
  const mark = `globalThis.${BUILD_NAME} = `;
  const start = bytes.indexOf(`${mark}{`);
  if (start < 0) return null;
  return JSON.parse(bytes.toString("utf8", start + mark.length, bytes.indexOf("}", start) + 1));
}

function denoOf(bytes: Buffer): string | null {
  const start = bytes.indexOf("Deno/2.");
  const [, version = null] = start < 0
    ? []
    : /^Deno\/(\d+\.\d+\.\d+)/.exec(bytes.toString("latin1", start, start + 20)) ?? [];
  return version;
}

/**
 * Checks that an executable is the one that it should be: a base executable for another machine compiles without complaint.
 *
 * @returns The version of the Deno inside of it.
 * @throws {Error} it is for another machine, or of another commit.
 */
export async function checkExecutable(path: string, expected: Build): Promise<string> {
  const { target, build, deno } = await inspectExecutable(path);
  if (target !== expected.target || JSON.stringify(build) !== JSON.stringify(expected)) {
    const [seen, wanted] = [build, expected].map((value) => JSON.stringify(value));
    throw new Error(`Cannot use ${path}: it is for ${target} and says ${seen}, expected ${wanted}`);
  }
  if (deno === null) throw new Error(`Cannot find the version of Deno in ${path}`);
  return deno;
}
