// Cuts what a keyboard sends into keys. Bytes may be cut anywhere between two reads; whatever makes no sense becomes an
// `unknown` key or `�`, never an error.
import {
  characterEnd,
  controlKey,
  decodeAll,
  FOCUS_BY_FINAL,
  type Key,
  key,
  takeSequence,
} from "./key_sequences.ts";

export type { Key, KeyName } from "./key_sequences.ts";

/** Milliseconds after which a lone Escape byte is the Escape key, not the beginning of a sequence. */
const ESCAPE_WAIT_MS = 50;
/** The same for a sequence of which more than its first byte is there: the rest is on its way over a slow line. */
const SEQUENCE_WAIT_MS = 300;
/** Milliseconds of silence after which a paste that was begun counts as ended. */
const PASTE_WAIT_MS = 2_000;

/** Longest paste kept, in bytes; what is beyond is dropped, and the key says nothing of it. */
const MAX_PASTE_BYTES = 8 * 1024 * 1024;

const ESC = 0x1b;
const BRACKET = 0x5b;
const PASTE_END = Uint8Array.of(ESC, 0x5b, 0x32, 0x30, 0x31, 0x7e); // ESC [ 201 ~

/** Cuts bytes into keys, keeping what is not complete yet for the next read. */
export class KeyDecoder {
  #held: Uint8Array = new Uint8Array(0);
  #paste: Uint8Array[] | undefined; // pieces of the paste going on; unset outside one
  #pasteBytes = 0;
  #isBehindEscape = false; // the last byte was an Escape that nothing followed in time

  /** Milliseconds after which, if nothing follows, to call {@linkcode flush}; 0 while nothing is held. */
  get waitMs(): number {
    if (this.#paste !== undefined) return PASTE_WAIT_MS;
    if (this.#held.length === 0) return 0;
    return this.#held.length === 1 && this.#held[0] === ESC ? ESCAPE_WAIT_MS : SEQUENCE_WAIT_MS;
  }

  push(bytes: Uint8Array): Key[] {
    let data = bytes;
    if (this.#held.length > 0) {
      data = new Uint8Array(this.#held.length + bytes.length);
      data.set(this.#held);
      data.set(bytes, this.#held.length);
      this.#held = new Uint8Array(0);
    }
    const late = this.#isBehindEscape ? lateFocus(data) : undefined;
    if (late === undefined) {
      this.#isBehindEscape = false;
      return this.#decode(data, false);
    }
    if (late === "unfinished") {
      this.#held = data.slice();
      return [];
    }
    this.#isBehindEscape = false;
    return [key("focus", late), ...this.#decode(data.subarray(2), false)];
  }

  /** Gives up waiting: what is held becomes keys (a lone Escape, `�`, a paste whose end never came). */
  flush(): Key[] {
    const data = this.#held;
    this.#held = new Uint8Array(0);
    this.#isBehindEscape = this.#paste === undefined && data.length === 1 && data[0] === ESC;
    if (this.#paste === undefined) return this.#decode(data, true);
    const text = decodeAll([...this.#paste, data]);
    this.#paste = undefined;
    return [key("paste", text)];
  }

  #decode(data: Uint8Array, isLast: boolean): Key[] {
    const keys: Key[] = [];
    let at = 0;
    while (at < data.length) {
      if (this.#paste !== undefined) {
        at = this.#takePaste(data, at, keys);
        continue;
      }
      const byte = data[at]!;
      if (byte === ESC) {
        const taken = takeSequence(data, at, isLast, keys);
        if (taken === 0) break;
        const last = keys.at(-1);
        if (last?.name === "paste") {
          keys.pop();
          this.#paste = [];
          this.#pasteBytes = 0;
        }
        at += taken;
      } else if (byte < 0x20 || byte === 0x7f) {
        keys.push(controlKey(byte, false));
        at += 1;
      } else {
        const end = textEnd(data, at, isLast);
        if (end === at) break;
        keys.push(key("text", decodeAll([data.subarray(at, end)])));
        at = end;
      }
    }
    if (at < data.length) this.#held = data.slice(at);
    return keys;
  }

  #takePaste(data: Uint8Array, at: number, keys: Key[]): number {
    const end = indexOfPasteEnd(data, at);
    const stop = end < 0 ? Math.max(at, data.length - PASTE_END.length + 1) : end;
    const piece = data.slice(at, stop);
    if (this.#pasteBytes < MAX_PASTE_BYTES) {
      this.#paste!.push(piece.subarray(0, MAX_PASTE_BYTES - this.#pasteBytes));
    }
    this.#pasteBytes += piece.length;
    if (end < 0) {
      // The tail may be the beginning of the end mark: look at it again with what follows.
      this.#held = data.slice(stop);
      return data.length;
    }
    keys.push(key("paste", decodeAll(this.#paste!)));
    this.#paste = undefined;
    return end + PASTE_END.length;
  }
}

/** A report of the focus whose Escape came so much earlier that it was taken for the key: nobody types `[I` in one go. */
function lateFocus(data: Uint8Array): "in" | "out" | "unfinished" | undefined {
  if (data[0] !== BRACKET) return undefined;
  return data.length === 1 ? "unfinished" : FOCUS_BY_FINAL[data[1]!];
}

/** The end of the run of text at `at`, leaving out a character that is not complete yet. */
function textEnd(data: Uint8Array, at: number, isLast: boolean): number {
  let end = at;
  while (end < data.length && data[end]! >= 0x20 && data[end]! !== 0x7f) end += 1;
  if (isLast || end < data.length) return end;
  for (let back = 1; back <= 3 && end - back >= at; back++) {
    if (data[end - back]! >= 0xc0) return characterEnd(data, end - back) === undefined ? end - back : end;
    if (data[end - back]! < 0x80) break;
  }
  return end;
}

function indexOfPasteEnd(data: Uint8Array, from: number): number {
  for (let at = data.indexOf(ESC, from); at >= 0; at = data.indexOf(ESC, at + 1)) {
    if (PASTE_END.every((byte, index) => data[at + index] === byte)) return at;
  }
  return -1;
}
