// Breaks what the program says into rows at spaces. A terminal alone breaks at its last column, in the middle of a word.
import { withoutStyle } from "../style.ts";
import { columnsOf } from "../width.ts";

/** Rows behind the first begin below the last gap of several spaces, as in a table, where so much room is left. */
const LEAST_ROOM = 16;

// deno-lint-ignore no-control-regex
const GAP_AND_WORD = /( *)((?:\x1b\[[0-9;]*m|[^ ])+)/g;

/**
 * Breaks each line that is wider than the screen. A word that is wider, such as a link, stays whole, in rows of its own: the terminal
 * breaks it, and it can be copied.
 * @param text May hold colours.
 * @param columns Most columns of a row.
 */
export function breakLines(text: string, columns: number): string {
  return text.split("\n").map((line) => broken(line, columns)).join("\n");
}

function broken(line: string, columns: number): string {
  const plain = withoutStyle(line);
  // How far a tab goes is the terminal's matter.
  if (columnsOf(plain) <= columns || plain.includes("\t")) return line;
  const indent = indentOf(plain, columns);
  let out = "";
  let column = 0;
  let isRowEmpty = true;
  let end = 0;
  for (const match of line.matchAll(GAP_AND_WORD)) {
    const [piece, gap = "", word = ""] = match;
    const width = columnsOf(withoutStyle(word));
    if (!isRowEmpty && column + gap.length + width > columns) {
      out += `\n${" ".repeat(indent)}${word}`;
      column = indent + width;
    } else {
      out += piece;
      column += gap.length + width;
    }
    isRowEmpty &&= width === 0;
    end = match.index + piece.length;
  }
  const rest = line.slice(end); // spaces alone, such as those behind a question
  return column + rest.length <= columns ? out + rest : out;
}

function indentOf(plain: string, columns: number): number {
  let indent = 0;
  for (const { 0: gap, index } of plain.matchAll(/^ +| {2,}/g)) {
    const at = columnsOf(plain.slice(0, index)) + gap.length;
    if (columns - at >= LEAST_ROOM) indent = at;
  }
  return indent;
}
