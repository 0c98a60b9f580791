// What the bottom of the screen shows at one moment: lines that change, the prompt with the text being typed, a hint.
// No row is as wide as the screen, so a terminal never wraps one by itself and the place of the cursor is certain.
import type { LineEditor } from "../line/line_editor.ts";
import { breakLines } from "./break_lines.ts";
import { dim, printable, withoutStyle } from "../style.ts";
import { TextRows } from "./text_rows.ts";
import { columnsOf, cutToColumns } from "../width.ts";

export interface Picture {
  /** Rows from top to bottom; they may hold colours, and each is narrower than the screen. */
  readonly rows: readonly string[];
  readonly cursorRow: number;
  readonly cursorColumn: number; // columns left of the cursor
}

export interface ScreenSize {
  readonly columns: number; // at least 2
  readonly rows: number; // at least 2
}

export interface PromptView {
  readonly prompt: string; // the question or sign before the text; may hold colours
  readonly editor: LineEditor;
  readonly isSecret: boolean;
  readonly hint: string | undefined; // one more line beneath; unset for none
}

export const NO_PICTURE: Picture = { rows: [], cursorRow: 0, cursorColumn: 0 };

export class PictureBuilder {
  #rows = new TextRows(1, 0);
  #top = 0; // first text row on the screen, when not all fit

  reset(): void {
    this.#rows = new TextRows(1, 0);
    this.#top = 0;
  }

  /** @param live Changing lines, top first; cut to the width, and to half the height. */
  build(live: readonly string[], view: PromptView | undefined, size: ScreenSize): Picture {
    const width = Math.max(1, size.columns - 1);
    const above = live.slice(-Math.max(1, size.rows >> 1)).map((line) => fit(line, width));
    if (view === undefined) {
      const last = above.at(-1);
      if (last === undefined) return NO_PICTURE;
      return { rows: above, cursorRow: above.length - 1, cursorColumn: columnsOf(withoutStyle(last)) };
    }
    const hint = view.hint === undefined || view.hint === "" ? [] : [fit(dim(view.hint), width)];
    const room = Math.max(1, size.rows - 1 - above.length - hint.length);
    const edited = this.#edited(view, width, room);
    return {
      rows: [...above, ...edited.rows, ...hint],
      cursorRow: above.length + edited.cursorRow,
      cursorColumn: edited.cursorColumn,
    };
  }

  #edited(view: PromptView, width: number, room: number): Picture {
    const { lines, indent } = promptLines(promptOf(view), width);
    const text = view.isSecret ? "" : view.editor.text;
    const cursor = view.isSecret ? 0 : view.editor.cursor;
    this.#rows.update(text, width, indent);
    const at = this.#rows.rowAt(cursor, room);
    // Scroll no further than needed to keep the cursor in view.
    this.#top = Math.min(Math.max(this.#top, at - room + 1), at);
    const before = lines.slice(0, -1);
    if (this.#top === 0 && at + before.length >= room) before.length = Math.max(0, room - 1 - at);
    const shown = this.#rows.slice(this.#top, this.#top + room - before.length);
    const rows = shown.map((_row, index) => this.#rows.shown(this.#top + index));
    if (this.#top === 0) rows[0] = lines.at(-1)! + rows[0]!;
    // A mark at the edge says that there is more than the screen holds.
    if (this.#top > 0) rows[0] = at === this.#top ? rows[0]! : dim(cutToColumns("⋮ more above", width));
    const last = this.#top + shown.length - 1;
    if (this.#rows.hasAfter(last) && at < last) {
      rows[rows.length - 1] = dim(cutToColumns("⋮ more below", width));
    }
    const left = columnsOf(this.#rows.shown(at, cursor));
    return {
      rows: [...before, ...rows],
      cursorRow: before.length + at - this.#top,
      cursorColumn: Math.min(width, left + (at === 0 ? indent : 0)),
    };
  }
}

function promptOf(view: PromptView): string {
  const search = view.editor.search;
  if (search === undefined) return printable(view.prompt, true);
  return `(${search.isFound ? "search" : "not found"}: ${search.query}) `;
}

/** Cuts a prompt into rows; the text begins behind the last, which is empty when too little room would be left. */
function promptLines(prompt: string, width: number): { lines: string[]; indent: number } {
  const lines = breakLines(prompt, width).split("\n").map((line) => fit(line, width));
  const columns = columnsOf(withoutStyle(lines.at(-1)!));
  if (width - columns >= Math.min(8, width >> 1)) return { lines, indent: columns };
  return { lines: [...lines, ""], indent: 0 };
}

/** Cuts one line, colours included, to a width. A line that is cut loses its colours. */
function fit(line: string, width: number): string {
  const clean = printable(line, true).replaceAll(/[\t\n]/g, " ");
  const plain = withoutStyle(clean);
  return columnsOf(plain) <= width ? clean : cutToColumns(plain, width);
}
