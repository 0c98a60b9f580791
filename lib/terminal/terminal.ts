/**
 * The one owner of keyboard and screen: prompts, printed lines, changing lines (DESIGN §9).
 *
 * On a real terminal it edits the line being typed and redraws it below whatever news is printed. In a pipe, and
 * where `TERM` is `dumb`, it reads and writes plain lines without a single escape sequence. Both read in order and lose
 * nothing that is typed while nobody asks. What others wrote goes through {@linkcode safeText} before it comes here.
 * @module
 */
import { Attention } from "./line/attention.ts";
import { editWithProgram } from "./line/external_editor.ts";
import type { ScreenSize } from "./screen/picture.ts";
import { InputSource } from "./keys/input_source.ts";
import { Interrupt } from "./interrupt.ts";
import { processIo, type TerminalIo } from "./io.ts";
import { KeyPrompt, type PromptOutcome } from "./line/key_prompt.ts";
import { Keyboard } from "./keys/keyboard.ts";
import {
  type LiveLine,
  openLiveLine,
  type Progress,
  ProgressBar,
  type ProgressOptions,
} from "./live_line.ts";
import { OutputQueue } from "./screen/output_queue.ts";
import { PlainPrompts } from "./line/plain_prompts.ts";
import { type Choice, chooseWith, confirmWith, type ReadTextOptions, readTextWith } from "./questions.ts";
import type { ReadLineOptions } from "./read_line.ts";
import { safeText } from "./safe_text.ts";
import { Screen } from "./screen/screen.ts";
import { printable } from "./style.ts";
import { layOut } from "./width.ts";

/** How a {@linkcode Terminal} is made; the entry file fills it in from the environment. */
export interface TerminalOptions {
  /** Keyboard, screen and signals; this process's by default. */
  readonly io?: TerminalIo;
  /** Told each time that something was typed, or came out of a pipe. */
  readonly onInput?: () => void;
  /** The value of `TERM`: `dumb` or empty means plain lines. Unset (as on Windows) means a terminal like others. */
  readonly term?: string | undefined;
  /** The value of `NO_COLOR`: any but the empty string takes all colours away. */
  readonly noColor?: string | undefined;
  /** The command of the person's editor (`VISUAL`, else `EDITOR`) for `/edit`; unset where there is none. */
  readonly editor?: string | undefined;
  /** Whether lines that come from a pipe are repeated behind their prompt, so that the output reads as a conversation. True by default. */
  readonly echoesPipe?: boolean;
  /** A clock in milliseconds that never goes back; `performance.now` by default. */
  readonly now?: () => number;
}

/** Milliseconds that closing waits for a screen that does not take what is left. */
const CLOSE_WAIT_MS = 1_000;
/** Milliseconds in which a process that was stopped and goes on hears of it. */
const STOP_WAIT_MS = 30;
/** Keyboard and screen. One for a process; dispose of it before the process ends, whatever happens. */
export class Terminal implements AsyncDisposable {
  /** Whether lines can be edited and redrawn: keyboard and screen are real, and `TERM` is not `dumb`. */
  readonly isInteractive: boolean;
  readonly #io: TerminalIo;
  readonly #editor: string | undefined;
  readonly #now: () => number;
  readonly #useColor: boolean;
  readonly #queue: OutputQueue;
  readonly #attention: Attention;
  readonly #plain: PlainPrompts; // answers prompts where this is not interactive,
  readonly #keyboard: Keyboard; // and these two do where it is
  readonly #screen: Screen;
  readonly #stopSignals: (() => void)[] = [];
  #prompts: KeyPrompt[] = []; // the last one is on the screen; the others wait beneath
  #status: LiveLine | undefined; // set while a status is shown
  #statusText = "";
  #leftOut = 0; // lines of printAbove that a slow screen cost
  #suspensions = 0;
  #wakeUp: (() => void) | undefined; // set while Ctrl+Z has stopped the process
  #isClosed = false;

