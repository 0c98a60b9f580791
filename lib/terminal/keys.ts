/**
 * What a keyboard sends, cut into key events: bytes in, keys out.
 *
 * Knows UTF-8, the escape sequences of terminals and bracketed paste; knows nothing of what a key does. Bytes may
 * be cut anywhere between two reads. Whatever makes no sense becomes an `unknown` key or `�`, never an error.
 * @module
 * @see ECMA-48 §5.4 (control sequences); xterm "ctlseqs" (PC-style keys, bracketed paste); kitty keyboard protocol (CSI u)
 */

/** Keys that have a name; `text` is anything that writes itself, `paste` a whole pasted piece. */
export type KeyName =
  | "text"
  | "paste"
  | "enter"
  | "tab"
  | "backspace"
  | "delete"
  | "escape"
  | "up"
  | "down"
  | "left"
  | "right"
  | "home"
  | "end"
  | "page_up"
  | "page_down"
  | "insert"
  | "position" // not a key: the terminal's answer to the question where its cursor is
  | "unknown";

/** One key press, or one paste. */
export interface Key {
  /** Which key. */
  readonly name: KeyName;
  /** The characters for `text` and `paste`, `ROW;COLUMN` counted from 1 for `position`; for `text` with `ctrl` or `alt` the single letter, lower case with `ctrl`; else empty. */
  readonly text: string;
  /** Whether Ctrl was held. */
  readonly ctrl: boolean;
  /** Whether Alt was held. */
  readonly alt: boolean;
  /** Whether Shift was held, where the terminal says so. */
  readonly shift: boolean;
}

/** Milliseconds after which a lone Escape byte is the Escape key, not the beginning of a sequence. */
export const ESCAPE_WAIT_MS = 50;
/** Milliseconds of silence after which a paste that was begun counts as ended. */
export const PASTE_WAIT_MS = 2_000;

/** Longest escape sequence waited for, in bytes; a longer one is dropped as junk. */
const MAX_SEQUENCE_BYTES = 64;
/** Longest paste kept, in bytes; what is beyond is dropped, and the key says nothing of it. */
export const MAX_PASTE_BYTES = 8 * 1024 * 1024;

const ESC = 0x1b;
const PASTE_END = Uint8Array.of(ESC, 0x5b, 0x32, 0x30, 0x31, 0x7e); // ESC [ 201 ~

const BY_FINAL: Readonly<Record<string, KeyName>> = {
  A: "up",
  B: "down",
  C: "right",
  D: "left",
  F: "end",
  H: "home",
  M: "enter", // SS3 M: Enter of the keypad
  Z: "tab", // CSI Z: Shift+Tab
};
const BY_NUMBER: Readonly<Record<number, KeyName>> = {
  1: "home",
  2: "insert",
  3: "delete",
  4: "end",
  5: "page_up",
  6: "page_down",
  7: "home",
  8: "end",
};
const BY_CODE: Readonly<Record<number, KeyName>> = {
  8: "backspace",
  9: "tab",
  13: "enter",
  27: "escape",
  127: "backspace",
};

/** Cuts bytes into keys, keeping what is not complete yet for the next read. */
export class KeyDecoder {
  #held: Uint8Array = new Uint8Array(0);
  #paste: Uint8Array[] | undefined; // pieces of the paste going on; unset outside one
  #pasteBytes = 0;

