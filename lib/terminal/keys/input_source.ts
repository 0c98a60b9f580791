// Reads what is typed or piped, only when somebody asks: a program that is started in between (an editor) gets its own
// keys. A read that nobody wants any more stays open, and its bytes go to whoever asks next: none can be taken back.
import { UsageError } from "../../errors.ts";
import { unlessAborted } from "../../waiting.ts";
import type { TerminalInput } from "../io.ts";
import { decodeAll } from "./key_sequences.ts";

/** Longest line taken from a pipe, in bytes. */
export const MAX_LINE_BYTES = 8 * 1024 * 1024;

const READ_BYTES = 16 * 1024;

export class InputSource {
  readonly #input: TerminalInput;
  readonly #onRead: () => void;
  #pending: Promise<Uint8Array | null> | undefined;
  #held: Uint8Array[] = []; // read, but not asked for yet
  #hasEnded = false;

  /** @param onRead Told each time that bytes were read. */
  constructor(input: TerminalInput, onRead: () => void = () => {}) {
    this.#input = input;
    this.#onRead = onRead;
  }

  /** The next bytes; `null` at the end, and ever after. Asked again before the answer, it gives the same one to both. */
  peek(): Promise<Uint8Array | null> {
    if (this.#held.length > 0) return Promise.resolve(this.#held[0]!);
    if (this.#hasEnded) return Promise.resolve(null);
    this.#pending ??= this.#read();
    return this.#pending;
  }

  /** Takes what {@linkcode peek} gave, or only its first so many bytes. */
  take(count = Infinity): Uint8Array {
    const bytes = this.#held.shift() ?? new Uint8Array(0);
    if (count < bytes.length) this.#held.unshift(bytes.subarray(count));
    return bytes.subarray(0, count);
  }

  /** The next line, without its line end; `null` at the end. Throws `UsageError` for a line over {@linkcode MAX_LINE_BYTES}. */
  async line(signal: AbortSignal): Promise<string | null> {
    const pieces: Uint8Array[] = [];
    let length = 0;
    while (true) {
      const bytes = await this.#peekUntil(signal, pieces);
      if (bytes === null) {
        if (pieces.length === 0) return null;
        break;
      }
      const feed = bytes.indexOf(0x0a);
      const piece = this.take(feed < 0 ? bytes.length : feed + 1).subarray(0, feed < 0 ? bytes.length : feed);
      length += piece.length;
      if (length <= MAX_LINE_BYTES) pieces.push(piece);
      if (feed >= 0) break;
    }
    if (length > MAX_LINE_BYTES) {
      throw new UsageError(`Cannot read a line of ${length} bytes: the longest is ${MAX_LINE_BYTES}`);
    }
    return decodeAll(pieces, false).replace(/\r$/, "");
  }

  async #peekUntil(signal: AbortSignal, pieces: Uint8Array[]): Promise<Uint8Array | null> {
    try {
      return await unlessAborted(signal, this.peek());
    } catch (error) {
      // The line goes on for whoever asks next.
      this.#held.unshift(...pieces);
      throw error;
    }
  }

  async #read(): Promise<Uint8Array | null> {
    const buffer = new Uint8Array(READ_BYTES);
    let count: number | null;
    try {
      count = await this.#input.read(buffer);
    } catch {
      count = null;
    }
    this.#pending = undefined;
    if (count === null) {
      this.#hasEnded = true;
      return null;
    }
    this.#onRead();
    const bytes = buffer.subarray(0, count);
    this.#held.push(bytes);
    return bytes;
  }
}
