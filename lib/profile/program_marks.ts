// Marks: how programs that share a profile know which of the others still run.
// A mark is a small file on which its program holds the operating system's lock. The lock falls with the process, however it
// ends, so a mark without one is of a program that is gone; nothing has to be told, and no clock decides.
import { join } from "node:path";
import { fileErrorFrom } from "../sqlite/sqlite_errors.ts";

/** A mark without a lock that is older was left by a program that was killed, milliseconds; a younger one may be being made. */
const STALE_MS = 60 * 60 * 1000;

/** The mark of this program, and its view of the others'. Disposing of it takes the mark away. */
export class ProgramMarks implements Disposable {
  readonly #folder: string;
  #own: { readonly name: string; readonly file: Deno.FsFile } | undefined; // set by the first use

  constructor(folder: string) {
    this.#folder = folder;
  }

  /** Name of this program's mark. From the first time that it is asked for, the others see that this program runs. */
  get own(): string {
    try {
      this.#own ??= this.#make();
    } catch (error) {
      throw fileErrorFrom(error, this.#folder);
    }
    return this.#own.name;
  }

  isRunning(name: string): boolean {
    if (name === this.#own?.name) return true;
    const file = this.#open(name);
    if (!file) return false;
    using _ = file;
    if (!file.tryLockSync(true)) return true;
    this.#remove(name);
    return false;
  }

  [Symbol.dispose](): void {
    if (!this.#own) return;
    const { name, file } = this.#own;
    this.#own = undefined;
    this.#remove(name);
    file.close();
  }

  #make(): { readonly name: string; readonly file: Deno.FsFile } {
    Deno.mkdirSync(this.#folder, { recursive: true, mode: 0o700 });
    this.#sweep();
    const name = crypto.randomUUID();
    const file = Deno.openSync(this.#path(name), { createNew: true, read: true, write: true, mode: 0o600 });
    file.lockSync(true);
    return { name, file };
  }

  #sweep(): void {
    for (const { name } of Deno.readDirSync(this.#folder)) {
      const file = this.#open(name);
      if (!file) continue;
      using _ = file;
      const madeAt = file.statSync().mtime?.getTime() ?? 0;
      if (Date.now() - madeAt > STALE_MS && file.tryLockSync(true)) this.#remove(name);
    }
  }

  #open(name: string): Deno.FsFile | null {
    try {
      return Deno.openSync(this.#path(name), { read: true, write: true });
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) return null;
      throw error;
    }
  }

  #remove(name: string): void {
    try {
      Deno.removeSync(this.#path(name));
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    }
  }

  #path(name: string): string {
    return join(this.#folder, name);
  }
}