  /** Milliseconds after which, if nothing follows, to call {@linkcode flush}; 0 while nothing is held. */
  get waitMs(): number {
    if (this.#paste !== undefined) return PASTE_WAIT_MS;
    return this.#held.length > 0 ? ESCAPE_WAIT_MS : 0;
  }

  /**
   * Takes what was read.
   *
   * @param bytes Any bytes, cut anywhere.
   * @returns The keys that are complete now, in order. Runs of plain text come as one `text` key.
   */
  push(bytes: Uint8Array): Key[] {
    let data = bytes;
    if (this.#held.length > 0) {
      data = new Uint8Array(this.#held.length + bytes.length);
      data.set(this.#held);
      data.set(bytes, this.#held.length);
      this.#held = new Uint8Array(0);
    }
    return this.#decode(data, false);
  }

  /** Gives up waiting: what is held becomes keys (a lone Escape, `�`, a paste whose end never came). */
  flush(): Key[] {
    const data = this.#held;
    this.#held = new Uint8Array(0);
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
        keys.push(key("text", new TextDecoder("utf-8", { ignoreBOM: true }).decode(data.subarray(at, end))));
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

function key(
  name: KeyName,
  text = "",
  modifiers: { ctrl?: boolean; alt?: boolean; shift?: boolean } = {},
): Key {
  return {
    name,
    text,
    ctrl: modifiers.ctrl === true,
    alt: modifiers.alt === true,
    shift: modifiers.shift === true,
  };
}

function controlKey(byte: number, alt: boolean): Key {
  switch (byte) {
    case 0x0d:
      return key("enter", "", { alt });
    case 0x0a: // Ctrl+J, and Enter of terminals in "new line" mode
      return key("enter", "", { alt });
    case 0x09:
      return key("tab", "", { alt });
    case 0x7f:
    case 0x08: // Ctrl+Backspace in some terminals, Backspace in others
      return key("backspace", "", { alt });
    case 0x00:
      return key("text", " ", { ctrl: true, alt });
    case ESC:
      return key("escape", "", { alt });
  }
  return key("text", byte <= 0x1a ? String.fromCharCode(byte + 0x60) : String.fromCharCode(byte + 0x40), {
    ctrl: true,
    alt,
  });
}

/** Reads the sequence at `at`; 0 when it is not complete. Pushes a `paste` key where a paste begins. */
function takeSequence(data: Uint8Array, at: number, isLast: boolean, keys: Key[]): number {
  const second = data[at + 1];
  if (second === undefined) {
    if (!isLast) return 0;
    keys.push(key("escape"));
    return 1;
  }
  if (second === 0x5b || second === 0x4f) return takeControlSequence(data, at, isLast, second === 0x4f, keys);
  if (second === ESC) { // Escape twice, or Alt with a special key: ESC ESC [ A
    if (data[at + 2] === undefined && !isLast) return 0;
    const inner: Key[] = [];
    const taken = data[at + 2] === 0x5b || data[at + 2] === 0x4f
      ? takeSequence(data, at + 1, isLast, inner)
      : -1;
    if (taken === 0) return 0;
    if (taken > 0 && inner[0]?.name !== "paste") {
      for (const one of inner) keys.push({ ...one, alt: true });
      return taken + 1;
    }
    keys.push(key("escape"));
    return 1;
  }
  if (second < 0x20 || second === 0x7f) {
    keys.push(controlKey(second, true));
    return 2;
  }
  const end = characterEnd(data, at + 1);
  if (end === undefined) {
    if (!isLast) return 0;
    keys.push(key("escape"));
    return 1;
  }
  keys.push(
    key("text", new TextDecoder("utf-8", { ignoreBOM: true }).decode(data.subarray(at + 1, end)), {
      alt: true,
    }),
  );
  return end - at;
}

function takeControlSequence(
  data: Uint8Array,
  at: number,
  isLast: boolean,
  isSs3: boolean,
  keys: Key[],
): number {
  let end = at + 2;
  // ECMA-48 §5.4: parameters 0x30–0x3f, intermediates 0x20–0x2f, one final byte 0x40–0x7e.
  while (end < data.length && data[end]! >= 0x20 && data[end]! <= 0x3f) end += 1;
  // The Linux console sends F1 to F5 as CSI [ A … CSI [ E.
  if (!isSs3 && end === at + 2 && data[end] === 0x5b) end += 1;
  const final = data[end];
  if (final === undefined) {
    if (!isLast && end - at < MAX_SEQUENCE_BYTES) return 0;
    // Alt+[ and Alt+O are typed as the first two bytes of a sequence.
    keys.push(end === at + 2 ? key("text", isSs3 ? "O" : "[", { alt: true }) : key("unknown"));
    return end - at;
  }
  if (final < 0x40 || final > 0x7e) {
    // Not a sequence after all: drop its beginning, and read the odd byte as a key of its own.
    keys.push(key("unknown"));
    return end - at;
  }
  const parameters = String.fromCharCode(...data.subarray(at + 2, end));
  // SS3 M is Enter on the keypad; CSI M reports a mouse.
  const isMouse = !isSs3 && (final === 0x4d || parameters.startsWith("<"));
  keys.push(isMouse ? key("unknown") : namedKey(String.fromCharCode(final), parameters));
  return end - at + 1;
}

function namedKey(final: string, parameters: string): Key {
  const fields = parameters.split(";").map((field) => Number.parseInt(field, 10));
  const bits = Math.max(0, (fields[1] || 1) - 1);
  const modifiers = { shift: (bits & 1) !== 0, alt: (bits & 2) !== 0, ctrl: (bits & 4) !== 0 };
  if (final === "~") {
    if (fields[0] === 200) return key("paste");
    if (fields[0] === 27) return codeKey(fields[2] ?? 0, modifiers);
    return key(BY_NUMBER[fields[0] ?? 0] ?? "unknown", "", modifiers);
  }
  // The same as F3 with a modifier, which nothing here uses.
  if (final === "R" && /^\d+;\d+$/.test(parameters)) return key("position", parameters);
  if (final === "u") return codeKey(fields[0] ?? 0, modifiers);
  // rxvt marks Ctrl and Shift by another final: CSI ^ and CSI $.
  if (final === "^") return key(BY_NUMBER[fields[0] ?? 0] ?? "unknown", "", { ctrl: true });
  const rxvt = /^[a-d]$/.test(final) ? BY_FINAL[final.toUpperCase()] : undefined;
  if (rxvt !== undefined) return key(rxvt, "", parameters === "" ? { ctrl: true } : { shift: true });
  const name = BY_FINAL[final];
  if (name === undefined || parameters.startsWith("[")) return key("unknown");
  return final === "Z" ? key("tab", "", { shift: true }) : key(name, "", modifiers);
}

function codeKey(code: number, modifiers: { ctrl: boolean; alt: boolean; shift: boolean }): Key {
  const name = BY_CODE[code];
  if (name !== undefined) return key(name, "", modifiers);
  if (
    !(code >= 0x20 && code <= 0x10ffff) || (code >= 0xd800 && code <= 0xdfff) ||
    (code >= 0xe000 && code <= 0xf8ff)
  ) {
    return key("unknown");
  }
  return key("text", String.fromCodePoint(code), modifiers);
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

/** Where the UTF-8 character at `at` ends; unset when bytes of it are still to come. */
function characterEnd(data: Uint8Array, at: number): number | undefined {
  const first = data[at]!;
  const length = first >= 0xf0 && first < 0xf8
    ? 4
    : first >= 0xe0 && first < 0xf0
    ? 3
    : first >= 0xc0 && first < 0xe0
    ? 2
    : 1;
  for (let index = 1; index < length; index++) {
    const byte = data[at + index];
    if (byte === undefined) return undefined;
    if ((byte & 0xc0) !== 0x80) return at + index;
  }
  return at + length;
}

function indexOfPasteEnd(data: Uint8Array, from: number): number {
  for (let at = data.indexOf(ESC, from); at >= 0; at = data.indexOf(ESC, at + 1)) {
    if (PASTE_END.every((byte, index) => data[at + index] === byte)) return at;
  }
  return -1;
}

function decodeAll(pieces: readonly Uint8Array[]): string {
  const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
  return pieces.map((piece) => decoder.decode(piece, { stream: true })).join("") + decoder.decode();
}
