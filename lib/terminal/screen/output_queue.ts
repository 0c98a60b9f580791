// Writes to the screen one piece at a time. The owner says what to write when the screen is ready for more, so a slow one
// gets fewer, later pictures and not a growing pile of old ones.
import type { TerminalOutput } from "../io.ts";
import { outputError } from "../standard_output.ts";

/** Characters that may wait to be written before {@linkcode OutputQueue.whenRoom} makes its callers wait. */
export const MAX_WAITING_CHARACTERS = 256 * 1024;

export class OutputQueue {
  readonly #output: TerminalOutput;
  readonly #render: (lines: readonly string[]) => string;
  readonly #closed = new AbortController();
  readonly #encoder = new TextEncoder();
  #lines: string[] = [];
  #waiting = 0;
  #isDirty = false;
  #pump: Promise<void> | undefined;
  #room: PromiseWithResolvers<void> | undefined;
  #isHeld = false;
  #released: PromiseWithResolvers<void> | undefined; // set while somebody waits for what is held back

  constructor(output: TerminalOutput, render: (lines: readonly string[]) => string) {
    this.#output = output;
    this.#render = render;
  }

  /** Aborted once a write has failed, its reason an `OutputError`; writing is then without effect. */
  get closed(): AbortSignal {
    return this.#closed.signal;
  }

  get isFull(): boolean {
    return this.#waiting >= MAX_WAITING_CHARACTERS;
  }

  /** Adds a piece behind the others. Never waits; ask {@linkcode isFull} or {@linkcode whenRoom} first. */
  push(line: string): void {
    if (this.#closed.signal.aborted) return;
    this.#lines.push(line);
    this.#waiting += line.length + 1;
    this.#start();
  }

  /** Asks for a new picture: `render` is called when the screen is ready. */
  invalidate(): void {
    this.#isDirty = true;
    this.#start();
  }

  /** Fulfilled when there is room for more; in the order of the calls. Throws `OutputError` once a write has failed. */
  async whenRoom(): Promise<void> {
    while (this.isFull && !this.#closed.signal.aborted) {
      this.#room ??= Promise.withResolvers<void>();
      await this.#room.promise;
    }
    this.#closed.signal.throwIfAborted();
  }

  /**
   * Fulfilled when all that was asked for before was taken by the output; while it is held back, not before its release.
   * Throws `OutputError` once a write has failed.
   */
  async flush(): Promise<void> {
    while (this.#pump !== undefined || (this.#isHeld && this.#lines.length > 0)) {
      this.#released ??= Promise.withResolvers<void>();
      await (this.#pump ?? this.#released.promise);
    }
    this.#closed.signal.throwIfAborted();
  }

  /** Keeps everything back, after what is being written now: somebody else has the screen. */
  async hold(): Promise<void> {
    while (this.#pump !== undefined) await this.#pump;
    this.#isHeld = true;
  }

  release(): void {
    this.#isHeld = false;
    this.#start();
    this.#released?.resolve();
    this.#released = undefined;
  }

  #start(): void {
    if (this.#isHeld || this.#pump !== undefined) return;
    this.#pump = this.#run();
  }

  async #run(): Promise<void> {
    // Whatever else this turn of the event loop prints goes into the same write.
    await Promise.resolve();
    try {
      while ((this.#lines.length > 0 || this.#isDirty) && !this.#isHeld && !this.#closed.signal.aborted) {
        await this.#writeNext();
      }
    } finally {
      // In the same step as the last look at what waits: whoever adds something later finds no pump, and starts one.
      this.#pump = undefined;
    }
  }

  async #writeNext(): Promise<void> {
    const lines = this.#lines;
    this.#lines = [];
    this.#isDirty = false;
    const text = this.#render(lines);
    try {
      await this.#write(this.#encoder.encode(text));
    } catch (error) {
      this.#lines = [];
      this.#closed.abort(outputError(error));
    }
    this.#waiting = this.#lines.reduce((sum, line) => sum + line.length + 1, 0);
    if (!this.isFull || this.#closed.signal.aborted) {
      this.#room?.resolve();
      this.#room = undefined;
    }
  }

  async #write(bytes: Uint8Array): Promise<void> {
    for (let rest = bytes; rest.length > 0;) rest = rest.subarray(await this.#output.write(rest));
  }
}
