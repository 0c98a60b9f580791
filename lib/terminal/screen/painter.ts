/**
 * Which escape sequences turn what is on the screen into what should be. Only ever touches the rows that it painted
 * itself. Rows that are the same are left alone, so nothing flickers.
 * @module
 * @see ECMA-48 §8.3 (CUU, CUF, EL, ED); "Synchronized Output" (private mode 2026), ignored where unknown
 */
import { NO_PICTURE, type Picture, type ScreenSize } from "./picture.ts";
import { withoutStyle } from "../style.ts";
import { columnsOf } from "../width.ts";

const BEGIN_SYNCHRONIZED = "\x1b[?2026h";
const END_SYNCHRONIZED = "\x1b[?2026l";
const ERASE_TO_LINE_END = "\x1b[K";
const ERASE_BELOW = "\x1b[J";

export class Painter {
  #painted: Picture = NO_PICTURE;
  #stale = 0; // rows above the cursor that a resize moved to unknown shapes; set until the next paint

  /** The string that shows a picture, after printing lines above it for good. */
  paint(picture: Picture, lines: readonly string[] = []): string {
    if (lines.length === 0 && this.#stale === 0) return atOnce(this.#repaint(picture));
    let out = this.#toTop();
    const had = this.#painted.rows.length > 0 || this.#stale > 0;
    if (had) out += ERASE_BELOW;
    for (const line of lines) out += line.replaceAll("\n", "\r\n") + "\r\n";
    this.#painted = NO_PICTURE;
    this.#stale = 0;
    out += this.#repaint(picture);
    return had ? atOnce(out) : out;
  }

  /** The string that clears the whole screen and shows a picture at its top (Ctrl+L). */
  clear(picture: Picture): string {
    this.#painted = NO_PICTURE;
    this.#stale = 0;
    return "\x1b[H\x1b[2J" + this.#repaint(picture);
  }

  /** Forgets what is painted, leaving it on the screen: somebody else wrote below it. The next paint takes the row of the cursor. */
  forget(): void {
    this.#painted = NO_PICTURE;
    this.#stale = 1;
  }

  get isOneRow(): boolean {
    return this.#painted.rows.length < 2;
  }

  /** Whether the terminal's cursor seems to be where it was left; never told of the first column, where anything may have ended. */
  leftCursorAt(column: number | undefined, size: ScreenSize): boolean {
    return column !== undefined && column > 0 && column === this.#painted.cursorColumn % size.columns;
  }

  /** Some terminals wrap the row of the cursor when it has become too wide (tmux, VTE, Windows Terminal), others cut it. */
  isUnsureAt(size: ScreenSize): boolean {
    return this.#painted.rows.length > 0 && this.#painted.cursorColumn >= size.columns;
  }

  /**
   * The next paint starts where the top row is at another width.
   * @param column Where the terminal says that its cursor is, counted from 0; unset where it does not, then it is taken to wrap.
   */
  resized(size: ScreenSize, column?: number): void {
    const { rows, cursorRow, cursorColumn } = this.#painted;
    if (rows.length === 0) return;
    const columns = Math.max(1, size.columns);
    const wraps = column === undefined || column === cursorColumn % columns;
    let above = wraps ? Math.floor(cursorColumn / columns) : 0;
    for (const row of rows.slice(0, cursorRow)) {
      above += Math.max(1, Math.ceil(columnsOf(withoutStyle(row)) / columns));
    }
    this.#stale = above + 1;
  }

  #toTop(): string {
    const up = this.#stale > 0 ? this.#stale - 1 : this.#painted.cursorRow;
    return (up > 0 ? `\x1b[${up}A` : "") + (this.#painted.rows.length > 0 || this.#stale > 0 ? "\r" : "");
  }

  #repaint(picture: Picture): string {
    const old = this.#painted;
    this.#painted = picture;
    let first = 0;
    while (
      first < old.rows.length && first < picture.rows.length && old.rows[first] === picture.rows[first]
    ) {
      first++;
    }
    const isSame = first === old.rows.length && first === picture.rows.length;
    if (isSame) {
      if (old.cursorRow === picture.cursorRow && old.cursorColumn === picture.cursorColumn) return "";
      return moveCursor(old.cursorRow, picture);
    }
    if (picture.rows.length === 0) {
      return (old.cursorRow > 0 ? `\x1b[${old.cursorRow}A` : "") + "\r" + ERASE_BELOW;
    }
    // Rows that went away from the bottom: the last row that stays must be written too, to erase below it.
    first = Math.min(first, picture.rows.length - 1);
    let out = old.rows.length === 0 ? "" : toRow(old.cursorRow, Math.min(first, old.rows.length - 1));
    if (first >= old.rows.length && old.rows.length > 0) out += "\r\n";
    for (let index = first; index < picture.rows.length; index++) {
      if (index > first) out += "\r\n";
      const isKept = index < old.rows.length && old.rows[index] === picture.rows[index] &&
        index < picture.rows.length - 1;
      if (!isKept) out += picture.rows[index]! + ERASE_TO_LINE_END;
    }
    if (old.rows.length > picture.rows.length) out += ERASE_BELOW;
    out += moveCursor(picture.rows.length - 1, picture);
    return out;
  }
}

function atOnce(out: string): string {
  return out.includes("\n") ? BEGIN_SYNCHRONIZED + out + END_SYNCHRONIZED : out;
}

function toRow(from: number, to: number): string {
  if (to < from) return `\x1b[${from - to}A\r`;
  return to > from ? `\x1b[${to - from}B\r` : "\r";
}

function moveCursor(from: number, picture: Picture): string {
  return toRow(from, picture.cursorRow) + (picture.cursorColumn > 0 ? `\x1b[${picture.cursorColumn}C` : "");
}
