/**
 * The one function through which everything that others wrote passes before a terminal shows it: escape
 * sequences, bidirectional overrides and invisible characters become something that can be seen.
 * @module
 * @see Unicode Standard Annex #9 (bidirectional text), Annex #31 §2.3 (where joiners are legitimate), UTS #51 (emoji)
 */
import { cutToColumns, SHAPED_FORMAT } from "./width.ts";

/** Combining marks kept on one letter; more of them would climb over the neighbouring lines. */
export const MAX_MARKS_PER_LETTER = 8;

// Everything that might need care: other characters pass without a closer look.
const SUSPECT =
  // deno-lint-ignore no-control-regex
  /[\u0000-\u001f\u007f-\u009f\p{Default_Ignorable_Code_Point}\p{Cf}\p{Cs}\p{Zl}\p{Zp}\p{Mn}\p{Me}\p{Noncharacter_Code_Point}]/u;

const MARK = /^[\p{Mn}\p{Me}]$/u;
const EMOJI_END = /(?:\p{Extended_Pictographic}|\p{Emoji_Modifier})\ufe0f?$/u;
const EMOJI_BASE = /\p{Emoji}$/u;
const JOINING_LETTER =
  /[\p{Script=Arabic}\p{Script=Syriac}\p{Script=Mongolian}\p{Script=Devanagari}\p{Script=Bengali}\p{Script=Gurmukhi}\p{Script=Gujarati}\p{Script=Oriya}\p{Script=Tamil}\p{Script=Telugu}\p{Script=Kannada}\p{Script=Malayalam}\p{Script=Sinhala}\p{Script=Khmer}\p{Script=Myanmar}\p{Script=Tibetan}]/u;
// A flag such as Scotland's: a black flag, lower-case tag letters or digits, and the closing tag.
const TAG_FLAG = /^\u{1f3f4}[\u{e0030}-\u{e0039}\u{e0061}-\u{e007a}]{1,8}\u{e007f}/u;
const INVISIBLE = /^[\p{Default_Ignorable_Code_Point}\p{Cf}\p{Cs}\p{Zl}\p{Zp}\p{Noncharacter_Code_Point}]$/u;

/**
 * Makes text from others harmless to show: no control character stays but tab, and line feed where `multiline` asks for it.
 * Control characters become their pictures (`␛` for Escape), every other invisible or reordering character its
 * number (`‹U+202E›`), a lone surrogate `�`. Joiners stay inside emoji and in the scripts that need them, variation
 * selectors behind emoji, and at most {@linkcode MAX_MARKS_PER_LETTER} marks on a letter. Twice changes nothing more.
 * @param options.multiline Keep line feeds (and turn CR LF into them); otherwise they show as `␊`. False by default.
 */
export function safeText(text: string, options: { readonly multiline?: boolean } = {}): string {
  if (!SUSPECT.test(text)) return text;
  const multiline = options.multiline === true;
  let result = "";
  let before = ""; // the last few characters that were kept, to judge what may follow them
  let marks = 0;
  for (let index = 0; index < text.length;) {
    const code = text.codePointAt(index)!;
    const character = String.fromCodePoint(code);
    const next = index + character.length;
    if (code === 0x0d && multiline && text.charCodeAt(next) === 0x0a) {
      index = next;
      continue;
    }
    if (code === 0x1f3f4) {
      const flag = TAG_FLAG.exec(text.slice(index, index + 24));
      if (flag !== null) {
        result += flag[0];
        before = character;
        marks = 0;
        index += flag[0].length;
        continue;
      }
    }
    marks = MARK.test(character) ? marks + 1 : 0;
    const shown = marks > MAX_MARKS_PER_LETTER ? "" : shownAs(character, code, before, text, next, multiline);
    result += shown;
    before = (before + shown).slice(-4);
    index = next;
  }
  return result;
}

/** A preview in one line: white space and line ends become single spaces, the rest is made safe and cut to fit. */
export function oneLine(text: string, columns: number): string {
  // No more than this can be shown, even if every character were a mark on the one before.
  const enough = text.slice(0, Math.max(1, columns) * 32);
  return cutToColumns(safeText(enough.replaceAll(/[\s\u0085]+/gu, " ").trim()), columns);
}

// Of what JSON leaves as it is: controls that a terminal may obey, and what reorders a line or ends it.
const STEERING = /[\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/g;

/** A value as one line of JSON that may be shown: what could steer a terminal is escaped, and means the same to whoever parses it. */
export function jsonLine(value: unknown): string {
  return JSON.stringify(value).replace(
    STEERING,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}

function shownAs(
  character: string,
  code: number,
  before: string,
  text: string,
  next: number,
  multiline: boolean,
): string {
  if (code < 0x20) {
    return code === 0x09 || (code === 0x0a && multiline) ? character : String.fromCodePoint(0x2400 + code);
  }
  if (code === 0x7f) return "\u2421";
  if (code < 0x7f) return character;
  if (code < 0xa0) return numbered(code);
  if (code >= 0xd800 && code <= 0xdfff) return "\ufffd";
  if (!INVISIBLE.test(character) || SHAPED_FORMAT.test(character)) return character;
  if (code === 0x200d || code === 0x200c) {
    const after = text.slice(next, next + 2);
    const joinsEmoji = code === 0x200d && EMOJI_END.test(before) && /^\p{Extended_Pictographic}/u.test(after);
    const joinsLetters = endsInJoining(before) && JOINING_LETTER.test(after);
    return joinsEmoji || joinsLetters ? character : numbered(code);
  }
  if (code === 0xfe0e || code === 0xfe0f) return EMOJI_BASE.test(before) ? character : numbered(code);
  if (code >= 0xe0100 && code <= 0xe01ef) return /\p{Script=Han}$/u.test(before) ? character : numbered(code);
  return numbered(code);
}

function endsInJoining(before: string): boolean {
  return JOINING_LETTER.test(before.replace(/\p{M}+$/u, "").slice(-2)) ||
    JOINING_LETTER.test(before.slice(-2));
}

function numbered(code: number): string {
  return `‹U+${code.toString(16).toUpperCase().padStart(4, "0")}›`;
}
