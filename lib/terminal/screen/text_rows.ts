// The edited text cut into screen rows: wrapped at the width, wide letters never torn. Rows are worked out only as far as
// the screen needs them, and kept while the text before them stays the same.
import { safeText } from "../safe_text.ts";
import { columnsOf, graphemesOf, isPlainAscii } from "../width.ts";

interface TextRow {
  readonly start: number; // index of its first character in the text
  readonly end: number; // index behind its last character; the line feed that ends a line is not part of it
}

/** Columns between two tab stops inside the edited text. */
const TAB_COLUMNS = 4;
/** UTF-16 code units looked at for each column: enough for an emoji family or a letter with its marks. */
const UNITS_PER_COLUMN = 16;

export class TextRows {
  #text = "";
  #columns: number;
  #indent: number;
  #rows: TextRow[] = [];
  #isComplete = false;

  constructor(columns: number, indent: number) {
    this.#columns = columns;
    this.#indent = indent;
  }

  /** Takes the text as it is now, and another width or indent; keeps the rows that are still right. */
  update(text: string, columns: number, indent: number): void {
    if (columns !== this.#columns || indent !== this.#indent) {
      this.#columns = columns;
      this.#indent = indent;
      this.#rows = [];
      this.#isComplete = false;
    } else if (text !== this.#text) {
      const same = commonLength(text, this.#text);
      // The row before may change too: a mark can join its last letter. Its start is certain.
      let keep = this.#rows.findLastIndex((row) => row.end < same);
      keep = Math.max(0, keep - 1);
      this.#rows.length = Math.min(this.#rows.length, keep);
      this.#isComplete = false;
    }
    this.#text = text;
  }

  /** Index of the row on which the cursor stands; works out the rows up to there and `ahead` more. */
  rowAt(offset: number, ahead: number): number {
    const isCovered = () => this.#isComplete || (this.#rows.at(-1)?.start ?? -1) > offset;
    while (!isCovered()) this.#addRow();
    const index = this.#rows.findLastIndex((row) => row.start <= offset);
    while (!this.#isComplete && this.#rows.length <= index + ahead) this.#addRow();
    return Math.max(0, index);
  }

  /** The rows from one index to another, as far as they have been worked out. */
  slice(from: number, to: number): readonly TextRow[] {
    return this.#rows.slice(from, to);
  }

  /** Whether there is more text below the row with this index. */
  hasAfter(index: number): boolean {
    return !this.#isComplete || index < this.#rows.length - 1;
  }

  /** How a row looks: tabs as spaces, everything harmful made visible. */
  shown(index: number, end = this.#rows[index]!.end): string {
    const row = this.#rows[index]!;
    const piece = this.#text.slice(row.start, end);
    if (isPlainAscii(piece)) return piece;
    const indent = index === 0 ? this.#indent : 0;
    let shown = "";
    let column = indent;
    for (const { segment } of graphemesOf(piece)) {
      const { text, columns } = shownGrapheme(segment, column);
      shown += text;
      column += columns;
    }
    return shown;
  }

  #addRow(): void {
    const last = this.#rows.at(-1);
    const start = last === undefined ? 0 : this.#text[last.end] === "\n" ? last.end + 1 : last.end;
    const indent = last === undefined ? this.#indent : 0;
    const end = this.#rowEnd(start, indent);
    this.#rows.push({ start, end });
    this.#isComplete = end >= this.#text.length;
  }

  #rowEnd(start: number, indent: number): number {
    const text = this.#text;
    const room = Math.max(1, this.#columns - indent);
    const feed = text.indexOf("\n", start);
    const limit = feed < 0 ? text.length : feed;
    const quick = Math.min(limit, start + room);
    if (isPlainAscii(text.slice(start, quick)) && !(text.charCodeAt(quick) >= 0x300)) return quick;

    const pieceEnd = Math.min(limit, start + room * UNITS_PER_COLUMN);
    let at = start;
    let column = indent;
    for (const { segment } of graphemesOf(text.slice(start, pieceEnd))) {
      const { columns } = shownGrapheme(segment, column);
      const isTorn = at + segment.length === pieceEnd && pieceEnd < limit; // maybe, by the end of the piece
      if (at > start && (isTorn || column + columns > this.#columns)) return at;
      at += segment.length;
      column += columns;
    }
    return at;
  }
}

/** What was worked out for graphemes seen lately; looking a letter up is far quicker than measuring it. */
const known = new Map<string, { readonly text: string; readonly columns: number }>();
const MAX_KNOWN = 4_096;

function shownGrapheme(
  grapheme: string,
  column: number,
): { readonly text: string; readonly columns: number } {
  if (grapheme === "\t") {
    const columns = TAB_COLUMNS - (column % TAB_COLUMNS);
    return { text: " ".repeat(columns), columns };
  }
  let shown = known.get(grapheme);
  if (shown === undefined) {
    const text = safeText(grapheme);
    shown = { text, columns: columnsOf(text) };
    if (known.size >= MAX_KNOWN) known.clear();
    known.set(grapheme, shown);
  }
  return shown;
}

function commonLength(one: string, other: string): number {
  const most = Math.min(one.length, other.length);
  // Halving compares whole slices, which the engine does far faster than a loop over characters.
  let low = 0;
  let high = most;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (one.slice(low, middle) === other.slice(low, middle)) low = middle;
    else high = middle - 1;
  }
  return low;
}
