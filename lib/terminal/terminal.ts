/**
 * The one owner of keyboard and screen: prompts, printed lines, changing lines.
 *
 * On a real terminal it edits the line being typed below whatever news is printed; in a pipe, and where `TERM` is `dumb`,
 * it reads and writes plain lines. Nothing typed while nobody asks is lost. What others wrote comes through `safeText`.
 * @module
 */
import { within } from "../waiting.ts";
import type { Emulator } from "./screen/alert_sequences.ts";
import { Alerts } from "./screen/alerts.ts";
import { Attention } from "./line/attention.ts";
import { breakLines } from "./screen/break_lines.ts";
import { editWithProgram } from "./line/external_editor.ts";
import type { ScreenSize } from "./screen/picture.ts";
import { InputSource } from "./keys/input_source.ts";
import { PROCESS_IO, type TerminalIo } from "./io.ts";
import type { KeyPrompt, PromptOutcome } from "./line/key_prompt.ts";
import { closedError, listing, OpenPrompts } from "./line/open_prompts.ts";
import { Keyboard } from "./keys/keyboard.ts";
import { type LiveLine, ProgressBar, type ProgressOptions, StatusLine } from "./live_line.ts";
import { OutputQueue } from "./screen/output_queue.ts";
import { PlainPrompts } from "./line/plain_prompts.ts";
import { type Choice, chooseWith, confirmWith, type SignalOption } from "./questions.ts";
import type { ReadLineOptions } from "./read_line.ts";
import { Screen } from "./screen/screen.ts";
import { printable } from "./style.ts";

export { ALERT_STYLES, type AlertStyle } from "./screen/alert_sequences.ts";

/** How a {@linkcode Terminal} is made; the entry file fills it in from the environment. */
export interface TerminalOptions {
  /** Keyboard, screen and signals; this process's by default. */
  readonly io?: TerminalIo;
  /** Told each time that something was typed, or came out of a pipe. */
  readonly onInput?: () => void;
  /** The value of `TERM`: `dumb` or empty means plain lines. Unset (as on Windows) means a terminal like others. */
  readonly term?: string | undefined;
  /** What else the environment tells of the terminal; decides how {@linkcode Terminal.alerts} call. Nothing by default. */
  readonly emulator?: Omit<Emulator, "term">;
  /** The value of `NO_COLOR`: any but the empty string takes all colours away. */
  readonly noColor?: string | undefined;
  /** The command of the person's editor (`VISUAL`, else `EDITOR`) for `/edit`; unset where there is none. */
  readonly editor?: string | undefined;
  /** Whether lines that come from a pipe are repeated behind their prompt, so that the output reads as a conversation. True by default. */
  readonly echoesPipe?: boolean;
  /** Whether lines printed to a real terminal are broken at spaces, for people, and not by the terminal. False by default. */
  readonly breaksLines?: boolean;
  /** A clock in milliseconds that never goes back; `performance.now` by default. */
  readonly now?: () => number;
}

/** Milliseconds that closing waits for a screen that does not take what is left. */
const CLOSE_WAIT_MS = 1_000;

/** Keyboard and screen. One for a process; dispose of it before the process ends, whatever happens. */
export class Terminal implements AsyncDisposable {
  /** Whether lines can be edited and redrawn: keyboard and screen are real, and `TERM` is not `dumb`. */
  readonly isInteractive: boolean;
  /** Calls the person here, and knows whether they look. */
  readonly alerts: Alerts;
  readonly #io: TerminalIo;
  readonly #options: TerminalOptions;
  readonly #now: () => number;
  readonly #useColor: boolean;
  readonly #queue: OutputQueue;
  readonly #prompts: OpenPrompts;
  readonly #attention: Attention;
  readonly #plain: PlainPrompts; // answers prompts where this is not interactive,
  readonly #keyboard: Keyboard; // and these two do where it is
  readonly #screen: Screen;
  readonly #stopSignals: (() => void)[] = [];
  readonly #status = new StatusLine(this);
  #leftOut = 0; // lines of printAbove that a slow screen cost
  #suspensions = 0;
  #isClosed = false;

