/**
 * A terminal without a window: takes what a program writes and tells what a person would see.
 * @module
 */
import xterm from "@xterm/headless";

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
