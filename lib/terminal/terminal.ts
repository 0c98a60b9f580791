/**
 * The one owner of keyboard and screen: prompts, printed lines, changing lines (DESIGN §9).
 *
 * On a real terminal it edits the line being typed and redraws it below whatever news is printed. In a pipe, and
 * where `TERM` is `dumb`, it reads and writes plain lines without a single escape sequence. Both read in order and lose
 * nothing that is typed while nobody asks. What others wrote goes through {@linkcode safeText} before it comes here.
 * @module
 */
import { editWithProgram } from "./external_editor.ts";
import { EMPTY_FRAME, type Frame, FrameBuilder, type ScreenSize } from "./frame.ts";
import { InputSource } from "./input_source.ts";
import { Interrupt } from "./interrupt.ts";
import { type InputMode, processIo, type TerminalIo } from "./io.ts";
import { KeyPrompt, type PromptOutcome } from "./key_prompt.ts";
import { type Key, KeyDecoder } from "./keys.ts";
import { type LiveLine, type Progress, ProgressBar, type ProgressOptions } from "./live_line.ts";
import { OutputQueue } from "./output_queue.ts";
import { Painter } from "./painter.ts";
import { PlainPrompts } from "./plain_prompts.ts";
import { type Choice, chooseWith, confirmWith, type ReadTextOptions, readTextWith } from "./questions.ts";
import type { ReadLineOptions } from "./read_line.ts";
import { safeText } from "./safe_text.ts";
import { printable, withoutStyle } from "./style.ts";
import { columnsOf } from "./width.ts";

/** How a {@linkcode Terminal} is made; the entry file fills it in from the environment. */
export interface TerminalOptions {
  /** Keyboard, screen and signals; this process's by default. */
  readonly io?: TerminalIo;
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

const PASTE_ON = "\x1b[?2004h";
const PASTE_OFF = "\x1b[?2004l";
/** Longest typed text that stays on the screen in full once it is submitted, in UTF-16 code units. */
const MAX_COMMITTED_LENGTH = 2_000;
/** Milliseconds that closing waits for a screen that does not take what is left. */
const CLOSE_WAIT_MS = 1_000;
/** Milliseconds in which a process that was stopped and goes on hears of it. */
const STOP_WAIT_MS = 30;
/** Milliseconds in which a terminal says where its cursor is; over a slow line it is drawn again without the answer. */
const POSITION_WAIT_MS = 200;
const ASK_POSITION = "\x1b[6n";

/** Keyboard and screen. One for a process; dispose of it before the process ends, whatever happens. */
export class Terminal implements AsyncDisposable {
  /** Whether lines can be edited and redrawn: keyboard and screen are real, and `TERM` is not `dumb`. */
  readonly isInteractive: boolean;
  readonly #io: TerminalIo;
  readonly #source: InputSource;
  readonly #queue: OutputQueue;
  readonly #useColor: boolean;
  readonly #editor: string | undefined;
  readonly #now: () => number;
  readonly #plain: PlainPrompts;

  // The keyboard
  readonly #decoder = new KeyDecoder();
  #keys: Key[] = []; // typed, not yet wanted
  #isPumping = false;
  #flushTimer: ReturnType<typeof setTimeout> | undefined;
  #mode: InputMode = "lines";
  #prompts: KeyPrompt[] = []; // the last one is on the screen; the others wait beneath
  #interruptHandlers: (() => void)[] = [];
  #hasAsked = false;
  #stopInterrupts: (() => void) | undefined;
  readonly #stopSignals: (() => void)[] = [];

  // The screen
  readonly #painter = new Painter();
  readonly #builder = new FrameBuilder();
  #builtFor: KeyPrompt | undefined;
  #live: { text: string }[] = [];
  #status: LiveLine | undefined;
  #statusText = "";
  #leftOut = 0; // lines of printAbove that a slow screen cost
  #mustClear = false;
  #suspensions = 0;
  #isPasteOn = false;
  #isClosed = false;
  #questions = 0; // how often the terminal was asked where its cursor is, and has not answered
  #mustAsk = false;
  #answerTimer: ReturnType<typeof setTimeout> | undefined; // set while nothing is painted, for an answer to come
  #linesMeanwhile: string[] = [];
  #wakeUp: (() => void) | undefined; // set while Ctrl+Z has stopped the process

