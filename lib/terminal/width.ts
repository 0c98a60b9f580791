/**
 * How much room text takes on a screen, and cutting it to the room there is. Knows no escape sequences.
 * @module
 * @see Unicode Standard Annex #11 (East Asian width), #29 (graphemes); UTS #51 (emoji)
 */
import { eastAsianWidth } from "get-east-asian-width";

let segmenter: Intl.Segmenter | undefined; // made when it is first needed, as that takes 8 ms
const PRINTABLE_ASCII = /^[\x20-\x7e]*$/;
const UNSEEN = /[\p{Default_Ignorable_Code_Point}\p{Cc}\p{Cf}\p{Mn}\p{Me}]/u;
/** Arabic and Syriac number and abbreviation signs: format characters that have a shape. */
export const SHAPED_FORMAT = /^[\u0600-\u0605\u06dd\u0890\u0891\u08e2\u{110bd}\u{110cd}]$/u;
const EMOJI =
  /^(?:\p{Emoji_Presentation}|\p{Emoji_Modifier_Base}\p{Emoji_Modifier}|\p{Emoji}\ufe0f|\p{Regional_Indicator})|\u200d\p{Extended_Pictographic}/u;
const EMOJI_AS_TEXT = /^(?![\u{10000}-\u{10ffff}])\p{Emoji_Presentation}\ufe0e/u; // where terminals agree
const HANGUL = /[\u1100-\u11ff\ua960-\ua97c\uac00-\ud7fb]/;

/** Whether every character of the text is printable ASCII: one column and one code unit each. */
export function isPlainAscii(text: string): boolean {
  return PRINTABLE_ASCII.test(text);
}

export function graphemesOf(text: string): Intl.Segments {
  segmenter ??= new Intl.Segmenter("en", { granularity: "grapheme" });
  return segmenter.segment(text);
}

/** Columns that a text without colours takes in one row; control characters count as nothing. */
export function columnsOf(text: string): number {
  if (isPlainAscii(text)) return text.length;
  let columns = 0;
  for (const { segment } of graphemesOf(text)) columns += columnsOfGrapheme(segment);
  return columns;
}

function columnsOfGrapheme(grapheme: string): number {
  if (EMOJI_AS_TEXT.test(grapheme)) return 1;
  if (EMOJI.test(grapheme)) return 2;
  let columns = 0;
  for (const character of grapheme) {
    if (character === "\u200d") break;
    // The parts of a Korean syllable share the room of the first.
    const isInside = columns > 0 && HANGUL.test(character);
    const isSeen = !UNSEEN.test(character) || SHAPED_FORMAT.test(character);
    if (isSeen && !isInside) columns += eastAsianWidth(character.codePointAt(0)!);
  }
  return columns;
}

export function cutToColumns(text: string, columns: number, mark = "…"): string {
  if (columnsOf(text) <= columns) return text;
  const room = columns - columnsOf(mark);
  if (room < 0) return "";
  let kept = "";
  let used = 0;
  for (const { segment } of graphemesOf(text)) {
    const width = columnsOf(segment);
    if (used + width > room) break;
    kept += segment;
    used += width;
  }
  return kept + mark;
}

export function padToColumns(text: string, columns: number): string {
  const fitted = cutToColumns(text, columns);
  return fitted + " ".repeat(columns - columnsOf(fitted));
}

export function layOut(names: readonly string[], width: number): string {
  const cell = Math.max(...names.map(columnsOf)) + 2;
  const perRow = Math.max(1, Math.floor(width / cell));
  const rows: string[] = [];
  for (let index = 0; index < names.length; index += perRow) {
    const row = names.slice(index, index + perRow).map((name) => padToColumns(name, cell));
    rows.push(row.join("").trimEnd());
  }
  return rows.join("\n");
}

/** The end of the grapheme at an offset; a step through a text of a million characters costs the same as through ten. */
export function nextGrapheme(text: string, offset: number): number {
  if (offset >= text.length) return text.length;
  const code = text.charCodeAt(offset);
  const after = text.charCodeAt(offset + 1);
  if (code < 0x300 && code !== 0x0d && !(after >= 0x300)) return offset + 1;
  return offset + graphemesOf(text.slice(offset, offset + LONGEST_STEP)).containing(0)!.segment.length;
}

/** The start of the grapheme that ends at an offset; see {@linkcode nextGrapheme}. */
export function previousGrapheme(text: string, offset: number): number {
  if (offset <= 0) return 0;
  const code = text.charCodeAt(offset - 1);
  if (code < 0x300 && code !== 0x0a && (offset === 1 || text.charCodeAt(offset - 2) < 0x300)) {
    return offset - 1;
  }
  const start = certainBoundary(text, offset);
  return start + graphemesOf(text.slice(start, offset)).containing(offset - start - 1)!.index;
}

/** The place between two graphemes at an offset, or else the nearest on one side of it; see {@linkcode nextGrapheme}. */
export function graphemeEdge(text: string, offset: number, side: "before" | "after"): number {
  if (offset <= 0 || offset >= text.length) return Math.max(0, Math.min(text.length, offset));
  const here = text.charCodeAt(offset);
  if (here < 0x300 && here !== 0x0a && text.charCodeAt(offset - 1) < 0x300) return offset;
  const start = certainBoundary(text, offset);
  const { index, segment } = graphemesOf(text.slice(start, offset + LONGEST_STEP)).containing(
    offset - start,
  )!;
  if (start + index === offset || side === "before") return start + index;
  return start + index + segment.length;
}

/** A place not far before an offset where a grapheme certainly begins. */
function certainBoundary(text: string, offset: number): number {
  const far = Math.max(0, offset - LONGEST_STEP);
  // A line end always parts graphemes, and so does plain ASCII behind plain ASCII.
  for (let index = offset - 1; index > far; index--) {
    const before = text.charCodeAt(index - 1);
    if (before < 0x7f && before !== 0x0d && text.charCodeAt(index) < 0x7f) return index;
  }
  return far;
}

// Longest family emoji with skin tones: 7 people-parts, well under this. Longer piles of marks move in steps.
const LONGEST_STEP = 256;
