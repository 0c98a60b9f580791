/**
 * A slow disk and a wrong clock for a program under test: a library that is loaded before all others.
 *
 * The faults of a running program change whenever its control file is written; see `fault_shim.c`.
 * @module
 */
import { join } from "node:path";
import { PROJECT_FOLDER } from "../../build/tool.ts";

/** Faults that a running program has; what is left out stays as it was. */
export interface Faults {
  /** How much longer each fsync takes, in milliseconds. */
  readonly fsyncMs?: number;
  /** How far the wall clock is ahead, in seconds; behind where negative. */
  readonly clockAheadS?: number;
}

/**
 * Compiles the library.
 *
 * @param folder Where it goes.
 * @returns Its path; undefined where there is no C compiler, or this is not Linux.
 */
export async function buildFaultShim(folder: string): Promise<string | undefined> {
  if (Deno.build.os !== "linux") return undefined;
  const path = join(folder, "fault_shim.so");
  const source = join(PROJECT_FOLDER, "tests/torture/fault_shim.c");
  try {
    const { success, stderr } = await new Deno.Command("cc", {
      args: ["-O2", "-Wall", "-shared", "-fPIC", "-o", path, source, "-ldl"],
      stdin: "null",
    }).output();
    if (!success) throw new Error(`Cannot compile ${source}:\n${new TextDecoder().decode(stderr)}`);
    return path;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

/** The control file of one or more programs. */
export class FaultControl implements Disposable {
  readonly #file: Deno.FsFile;
  readonly #path: string;
  readonly #values = new BigInt64Array(2);

  private constructor(path: string) {
    this.#path = path;
    this.#file = Deno.openSync(path, { create: true, write: true });
    this.#write();
  }

  /** Makes a control file, in which nothing is wrong. */
  static create(folder: string): FaultControl {
    return new FaultControl(join(folder, "faults"));
  }

  /** Variables to start the program with. */
  env(shim: string): Record<string, string> {
    return { LD_PRELOAD: shim, MINI_CHAT_FAULTS: this.#path };
  }

  /** Changes the faults, at once. */
  set({ fsyncMs, clockAheadS }: Faults): void {
    if (fsyncMs !== undefined) this.#values[0] = BigInt(Math.round(fsyncMs * 1000));
    if (clockAheadS !== undefined) this.#values[1] = BigInt(Math.round(clockAheadS));
    this.#write();
  }

  /** Closes the file; the programs keep the last faults. */
  [Symbol.dispose](): void {
    this.#file.close();
  }

  #write(): void {
    this.#file.seekSync(0, Deno.SeekMode.Start);
    this.#file.writeSync(new Uint8Array(this.#values.buffer));
  }
}
