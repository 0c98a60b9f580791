import { graphemeEdge } from "../width.ts";

export function lineStart(text: string, offset: number): number {
  return offset <= 0 ? 0 : text.lastIndexOf("\n", offset - 1) + 1;
}

export function lineEnd(text: string, offset: number): number {
  const end = text.indexOf("\n", offset);
  return end < 0 ? text.length : end;
}

/** The start of the word before an offset; words are letters, digits, marks and `_`. */
export function previousWord(text: string, offset: number): number {
  const at = back(text, offset, (character) => !isWord(character));
  return graphemeEdge(text, back(text, at, isWord), "before");
}

/** The end of the word after an offset. */
export function nextWord(text: string, offset: number): number {
  const word = /[^\p{L}\p{N}\p{M}_]*[\p{L}\p{N}\p{M}_]*/uy;
  word.lastIndex = offset;
  word.test(text);
  return graphemeEdge(text, word.lastIndex, "after");
}

/** The start of the run of non-blanks before an offset: what Ctrl+W takes. */
export function previousBlank(text: string, offset: number): number {
  const at = back(text, offset, isBlank);
  return graphemeEdge(text, back(text, at, (character) => !isBlank(character)), "before");
}

// deno-lint-ignore no-control-regex
const NOT_TYPABLE = /[\x00-\x08\x0b-\x1f\x7f-\x9f]/g;

/** Text as an editor keeps it: line ends as LF (or spaces), no other control character but tab, well-formed. */
export function typable(text: string, multiline: boolean): string {
  const lines = text.replaceAll(/\r\n?/g, "\n").replaceAll(NOT_TYPABLE, "").toWellFormed();
  return multiline ? lines : lines.replaceAll("\n", " ");
}

function isWord(character: string): boolean {
  return /^[\p{L}\p{N}\p{M}_]$/u.test(character);
}

function isBlank(character: string): boolean {
  return /^\s$/u.test(character);
}

function back(text: string, offset: number, passes: (character: string) => boolean): number {
  let at = offset;
  while (at > 0) {
    const low = text.charCodeAt(at - 1);
    const size = low >= 0xdc00 && low <= 0xdfff && at > 1 ? 2 : 1;
    if (!passes(text.slice(at - size, at))) break;
    at -= size;
  }
  return at;
}