  /** Takes keyboard and screen; nothing is written yet. */
  constructor(options: TerminalOptions = {}) {
    this.#io = options.io ?? PROCESS_IO;
    this.#options = options;
    this.#now = options.now ?? (() => performance.now());
    const { input, output, signals } = this.#io;
    this.isInteractive = input.isTerminal() && output.isTerminal() &&
      !["dumb", ""].includes(options.term ?? "xterm");
    this.#useColor = output.isTerminal() && options.term !== "dumb" && (options.noColor ?? "") === "";
    const source = new InputSource(input, options.onInput);
    const prompt = () => this.#prompts.top;
    const isSuspended = () => this.#suspensions > 0;
    this.#attention = new Attention(this.#io, this.isInteractive, { prompt, isSuspended }, () => {
      this.restore();
      signals.end();
    });
    this.#screen = new Screen({
      size: () => output.size(),
      prompt: () => this.#prompts.shown,
      changed: () => this.refresh(),
    }, this.#useColor);
    this.#keyboard = new Keyboard(source, {
      prompt,
      isSuspended,
      located: (at) => this.#screen.located(at),
      typed: () => this.alerts.typed(),
      focused: (isIn) => this.alerts.focused(isIn),
    });
    this.alerts = new Alerts({ ...options.emulator, term: options.term }, this.#now, {
      hasScreen: output.isTerminal(),
      isHeard: () => this.#prompts.top !== undefined && !isSuspended(),
      isOurs: () => !this.#isClosed && !isSuspended(),
      write: (sequence) => this.isInteractive ? this.#screen.alert(sequence) : this.#queue.push(sequence),
      watchChanged: () => this.#updateMode(),
    });
    this.#queue = new OutputQueue(
      output,
      (lines) => this.isInteractive ? this.#screen.render(lines) : lines.join(""),
    );
    this.#plain = new PlainPrompts(source, input, (piece) => this.#queue.push(piece), {
      echoes: (options.echoesPipe ?? true) && !input.isTerminal(),
    });
    this.#prompts = new OpenPrompts({
      output: this.#queue,
      isClosed: () => this.#isClosed,
      changed: () => this.refresh(),
      clearScreen: () => this.#screen.clear(),
      suspend: () => void this.runOutside(() => this.#attention.stopProcess()),
      list: (candidates) => this.#printNow(listing(candidates, this.size.columns)),
      opened: (prompt) => this.#opened(prompt),
      ended: (prompt, outcome) => this.#ended(prompt, outcome),
    });
    this.#queue.closed.addEventListener("abort", () => this.#prompts.endAll({ kind: "ended" }));
    if (!this.isInteractive) return;
    this.#stopSignals.push(
      signals.listen("SIGWINCH", () => this.#screen.resized(this.#attention.mode === "keys")),
      signals.listen("SIGCONT", () => this.#continued()),
    );
  }

  /** The size of the screen now; 80 by 24 where there is none. */
  get size(): ScreenSize {
    return this.#io.output.size();
  }

  /** Aborted once a write has failed, its reason an `OutputError`; prompts then answer as at the end of the input. */
  get closed(): AbortSignal {
    return this.#queue.closed;
  }

  /**
   * Asks for a line. A prompt opened while another is open is asked first; the other comes back as it was.
   * @returns The text, with LF between its lines; `null` at the end of the input, or where nobody reads the output.
   * @throws {Interrupt} at Ctrl+C, with what had been typed.
   * @throws the reason of `options.signal` once that is aborted, and an `AbortError` once the terminal is closed.
   */
  readLine(options: ReadLineOptions): Promise<string | null> {
    return this.#prompts.ask(options, false);
  }

  /** As {@linkcode readLine}, for a secret: it is not shown, not remembered, and in no error. */
  readSecret(prompt: string, options: SignalOption = {}): Promise<string | null> {
    return this.#prompts.ask({ prompt, ...options, multiline: false }, true);
  }

  /** Asks yes or no until that is the answer; an empty line means `byDefault`, the end of the input no. Throws `Interrupt` at Ctrl+C. */
  confirm(question: string, byDefault: boolean, options: SignalOption = {}): Promise<boolean> {
    return confirmWith(this, question, byDefault, options);
  }

  /** Asks as {@linkcode confirm} whether to go on with a long list; a pipe, whose next line is another command, gets `byDefault`. */
  async wantsMore(question: string, byDefault: boolean): Promise<boolean> {
    return this.#io.input.isTerminal() ? await this.confirm(question, byDefault) : byDefault;
  }

  /**
   * Asks to choose, by number from 1 or by name, until the answer fits; `byDefault` is the index that an empty line means.
   * @returns The value chosen; `null` at the end of the input. Throws `Interrupt` at Ctrl+C.
   */
  choose<Value>(
    question: string,
    choices: readonly Choice<Value>[],
    options: SignalOption & { readonly byDefault?: number } = {},
  ): Promise<Value | null> {
    return chooseWith(this, question, choices, options);
  }

  /** Opens the person's editor on a text. Throws `UsageError` when none is set or it cannot be run. */
  edit(text: string): Promise<string> {
    return this.runOutside(() => editWithProgram(this.#options.editor, text));
  }

  /**
   * Prints a line, or several, above whatever is being typed.
   * @param line May hold colours of `style.ts`; other control characters are made visible.
   * @param isOurs Whether it is the program that speaks; what others wrote is never broken, and can be copied as it was written.
   * @returns Fulfilled when there is room for more: waiting for it keeps memory small behind a slow reader.
   * @throws {OutputError} once a write has failed, this one or another; {@linkcode flush} tells of all of them.
   */
  print(line = "", isOurs = true): Promise<void> {
    const printed = this.#printInTurn(line, isOurs);
    // Not everybody waits, and whoever does not is told by the next one.
    printed.catch(() => {});
    return printed;
  }

  async #printInTurn(line: string, isOurs: boolean): Promise<void> {
    if (this.#queue.isFull) await this.#queue.whenRoom();
    this.closed.throwIfAborted();
    this.#printNow(line, isOurs);
  }

  /** Prints news that nobody waits for. A screen that takes nothing for long misses some, and is told how many. */
  printAbove(line: string): void {
    if (this.#queue.isFull) return void (this.#leftOut += 1);
    const gap = `(lines left out because the screen did not keep up: ${this.#leftOut})`;
    if (this.#leftOut > 0) this.#printNow(gap, true);
    this.#leftOut = 0;
    this.#printNow(line, true);
  }

  /** Shows one changing line, in place of the one before; the empty text takes it away. */
  status(text: string): void {
    this.#status.show(text);
  }

  /** Opens one more changing line, below those that are there. */
  liveLine(text: string): LiveLine {
    return this.#screen.openLine(text, (last) => this.#printNow(last));
  }

  /** Opens a progress bar. */
  progress(options: ProgressOptions): ProgressBar {
    return new ProgressBar(this.liveLine(options.label), options, () => this.size.columns, this.#now);
  }

  /** Shows the prompt again, as its function's answer has changed. */
  refresh(): void {
    if (this.isInteractive) this.#queue.invalidate();
  }

  /**
   * Calls a handler at Ctrl+C (and SIGINT) while no prompt is open; the newest alone. Where there is none, Ctrl+C gives
   * the keyboard back and ends the process.
   */
  onInterrupt(handler: () => void): Disposable {
    return this.#attention.onInterrupt(handler);
  }

  /** Lends keyboard and screen to another program while the function runs; prints wait meanwhile. */
  async runOutside<Result>(run: () => Promise<Result>): Promise<Result> {
    this.#suspensions += 1;
    this.#screen.hide(true);
    await this.#queue.hold();
    this.#updateMode();
    try {
      return await run();
    } finally {
      this.#resume();
    }
  }

  #resume(): void {
    if (this.#suspensions === 0) return; // closed meanwhile
    this.#suspensions -= 1;
    if (this.#suspensions > 0) return;
    this.#updateMode();
    this.#queue.release();
    if (!this.isInteractive || this.#isClosed) return;
    this.#screen.hide(false);
    void this.#keyboard.pump();
  }

  /** Whether nobody can see what is printed: the output is thrown away, or closed. */
  get isUnseen(): boolean {
    return this.#io.output.isNowhere();
  }

  /** Fulfilled when the output has taken all that was printed. Throws `OutputError` once a write has failed. */
  flush(): Promise<void> {
    return this.#queue.flush();
  }

  /** Gives keyboard and screen back at once, without writing what waits; for a process that must end now. */
  restore(): void {
    const wasClosed = this.#isClosed;
    this.#isClosed = true;
    this.#attention.close();
    if (wasClosed || !this.isInteractive) return;
    try {
      this.#io.output.writeNow(new TextEncoder().encode(this.#screen.leave()));
    } catch {
      // The screen is gone, and with it what there was to put right.
    }
  }

  /** Takes back open prompts, writes what is left and gives the keyboard back. A second time does nothing. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#isClosed && this.#stopSignals.length === 0 && this.#prompts.isEmpty) return;
    this.#isClosed = true;
    this.#attention.close();
    this.#prompts.endAll({ kind: "aborted", reason: closedError() });
    for (const stop of this.#stopSignals.splice(0)) stop();
    this.#keyboard.close();
    this.#screen.close();
    this.#suspensions = 0;
    this.#queue.release();
    // A write that fails now was told to whoever flushed, and there is no way left to tell it.
    await within(CLOSE_WAIT_MS, this.#queue.flush().catch(() => {}));
  }

  #opened(prompt: KeyPrompt): void {
    this.#updateMode();
    this.refresh();
    if (this.isInteractive) void this.#keyboard.pump();
    else this.#plain.open(prompt);
  }

  #ended(prompt: KeyPrompt, outcome: PromptOutcome): void {
    if (!this.isInteractive) {
      this.#plain.close(prompt, outcome);
    } else {
      const line = prompt.remains(outcome, this.size.columns - 1);
      if (line === undefined) this.refresh();
      else this.#printNow(line);
    }
    this.#updateMode();
  }

  #updateMode(): void {
    this.#attention.update();
    if (!this.isInteractive) return this.#plain.applyMode(this.#suspensions > 0);
    const { mode } = this.#attention;
    this.#screen.markPastes(mode !== "lines");
    // Only while Ctrl+Z is a key: stopped by the system, the program could not switch it off before the shell is there.
    const canReport = mode === "keys" && this.#prompts.top?.isSecret !== true;
    this.#screen.reportFocus(this.alerts.reportsWhere(canReport));
  }

  /** The process goes on after a stop. Unless it stopped by itself, the shell may have written below what is painted. */
  #continued(): void {
    this.#attention.continued();
    if (this.#isClosed || this.#suspensions > 0) return;
    this.#attention.renew();
    this.#screen.continued(this.#attention.mode === "keys");
  }

  #printNow(line: string, breaks = false): void {
    const text = printable(line, this.#useColor);
    if (!this.isInteractive) return this.#plain.print(text);
    const isBroken = breaks && this.#options.breaksLines === true;
    this.#queue.push(isBroken ? breakLines(text, this.size.columns - 1) : text);
  }
}
