// Tracks who receives key presses and Ctrl+C, and sets the mode of the terminal to match. Wherever it ends, the keyboard
// is as it was found.
import { within } from "../../waiting.ts";
import type { InputMode, TerminalIo } from "../io.ts";
import type { KeyPrompt } from "./key_prompt.ts";

/** Milliseconds in which a process that was stopped and goes on hears of it. */
const STOP_WAIT_MS = 30;

export interface AttentionState {
  prompt(): KeyPrompt | undefined;
  isSuspended(): boolean;
}

export class Attention {
  readonly #io: TerminalIo;
  readonly #isInteractive: boolean;
  readonly #state: AttentionState;
  readonly #onUnheard: () => void;
  #mode: InputMode = "lines";
  #handlers: (() => void)[] = [];
  #hasAsked = false; // whether there ever was a prompt
  #isClosed = false;
  #stopListening: (() => void) | undefined; // set while SIGINT is listened to
  #wakeUp: (() => void) | undefined; // set while Ctrl+Z has stopped the process

  constructor(io: TerminalIo, isInteractive: boolean, state: AttentionState, onUnheard: () => void) {
    this.#io = io;
    this.#isInteractive = isInteractive;
    this.#state = state;
    this.#onUnheard = onUnheard;
  }

  /** How the keyboard is read now; always `lines` where it is not read by keys. */
  get mode(): InputMode {
    return this.#mode;
  }

  onInterrupt(handler: () => void): Disposable {
    this.#handlers.push(handler);
    this.update();
    return {
      [Symbol.dispose]: () => {
        this.#handlers = this.#handlers.filter((other) => other !== handler);
        this.update();
      },
    };
  }

  /** Looks again at who listens; to be called whenever that has changed. */
  update(): void {
    if (this.#isClosed) return;
    const prompt = this.#state.prompt();
    this.#hasAsked ||= prompt !== undefined;
    // Between two prompts the keyboard stays silent: what is typed ahead may be a password.
    const isSilent = this.#isInteractive && this.#hasAsked;
    const isWatched = prompt !== undefined || this.#handlers.length > 0 || isSilent;
    if (isWatched) this.#stopListening ??= this.#io.signals.listen("SIGINT", () => this.#interrupt());
    else this.#stop();
    if (!this.#isInteractive) return;
    const mode = this.#state.isSuspended() || !isWatched
      ? "lines"
      : prompt !== undefined
      ? "keys"
      : "signals";
    if (mode !== this.#mode) this.#set(mode);
  }

  /** Sets the mode once more, after the shell has had the terminal. */
  renew(): void {
    if (!this.#isClosed && this.#isInteractive) this.#set(this.#mode);
  }

  /** Stops the process as Ctrl+Z does, and returns once it goes on, or at once where it cannot be stopped. */
  async stopProcess(): Promise<void> {
    const continued = Promise.withResolvers<void>();
    this.#wakeUp = continued.resolve;
    this.#io.signals.stop();
    // A process that was stopped hears of it in a moment; one that could not be goes on without. Twice, since the
    // first wait may be over at once when the stop was long.
    for (let round = 0; round < 2; round++) await within(STOP_WAIT_MS, continued.promise);
    this.#wakeUp = undefined;
  }

  continued(): void {
    this.#wakeUp?.();
  }

  close(): void {
    this.#isClosed = true;
    this.#stop();
    if (this.#mode !== "lines") this.#set("lines");
  }

  #set(mode: InputMode): void {
    this.#mode = mode;
    try {
      this.#io.input.setMode(mode);
    } catch {
      // The terminal is gone: reading from it will say so.
    }
  }

  #stop(): void {
    this.#stopListening?.();
    this.#stopListening = undefined;
  }

  #interrupt(): void {
    if (this.#state.isSuspended()) return; // it was meant for the program that has the keyboard
    const prompt = this.#state.prompt();
    const handler = this.#handlers.at(-1);
    if (prompt !== undefined) prompt.interrupt();
    else if (handler !== undefined) handler();
    else this.#onUnheard();
  }
}
