/**
 * Which key an escape sequence or a control character stands for.
 * @module
 * @see ECMA-48 §5.4 (control sequences); xterm "ctlseqs" (PC-style keys); kitty keyboard protocol (CSI u)
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
  | "focus" // not a key: the terminal has got the focus, or lost it
  | "unknown";

export interface Modifiers {
  readonly ctrl: boolean;
  readonly alt: boolean;
  readonly shift: boolean; // where the terminal says so
}

export interface Key extends Modifiers {
  readonly name: KeyName;
  /** The characters for `text` and `paste`, `ROW;COLUMN` counted from 1 for `position`, `in` or `out` for `focus`; for `text` with `ctrl` or `alt` the single letter, lower case with `ctrl`; else empty. */
  readonly text: string;
}

/** Longest escape sequence waited for, in bytes; a longer one is dropped as junk. */
const MAX_SEQUENCE_BYTES = 64;
const ESC = 0x1b;

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
/** CSI I and CSI O (xterm "ctlseqs", FocusIn/FocusOut). */
export const FOCUS_BY_FINAL: Readonly<Record<number, "in" | "out">> = { 0x49: "in", 0x4f: "out" };
const BY_CODE: Readonly<Record<number, KeyName>> = {
  8: "backspace", // Ctrl+Backspace in some terminals, Backspace in others
  9: "tab",
  10: "enter", // Ctrl+J, and Enter of terminals in "new line" mode
  13: "enter",
  27: "escape",
  127: "backspace",
};

export function key(name: KeyName, text = "", modifiers: Partial<Modifiers> = {}): Key {
  return { name, text, ctrl: false, alt: false, shift: false, ...modifiers };
}

export function controlKey(byte: number, alt: boolean): Key {
  const name = BY_CODE[byte];
  if (name !== undefined) return key(name, "", { alt });
  const letter = byte === 0 ? " " : String.fromCharCode(byte + (byte <= 0x1a ? 0x60 : 0x40));
  return key("text", letter, { ctrl: true, alt });
}

/**
 * Reads the escape sequence that begins at an offset.
 * @param isLast Whether nothing more will come, so that what is not complete must be taken as it is.
 * @returns How many bytes it has; 0 when it is not complete.
 */
export function takeSequence(data: Uint8Array, at: number, isLast: boolean, keys: Key[]): number {
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
    if (taken > 0 && inner[0]?.name !== "paste" && inner[0]?.name !== "focus") {
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
  keys.push(key("text", decodeAll([data.subarray(at + 1, end)]), { alt: true }));
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
  const focus = isSs3 || parameters !== "" ? undefined : FOCUS_BY_FINAL[final];
  const isMouse = !isSs3 && (final === 0x4d || parameters.startsWith("<"));
  if (focus !== undefined) keys.push(key("focus", focus));
  else keys.push(isMouse ? key("unknown") : namedKey(String.fromCharCode(final), parameters));
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

function codeKey(code: number, modifiers: Modifiers): Key {
  const name = BY_CODE[code];
  if (name !== undefined) return key(name, "", modifiers);
  // Surrogates are no characters, and the private ones behind them stand for keys without one.
  const isCharacter = code >= 0x20 && code <= 0x10ffff && !(code >= 0xd800 && code <= 0xf8ff);
  return isCharacter ? key("text", String.fromCodePoint(code), modifiers) : key("unknown");
}

/** Where the UTF-8 character at `at` ends; unset when bytes of it are still to come. */
export function characterEnd(data: Uint8Array, at: number): number | undefined {
  const first = data[at]!;
  const length = first >= 0xf8 || first < 0xc0 ? 1 : first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
  for (let index = 1; index < length; index++) {
    const byte = data[at + index];
    if (byte === undefined) return undefined;
    if ((byte & 0xc0) !== 0x80) return at + index;
  }
  return at + length;
}

/** @param ignoreBOM Whether a byte order mark at the beginning is kept as a character. */
export function decodeAll(pieces: readonly Uint8Array[], ignoreBOM = true): string {
  const decoder = new TextDecoder("utf-8", { ignoreBOM });
  return pieces.map((piece) => decoder.decode(piece, { stream: true })).join("") + decoder.decode();
}