  /**
   * Takes keyboard and screen; nothing is written yet.
   *
   * @param options See {@linkcode TerminalOptions}.
   */
  constructor(options: TerminalOptions = {}) {
    this.#io = options.io ?? processIo();
    this.#editor = options.editor;
    this.#now = options.now ?? (() => performance.now());
    const { input, output, signals } = this.#io;
    this.isInteractive = input.isTerminal() && output.isTerminal() && options.term !== "dumb" &&
      options.term !== "";
    this.#useColor = output.isTerminal() && options.term !== "dumb" && (options.noColor ?? "") === "";
    this.#source = new InputSource(input);
    this.#queue = new OutputQueue(
      output,
      (lines) => this.isInteractive ? this.#render(lines) : lines.join(""),
    );
    this.#plain = new PlainPrompts(this.#source, input, (piece) => this.#queue.push(piece), {
      echoes: (options.echoesPipe ?? true) && !input.isTerminal(),
    });
    this.#queue.closed.addEventListener("abort", () => this.#endPrompts({ kind: "ended" }));
    if (!this.isInteractive) return;
    this.#stopSignals.push(
      signals.listen("resize", () => this.#resized()),
      signals.listen("continue", () => this.#continued()),
    );
  }

  /** The size of the screen now; 80 by 24 where there is none. */
  get size(): ScreenSize {
    return this.#io.output.size();
  }

  /** Aborted once nobody reads the output any more; prompts then answer as at the end of the input. */
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
   */
  async print(line = ""): Promise<void> {
    if (this.#queue.isFull) await this.#queue.whenRoom();
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
    const line = { text };
    let isOpen = true;
    const end = (): boolean => {
      const wasOpen = isOpen;
      isOpen = false;
      if (wasOpen && this.isInteractive) {
        this.#live = this.#live.filter((other) => other !== line);
        this.#queue.invalidate();
      }
      return wasOpen;
    };
    if (this.isInteractive) {
      this.#live.push(line);
      this.#queue.invalidate();
    }
    return {
      update: (next) => {
        line.text = next;
        if (isOpen && this.isInteractive) this.#queue.invalidate();
      },
      commit: (last) => {
        if (end()) this.#printNow(last ?? line.text);
      },
      remove: () => void end(),
      [Symbol.dispose]: () => void end(),
    };
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
    this.#interruptHandlers.push(handler);
    this.#applyMode();
    return {
      [Symbol.dispose]: () => {
        this.#interruptHandlers = this.#interruptHandlers.filter((other) => other !== handler);
        this.#applyMode();
      },
    };
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
    if (this.isInteractive) this.#queue.invalidate();
    await this.#queue.hold();
    this.#applyMode();
  }

  /** Ends {@linkcode suspend}. */
  resume(): void {
    if (this.#suspensions === 0) return;
    this.#suspensions -= 1;
    if (this.#suspensions > 0) return;
    this.#applyMode();
    this.#queue.release();
    if (!this.isInteractive) return;
    this.#queue.invalidate();
    void this.#pumpKeys();
  }

  /** Fulfilled when all that was printed is written. */
  flush(): Promise<void> {
    return this.#queue.flush();
  }

  /** Gives keyboard and screen back at once, without writing what waits; for a process that must end now. */
  restore(): void {
    this.#release();
    if (!this.#isPasteOn) return;
    this.#isPasteOn = false;
    try {
      this.#io.output.writeNow(new TextEncoder().encode(PASTE_OFF + this.#painter.paint(EMPTY_FRAME)));
    } catch {
      // The screen is gone, and with it what there was to put right.
    }
  }

  /** Takes back open prompts, writes what is left and gives the keyboard back. A second time does nothing. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#isClosed && this.#stopSignals.length === 0 && this.#prompts.length === 0) return;
    this.#release();
    this.#endPrompts({ kind: "aborted", reason: new DOMException("The terminal is closed", "AbortError") });
    for (const stop of this.#stopSignals.splice(0)) stop();
    clearTimeout(this.#flushTimer);
    clearTimeout(this.#answerTimer);
    this.#live = [];
    this.#suspensions = 0;
    this.#queue.release();
    if (this.isInteractive) this.#queue.invalidate();
    const late = Promise.withResolvers<void>();
    const timer = setTimeout(() => late.resolve(), CLOSE_WAIT_MS);
    await Promise.race([this.#queue.flush(), late.promise]);
    clearTimeout(timer);
  }

  #release(): void {
    this.#isClosed = true;
    this.#stopInterrupts?.();
    this.#stopInterrupts = undefined;
    if (this.#mode !== "lines") this.#setMode("lines");
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
      changed: () => this.#queue.invalidate(),
      clearScreen: () => {
        this.#mustClear = true;
        this.#queue.invalidate();
      },
      suspend: () => void this.#stopProcess(),
      list: (candidates) => this.#printNow(inColumns(candidates, this.size.columns - 1)),
    });
    const abort = () => prompt.end({ kind: "aborted", reason: options.signal!.reason });
    options.signal?.addEventListener("abort", abort);
    if (this.#queue.isFull) await this.#queue.whenRoom();
    this.#prompts.push(prompt);
    this.#applyMode();
    if (this.isInteractive) {
      this.#queue.invalidate();
      void this.#pumpKeys();
    } else {
      this.#plain.open(prompt);
    }
    const outcome = await prompt.outcome;
    options.signal?.removeEventListener("abort", abort);
    this.#prompts = this.#prompts.filter((other) => other !== prompt);
    if (this.isInteractive) this.#commit(prompt, outcome);
    else this.#plain.close(prompt, outcome);
    this.#applyMode();
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

  /** Feeds keys to the prompt on top, as long as there is one; keys that nobody wants wait. */
  async #pumpKeys(): Promise<void> {
    if (this.#isPumping) return;
    this.#isPumping = true;
    try {
      while (true) {
        const prompt = this.#prompts.at(-1);
        if (prompt === undefined) return;
        if (prompt.isDone) {
          // Its caller has yet to take the answer, and may open the next prompt: that one gets the next key.
          await Promise.race([prompt.outcome]);
          if (this.#prompts.at(-1) === prompt) {
            await new Promise((resolve) => queueMicrotask(() => resolve(undefined)));
          }
          continue;
        }
        const key = this.#keys.shift();
        if (key !== undefined) {
          if (key.name === "position") this.#located(key.text);
          else prompt.handle(key);
          continue;
        }
        if (this.#suspensions > 0) return;
        const bytes = await Promise.race([this.#source.peek(), prompt.outcome.then(() => "done" as const)]);
        if (bytes === "done") continue;
        if (bytes === null) {
          prompt.end({ kind: "ended" });
          continue;
        }
        this.#source.take();
        this.#keys.push(...this.#decoder.push(bytes));
        this.#flushLater();
      }
    } finally {
      this.#isPumping = false;
    }
  }

  #flushLater(): void {
    clearTimeout(this.#flushTimer);
    if (this.#decoder.waitMs === 0) return;
    this.#flushTimer = setTimeout(() => {
      for (const key of this.#decoder.flush()) {
        const prompt = this.#prompts.at(-1);
        if (prompt === undefined || prompt.isDone || this.#keys.length > 0) this.#keys.push(key);
        else prompt.handle(key);
      }
    }, this.#decoder.waitMs);
  }

  #endPrompts(outcome: PromptOutcome): void {
    for (const prompt of this.#prompts) prompt.end(outcome);
  }

  /** Sets how the keyboard is read from who listens to it now. */
  #applyMode(): void {
    if (this.#isClosed) return;
    const hasPrompt = this.#prompts.length > 0;
    this.#hasAsked ||= hasPrompt;
    // Between two prompts the keyboard stays silent: what is typed ahead may be a password.
    const isWatched = hasPrompt || this.#interruptHandlers.length > 0 ||
      (this.isInteractive && this.#hasAsked);
    if (isWatched) {
      this.#stopInterrupts ??= this.#io.signals.listen("interrupt", () => this.#interrupt());
    } else {
      this.#stopInterrupts?.();
      this.#stopInterrupts = undefined;
    }
    if (!this.isInteractive) return this.#plain.applyMode(this.#suspensions > 0);
    const mode = this.#suspensions > 0 || !isWatched ? "lines" : hasPrompt ? "keys" : "signals";
    if (mode !== this.#mode) this.#setMode(mode);
  }

  #setMode(mode: InputMode): void {
    this.#mode = mode;
    try {
      this.#io.input.setMode(mode);
    } catch {
      // The terminal is gone: reading from it will say so.
    }
    if (this.#isPasteOn !== (mode !== "lines")) this.#queue.invalidate();
  }

  #interrupt(): void {
    if (this.#suspensions > 0) return; // it was meant for the program that has the keyboard
    const prompt = this.#prompts.at(-1);
    if (prompt !== undefined) {
      prompt.end({ kind: "interrupted", text: prompt.isSecret ? "" : prompt.editor.text });
    } else if (this.#interruptHandlers.length > 0) {
      this.#interruptHandlers.at(-1)!();
    } else {
      this.restore();
      this.#io.signals.end();
    }
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
    this.#setMode(this.#mode);
    this.#painter.forget();
    this.#queue.invalidate();
  }

  #resized(): void {
    const size = this.size;
    if (this.#mode !== "keys" || !this.#painter.isUnsureAt(size)) return this.#resizedTo(size);
    this.#mustAsk = true;
    clearTimeout(this.#answerTimer);
    this.#answerTimer = setTimeout(() => this.#resizedTo(this.size), POSITION_WAIT_MS);
    this.#queue.invalidate();
  }

  #located(position: string): void {
    if (this.#questions > 0) this.#questions -= 1;
    // An answer to an older question tells of an older size.
    if (this.#questions > 0 || this.#mustAsk || this.#answerTimer === undefined) return;
    this.#resizedTo(this.size, Number(position.split(";")[1]) - 1);
  }

  #resizedTo(size: ScreenSize, column?: number): void {
    clearTimeout(this.#answerTimer);
    this.#answerTimer = undefined;
    this.#mustAsk = false;
    this.#painter.resized(size, column);
    this.#queue.invalidate();
  }

  #printNow(line: string): void {
    const text = printable(line, this.#useColor);
    if (this.isInteractive) this.#queue.push(text);
    else this.#plain.print(text);
  }

  /** Leaves the finished line on the screen, or takes it away. */
  #commit(prompt: KeyPrompt, outcome: PromptOutcome): void {
    this.#queue.invalidate();
    if (prompt.options.after === "erase" || outcome.kind === "aborted") return;
    const view = prompt.view();
    let text = view.isSecret ? "" : prompt.editor.text;
    if (text.length > MAX_COMMITTED_LENGTH) {
      text = `${text.slice(0, MAX_COMMITTED_LENGTH).toWellFormed()}… (${text.length} characters)`;
    }
    const end = outcome.kind === "interrupted" ? "^C" : "";
    this.#printNow(view.prompt + safeText(text, { multiline: true }) + end);
  }

  #render(newLines: readonly string[]): string {
    this.#linesMeanwhile.push(...newLines);
    if (this.#answerTimer !== undefined && !this.#isClosed) {
      if (!this.#mustAsk) return "";
      this.#mustAsk = false;
      this.#questions += 1;
      return ASK_POSITION;
    }
    const lines = this.#linesMeanwhile;
    this.#linesMeanwhile = [];
    const isHidden = this.#suspensions > 0;
    const frame = isHidden || this.#isClosed ? EMPTY_FRAME : this.#frame();
    const wantsPaste = this.#mode !== "lines" && !isHidden && !this.#isClosed;
    let out = "";
    if (wantsPaste !== this.#isPasteOn) {
      this.#isPasteOn = wantsPaste;
      out += wantsPaste ? PASTE_ON : PASTE_OFF;
    }
    if (this.#mustClear) {
      this.#mustClear = false;
      out += this.#painter.clear(EMPTY_FRAME);
    }
    return out + this.#painter.paint(frame, lines);
  }

  #frame(): Frame {
    const prompt = this.#prompts.findLast((open) => !open.isDone);
    if (prompt !== this.#builtFor) this.#builder.reset();
    this.#builtFor = prompt;
    const frame = this.#builder.build(this.#live.map((line) => line.text), prompt?.view(), this.size);
    return this.#useColor ? frame : { ...frame, rows: frame.rows.map(withoutStyle) };
  }
}

/** Lays names out in columns, as a shell lists files. */
function inColumns(names: readonly string[], width: number): string {
  const clean = names.map((name) => safeText(name.trimEnd()));
  const cell = Math.max(...clean.map(columnsOf)) + 2;
  const perRow = Math.max(1, Math.floor(width / cell));
  const rows: string[] = [];
  for (let index = 0; index < clean.length; index += perRow) {
    rows.push(
      clean.slice(index, index + perRow).map((name) => name + " ".repeat(cell - columnsOf(name))).join("")
        .trimEnd(),
    );
  }
  return rows.join("\n");
}
