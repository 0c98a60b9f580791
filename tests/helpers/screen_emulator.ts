/**
 * A terminal without a window: takes what a program writes and tells what a person would see.
 * @module
 */
import xterm from "@xterm/headless";

/** Neighbouring cells of one look. */
export interface StyledRun {
  /** Column of the first one. */
  readonly column: number;
  readonly text: string;
  /** Cells that the text fills: an emoji fills two. */
  readonly columns: number;
  /** Number of the palette, `#rrggbb`, or undefined: the terminal's own. */
  readonly foreground: number | string | undefined;
  readonly background: number | string | undefined;
  readonly isBold: boolean;
  readonly isDim: boolean;
  readonly isItalic: boolean;
  readonly isUnderlined: boolean;
  readonly isInverse: boolean;
}

/** A screen of a given size, with a long memory of what scrolled away. */
export class ScreenEmulator {
  readonly #terminal: InstanceType<typeof xterm.Terminal>;
  /** Everything that was written, for what cannot be seen. */
  written = "";

  /** Called with what the terminal itself answers, such as where its cursor is. */
  onAnswer: (text: string) => void = () => {};

  /** @param options.wraps Whether the row of the cursor wraps when the window becomes narrow, as in tmux; else it is cut, as in VS Code. */
  constructor(columns = 80, rows = 24, options: { readonly wraps?: boolean } = {}) {
    this.#terminal = new xterm.Terminal({
      cols: columns,
      rows,
      scrollback: 5_000,
      allowProposedApi: true,
      reflowCursorLine: options.wraps ?? true,
    });
    this.#terminal.onData((text) => this.onAnswer(text));
  }

  get size(): { columns: number; rows: number } {
    return { columns: this.#terminal.cols, rows: this.#terminal.rows };
  }

  /** Writes, and waits until it is on the screen. */
  write(text: string): Promise<void> {
    this.written += text;
    return new Promise((resolve) => this.#terminal.write(text, resolve));
  }

  resize(columns: number, rows: number): void {
    this.#terminal.resize(columns, rows);
  }

  /** All rows, those that scrolled away too, without white space at their ends and without empty rows at the end. */
  rows(): string[] {
    const buffer = this.#terminal.buffer.active;
    const rows: string[] = [];
    for (let index = 0; index < buffer.length; index++) {
      rows.push(buffer.getLine(index)!.translateToString(true).trimEnd());
    }
    while (rows.length > 0 && rows.at(-1) === "") rows.pop();
    return rows;
  }

  /** All rows as one text. */
  text(): string {
    return this.rows().join("\n");
  }

  /** What {@linkcode rows} tells, with its colours; blank cells that look like the empty screen are left out. */
  styledRows(): StyledRun[][] {
    return this.rows().map((_, index) => {
      const runs: StyledRun[] = [];
      const line = this.#terminal.buffer.active.getLine(index)!;
      for (let column = 0; column < line.length; column++) {
        const cell = line.getCell(column)!;
        if (cell.getWidth() === 0) continue; // the second half of a wide one
        const run: StyledRun = {
          column,
          text: cell.getChars() || " ",
          columns: cell.getWidth(),
          foreground: colour(cell.isFgDefault(), cell.isFgRGB(), cell.getFgColor()),
          background: colour(cell.isBgDefault(), cell.isBgRGB(), cell.getBgColor()),
          isBold: cell.isBold() !== 0,
          isDim: cell.isDim() !== 0,
          isItalic: cell.isItalic() !== 0,
          isUnderlined: cell.isUnderline() !== 0,
          isInverse: cell.isInverse() !== 0,
        };
        const last = runs.at(-1);
        const isBlank = run.text === " " && run.background === undefined && !run.isInverse &&
          !run.isUnderlined;
        if (last && isJoined(last, run)) {
          runs[runs.length - 1] = {
            ...last,
            text: last.text + run.text,
            columns: last.columns + run.columns,
          };
        } else if (!isBlank) runs.push(run);
      }
      return runs.map((run) => run.background === undefined && !run.isInverse ? withoutBlankEnd(run) : run);
    });
  }

  /** Where the cursor is: its column, and its row counted in {@linkcode rows}. */
  cursor(): { column: number; row: number } {
    const buffer = this.#terminal.buffer.active;
    return { column: buffer.cursorX, row: buffer.baseY + buffer.cursorY };
  }

  /** Whether the program asked for pastes to be marked. */
  get marksPastes(): boolean {
    return this.#terminal.modes.bracketedPasteMode;
  }

  [Symbol.dispose](): void {
    this.#terminal.dispose();
  }
}

function colour(isDefault: boolean, isRgb: boolean, value: number): number | string | undefined {
  if (isDefault) return undefined;
  return isRgb ? `#${value.toString(16).padStart(6, "0")}` : value;
}

/** Whether a cell goes on with what is left of it. */
function isJoined(run: StyledRun, next: StyledRun): boolean {
  return run.column + run.columns === next.column && run.foreground === next.foreground &&
    run.background === next.background && run.isBold === next.isBold && run.isDim === next.isDim &&
    run.isItalic === next.isItalic && run.isUnderlined === next.isUnderlined &&
    run.isInverse === next.isInverse;
}

function withoutBlankEnd(run: StyledRun): StyledRun {
  const text = run.text.trimEnd();
  return { ...run, text, columns: run.columns - (run.text.length - text.length) };
}
