/**
 * `deno task compile`: makes `mini-chat-server` and `mini-chat-client`, one file each, with the least permissions.
 *
 * Without arguments: both for this machine, in `dist/`. `--target NAME` (more than once if wanted): for another
 * one, in `dist/NAME/`. `--all`: for each that Deno can compile for. `--output DIR` writes elsewhere than `dist/`.
 * @module
 */
import { join } from "node:path";
import { parseArgs } from "node:util";
import { CLIENT_PERMISSIONS, SERVER_PERMISSIONS } from "./permissions.ts";
import { complain, PROJECT_FOLDER, say } from "./tool.ts";

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
}

/** Both programs, as they are released. */
export const PROGRAMS: readonly Program[] = [
  { entry: "server.ts", name: "mini-chat-server", permissions: SERVER_PERMISSIONS },
  { entry: "client.ts", name: "mini-chat-client", permissions: CLIENT_PERMISSIONS },
];

/** What `compileProgram` is told besides the program. */
export interface CompileOptions {
  /** Folder that the executable is written to; made when missing. */
  readonly folder: string;
  /** Key of {@linkcode TARGETS}; this machine when unset. */
  readonly target?: string;
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

  const env = { ...Deno.env.toObject(), ...options.env };
  // A base executable that is set by hand is one for this machine.
  if (target !== undefined && target !== targetOfThisMachine()) delete env.DENORT_BIN;
  const { success, stderr } = await new Deno.Command(Deno.execPath(), {
    args: [
      "compile",
      "--quiet",
      // One file of what is used, workers too: starts in two thirds of the time that separate modules take.
      "--bundle",
      ...(target === undefined ? [] : ["--target", TARGETS[target] ?? target]),
      ...program.permissions,
      "--output",
      path,
      program.entry,
    ],
    cwd: PROJECT_FOLDER,
    clearEnv: true,
    env: { ...env, NO_COLOR: "1" },
    stdin: "null",
  }).output();
  if (!success) throw new Error(explainFailure(program, new TextDecoder().decode(stderr), env.DENORT_BIN));
  return path;
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

function targetOfThisMachine(): string | undefined {
  return Object.keys(TARGETS).find((name) => TARGETS[name] === Deno.build.target);
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

if (import.meta.main) {
  try {
    await main();
  } catch (error) {
    complain(error instanceof Error ? error.message : String(error));
    Deno.exit(1);
  }
}
