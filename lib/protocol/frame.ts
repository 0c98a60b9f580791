/**
 * Frames: cuts JSON lines out of a byte stream, and makes them.
 *
 * Knows UTF-8, line ends and the length cap; nothing of sockets or of what a line means. A frame is one UTF-8
 * JSON value and then LF (protocol README, "Framing"); CR LF is taken too, and blank lines are skipped, so that a
 * person can type at `openssl s_client`.
 * @module
 */
import { ProtocolError } from "../errors.ts";
import { MAX_FRAME_BYTES } from "./limits.ts";

const LF = 0x0a;
const CR = 0x0d;
const EMPTY = new Uint8Array(0);
/** First size of the buffer that holds the start of an unfinished frame; it doubles from here up to the cap. */
const FIRST_PENDING_BYTES = 1024;

const encoder = new TextEncoder();

/**
 * Cuts complete lines out of chunks of bytes, whatever the chunks' borders are.
 * Each byte is looked at a fixed number of times, so a frame that arrives one byte at a time costs no more per
 * byte than one that arrives at once. Between frames it holds no buffer.
 */
export class FrameDecoder {
  readonly #maxFrameBytes: number;
  // ignoreBOM: a byte order mark is not JSON (RFC 8259 §8.1), so it is left in for the JSON parser to refuse.
  readonly #utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
  #pending: Uint8Array = EMPTY;
  #pendingBytes = 0;
  #fault: ProtocolError | undefined;

  /** Takes frames of at most so many bytes, line end included. */
  constructor(maxFrameBytes: number = MAX_FRAME_BYTES) {
    this.#maxFrameBytes = maxFrameBytes;
  }

  /**
   * The fault that made the stream unreadable: a frame over the cap (`too_large`) or bytes that are not UTF-8 (`invalid`).
   * Unset while all is well; look after each {@linkcode push}. Once set it stays, and nothing more is decoded.
   */
  get fault(): ProtocolError | undefined {
    return this.#fault;
  }

  /** Whether a frame has begun and its line end has not come: a stream that ends now was cut, not finished. */
  get isMidFrame(): boolean {
    return this.#pendingBytes > 0;
  }

  /**
   * Takes the next bytes of the stream.
   * @param bytes Any number of bytes; not kept after the call, so the caller may use the buffer again.
   * @returns The lines that are now complete, in order, without their line ends, never blank. Where the bytes hold
   *   a fault, these are the lines before it, and {@linkcode fault} is set.
   */
  push(bytes: Uint8Array): string[] {
    const lines: string[] = [];
    if (this.#fault) return lines;
    let start = 0;
    if (this.#pendingBytes > 0) {
      const end = bytes.indexOf(LF);
      if (!this.#keep(end === -1 ? bytes : bytes.subarray(0, end), end !== -1) || end === -1) return lines;
      const line = this.#pending.subarray(0, this.#pendingBytes);
      this.#pending = EMPTY;
      this.#pendingBytes = 0;
      if (!this.#decode(line, lines)) return lines;
      start = end + 1;
    }
    const last = bytes.lastIndexOf(LF);
    if (last >= start) {
      if (!this.#decode(bytes.subarray(start, last), lines)) return lines;
      start = last + 1;
    }
    if (start < bytes.length) this.#keep(bytes.subarray(start), false);
    return lines;
  }

  /** Adds to the unfinished frame; false once it is over the cap (a frame still open counts its LF to come). */
  #keep(bytes: Uint8Array, isWhole: boolean): boolean {
    const total = this.#pendingBytes + bytes.length;
    if (total + 1 > this.#maxFrameBytes) return this.#failTooLong(isWhole ? total + 1 : undefined);
    if (total > this.#pending.length) {
      const wanted = Math.max(FIRST_PENDING_BYTES, total, this.#pending.length * 2);
      const grown = new Uint8Array(Math.min(wanted, this.#maxFrameBytes));
      grown.set(this.#pending.subarray(0, this.#pendingBytes));
      this.#pending = grown;
    }
    this.#pending.set(bytes, this.#pendingBytes);
    this.#pendingBytes = total;
    return true;
  }

  /** Decodes a run of whole lines (the last LF left off) in one go: one call per read, not one per frame. */
  #decode(run: Uint8Array, lines: string[]): boolean {
    let text: string;
    try {
      if (run.length + 1 > this.#maxFrameBytes) return this.#decodeEach(run, lines);
      text = this.#utf8.decode(run);
    } catch {
      return this.#decodeEach(run, lines);
    }
    for (const line of text.split("\n")) {
      const bare = line.endsWith("\r") ? line.slice(0, -1) : line;
      if (bare !== "") lines.push(bare);
    }
    return true;
  }

  /** The slow way for a run that holds a fault or is longer than one frame may be: line by line. */
  #decodeEach(run: Uint8Array, lines: string[]): boolean {
    for (let from = 0; from <= run.length;) {
      const end = run.indexOf(LF, from);
      const stop = end === -1 ? run.length : end;
      if (stop - from + 1 > this.#maxFrameBytes) return this.#failTooLong(stop - from + 1);
      const bare = stop > from && run[stop - 1] === CR ? stop - 1 : stop;
      try {
        if (bare > from) lines.push(this.#utf8.decode(run.subarray(from, bare)));
      } catch {
        this.#fault = new ProtocolError(-32700, "Cannot read frame as it is not UTF-8");
        return false;
      }
      from = stop + 1;
    }
    return true;
  }

  #failTooLong(frameBytes: number | undefined): false {
    const seen = frameBytes === undefined ? "no line end within them" : `received ${frameBytes}`;
    this.#pending = EMPTY;
    this.#pendingBytes = 0;
    this.#fault = new ProtocolError(
      -32008,
      `Cannot read frame as it must be at most ${this.#maxFrameBytes} bytes with its line end: ${seen}`,
      "too_large",
    );
    return false;
  }
}

/**
 * Makes one frame of a value; JSON escapes a raw LF, so none can be inside the frame.
 * @throws {TypeError} When JSON has no form for the value.
 * @throws {RangeError} When the frame would be over `MAX_FRAME_BYTES`: the other end would hang up on it.
 */
export function encodeFrame(value: unknown): string {
  const json = JSON.stringify(value);
  // A UTF-16 unit takes at most 3 bytes of UTF-8: short frames need no counting.
  if (json.length * 3 >= MAX_FRAME_BYTES) {
    const frameBytes = encoder.encode(json).length + 1;
    if (frameBytes > MAX_FRAME_BYTES) {
      throw new RangeError(
        `Cannot send frame as it must be at most ${MAX_FRAME_BYTES} bytes: encoded ${frameBytes}`,
      );
    }
  }
  return json + "\n";
}