  /** Takes keyboard and screen; nothing is written yet. */
  constructor(options: TerminalOptions = {}) {
    this.#io = options.io ?? processIo();
    this.#editor = options.editor;
    this.#now = options.now ?? (() => performance.now());
    const { input, output, signals } = this.#io;
    const canRedraw = options.term !== "dumb" && options.term !== "";
    this.isInteractive = input.isTerminal() && output.isTerminal() && canRedraw;
    this.#useColor = output.isTerminal() && options.term !== "dumb" && (options.noColor ?? "") === "";
    const source = new InputSource(input, options.onInput);
    const prompt = () => this.#prompts.at(-1);
    const isSuspended = () => this.#suspensions > 0;
    this.#attention = new Attention(
      this.#io,
      this.isInteractive,
      () => ({ prompt: prompt(), isSuspended: isSuspended() }),
      () => {
        this.restore();
        signals.end();
      },
    );
    this.#screen = new Screen({
      size: () => output.size(),
      prompt: () => this.#prompts.findLast((open) => !open.isDone),
      changed: () => this.refresh(),
    }, this.#useColor);
    this.#keyboard = new Keyboard(source, { prompt, isSuspended, located: (at) => this.#screen.located(at) });
    this.#queue = new OutputQueue(
      output,
      (lines) => this.isInteractive ? this.#screen.render(lines) : lines.join(""),
    );
    this.#plain = new PlainPrompts(source, input, (piece) => this.#queue.push(piece), {
      echoes: (options.echoesPipe ?? true) && !input.isTerminal(),
    });
    this.#queue.closed.addEventListener("abort", () => this.#endPrompts({ kind: "ended" }));
    if (!this.isInteractive) return;
    this.#stopSignals.push(
      signals.listen("resize", () => this.#screen.resized(this.#attention.mode === "keys")),
      signals.listen("continue", () => this.#continued()),
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
   *
   * @returns The text, with LF between its lines; `null` at the end of the input (Ctrl+D on an empty line, the end
   *   of a pipe, output that nobody reads).
   * @throws {Interrupt} at Ctrl+C, with what had been typed.
   * @throws the reason of `options.signal` once that is aborted, and an `AbortError` once the terminal is closed.
   */
  readLine(options: ReadLineOptions): Promise<string | null> {
    return this.#ask(options, false);
  }

  /**
   * Asks for a secret, which is not shown, not kept in any history and in no error.
   *
   * @param prompt What to ask. @param options.signal Takes the prompt back.
   * @returns The secret; `null` at the end of the input. In a pipe, the next line.
   * @throws {Interrupt} at Ctrl+C.
   */
  readSecret(prompt: string, options: { readonly signal?: AbortSignal } = {}): Promise<string | null> {
    return this.#ask({ prompt, ...options, multiline: false }, true);
  }

  /**
   * Asks yes or no, until the answer is one of them.
   *
   * @param question Ends in a question mark; `[Y/n]` or `[y/N]` is added.
   * @param byDefault What an empty line means.
   * @returns The answer; at the end of the input `false`, as nobody agreed.
   * @throws {Interrupt} at Ctrl+C.
   */
  confirm(
    question: string,
    byDefault: boolean,
    options: { readonly signal?: AbortSignal } = {},
  ): Promise<boolean> {
    return confirmWith(this, question, byDefault, options);
  }

  /**
   * Asks to choose, by number or by name, until the answer fits.
   *
   * @param question What is to be chosen.
   * @param choices At least one; numbered from 1 as given.
   * @param options.byDefault Index of the choice that an empty line means; none by default.
   * @returns The value chosen; `null` at the end of the input.
   * @throws {Interrupt} at Ctrl+C.
   */
  choose<Value>(
    question: string,
    choices: readonly Choice<Value>[],
    options: { readonly byDefault?: number; readonly signal?: AbortSignal } = {},
  ): Promise<Value | null> {
    return chooseWith(this, question, choices, options);
  }

  /**
   * Asks for a text of several lines, ended by a line with a single dot or by the end of the input; a line `/edit`
   * opens the person's editor.
   *
   * @returns The text without the dot, its lines joined by LF; `null` at the end of the input with nothing typed.
   * @throws {Interrupt} at Ctrl+C, with what had been typed.
   */
  readText(options: ReadTextOptions = {}): Promise<string | null> {
    const edit = this.#editor === undefined ? undefined : (text: string) => this.edit(text);
    return readTextWith(this, edit, options);
  }

  /**
   * Opens the person's editor on a text.
   *
   * @returns The text as it was saved.
   * @throws {UsageError} when no editor is set or it could not be run.
   */
  edit(text: string): Promise<string> {
    return this.runOutside(() => editWithProgram(this.#editor, text));
  }

  /**
   * Prints a line, or several, above whatever is being typed.
   *
   * @param line May hold colours of `style.ts`; other control characters are made visible.
   * @returns Fulfilled when there is room for more: waiting for it keeps memory small behind a slow reader.
   * @throws {OutputError} once a write has failed, this one or another; {@linkcode flush} tells of all of them.
   */
  print(line = ""): Promise<void> {
    const printed = this.#printInTurn(line);
    // Not everybody waits, and whoever does not is told by the next one.
    printed.catch(() => {});
    return printed;
  }

  async #printInTurn(line: string): Promise<void> {
    if (this.#queue.isFull) await this.#queue.whenRoom();
    this.closed.throwIfAborted();
    this.#printNow(line);
  }

  /** Prints news that nobody waits for. A screen that takes nothing for long misses some, and is told how many. */
  printAbove(line: string): void {
    if (this.#queue.isFull) {
      this.#leftOut += 1;
      return;
    }
    if (this.#leftOut > 0) {
      this.#printNow(`(${this.#leftOut} lines left out, as the screen did not keep up)`);
      this.#leftOut = 0;
    }
    this.#printNow(line);
  }

  /** Shows one changing line, in place of the one before; the empty text takes it away. */
  status(text: string): void {
    if (text === this.#statusText) return;
    this.#statusText = text;
    if (!this.isInteractive) {
      if (text !== "") this.printAbove(text);
      return;
    }
    if (text === "") {
      this.#status?.remove();
      this.#status = undefined;
      return;
    }
    this.#status ??= this.liveLine(text);
    this.#status.update(text);
  }

  /** Opens one more changing line, below those that are there. */
  liveLine(text: string): LiveLine {
    return openLiveLine({
      show: (line) => this.#screen.addLine(line),
      hide: (line) => this.#screen.removeLine(line),
      changed: () => this.refresh(),
      print: (last) => this.#printNow(last),
    }, text);
  }

  /** Opens a progress bar. */
  progress(options: ProgressOptions): Progress {
    return new ProgressBar(this.liveLine(options.label), options, () => this.size.columns, this.#now);
  }

  /** Shows the prompt again, where it is a function whose answer has changed. */
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
    await this.suspend();
    try {
      return await run();
    } finally {
      this.resume();
    }
  }

  /** Takes everything that changes off the screen and gives the keyboard back to the system; see {@linkcode runOutside}. */
  async suspend(): Promise<void> {
    this.#suspensions += 1;
    this.#screen.hide(true);
    await this.#queue.hold();
    this.#updateMode();
  }

  /** Ends {@linkcode suspend}. */
  resume(): void {
    if (this.#suspensions === 0) return;
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
    if (this.#isClosed && this.#stopSignals.length === 0 && this.#prompts.length === 0) return;
    this.#isClosed = true;
    this.#attention.close();
    this.#endPrompts({ kind: "aborted", reason: new DOMException("The terminal is closed", "AbortError") });
    for (const stop of this.#stopSignals.splice(0)) stop();
    this.#keyboard.close();
    this.#screen.close();
    this.#suspensions = 0;
    this.#queue.release();
    const late = Promise.withResolvers<void>();
    const timer = setTimeout(() => late.resolve(), CLOSE_WAIT_MS);
    // A write that fails now was told to whoever flushed, and there is no way left to tell it.
    await Promise.race([this.#queue.flush().catch(() => {}), late.promise]);
    clearTimeout(timer);
  }

  #ask(options: ReadLineOptions, isSecret: boolean): Promise<string | null> {
    const answer = this.#answer(options, isSecret);
    // A prompt that is open when the terminal closes may have lost its caller: that must not end the process badly.
    answer.catch(() => {});
    return answer;
  }

  async #answer(options: ReadLineOptions, isSecret: boolean): Promise<string | null> {
    options.signal?.throwIfAborted();
    if (this.#queue.closed.aborted) return null;
    if (this.#isClosed) throw new DOMException("The terminal is closed", "AbortError");
    const prompt = new KeyPrompt(options, isSecret, {
      changed: () => this.refresh(),
      clearScreen: () => this.#screen.clear(),
      suspend: () => void this.#stopProcess(),
      list: (candidates) => this.#list(candidates),
    });
    const abort = () => prompt.end({ kind: "aborted", reason: options.signal!.reason });
    options.signal?.addEventListener("abort", abort);
    // One that has failed ends the prompt as soon as it is open.
    if (this.#queue.isFull) await this.#queue.whenRoom().catch(() => prompt.end({ kind: "ended" }));
    this.#prompts.push(prompt);
    this.#updateMode();
    this.refresh();
    if (this.isInteractive) void this.#keyboard.pump();
    else this.#plain.open(prompt);
    const outcome = await prompt.outcome;
    options.signal?.removeEventListener("abort", abort);
    this.#prompts = this.#prompts.filter((other) => other !== prompt);
    if (this.isInteractive) this.#leaveBehind(prompt, outcome);
    else this.#plain.close(prompt, outcome);
    this.#updateMode();
    switch (outcome.kind) {
      case "submitted":
        return outcome.text;
      case "ended":
        return null;
      case "interrupted":
        throw new Interrupt(outcome.text);
      case "aborted":
        throw outcome.reason;
    }
  }

  #endPrompts(outcome: PromptOutcome): void {
    for (const prompt of this.#prompts) prompt.end(outcome);
  }

  #updateMode(): void {
    this.#attention.update();
    if (this.isInteractive) this.#screen.markPastes(this.#attention.mode !== "lines");
    else this.#plain.applyMode(this.#suspensions > 0);
  }

  async #stopProcess(): Promise<void> {
    await this.suspend();
    const continued = Promise.withResolvers<void>();
    this.#wakeUp = continued.resolve;
    this.#io.signals.stop();
    // A process that was stopped hears of it in a moment; one that could not be goes on without. Twice, since the
    // first wait may be over at once when the stop was long.
    for (let round = 0; round < 2; round++) {
      let timer: ReturnType<typeof setTimeout> | undefined;
      const wait = new Promise((resolve) => timer = setTimeout(resolve, STOP_WAIT_MS));
      await Promise.race([continued.promise, wait]);
      clearTimeout(timer);
    }
    this.#wakeUp = undefined;
    this.resume();
  }

  /** The process goes on after a stop. Unless it stopped by itself, the shell has written below what is painted. */
  #continued(): void {
    this.#wakeUp?.();
    if (this.#isClosed || this.#suspensions > 0) return;
    this.#attention.renew();
    this.#screen.forget();
  }

  #printNow(line: string): void {
    const text = printable(line, this.#useColor);
    if (this.isInteractive) this.#queue.push(text);
    else this.#plain.print(text);
  }

  #leaveBehind(prompt: KeyPrompt, outcome: PromptOutcome): void {
    const line = prompt.remains(outcome);
    if (line === undefined) this.refresh();
    else this.#printNow(line);
  }

  #list(candidates: readonly string[]): void {
    const names = candidates.map((candidate) => safeText(candidate.trimEnd()));
    this.#printNow(layOut(names, this.size.columns - 1));
  }
}
