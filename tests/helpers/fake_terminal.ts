/**
 * A keyboard, a screen and signals in memory, with the real `Terminal` on them.
 * @module
 */
import { Terminal, type TerminalOptions } from "../../lib/terminal/terminal.ts";
import type { InputMode, TerminalIo, TerminalSignal } from "../../lib/terminal/io.ts";
import { ScreenEmulator } from "./screen_emulator.ts";

/** What {@linkcode openFakeTerminal} takes. */
export interface FakeTerminalOptions extends TerminalOptions {
  /** Whether the keyboard is a real one; true by default. */
  readonly isKeyboard?: boolean;
  /** Whether the screen is a real one; true by default. */
  readonly isScreen?: boolean;
  readonly columns?: number;
  readonly rows?: number;
  /** Whether a row that has become too wide wraps; true by default. */
  readonly wraps?: boolean;
  /** Whether the terminal says where its cursor is when asked; true by default. */
  readonly answers?: boolean;
  /** Waits before each write is taken: a slow reader. */
  readonly beforeWrite?: () => Promise<void>;
}

/** The ends of a terminal that a person would hold. */
export class FakeTerminal {
  readonly screen: ScreenEmulator;
  readonly terminal: Terminal;
  /** The modes that the keyboard was set to, in order. */
  readonly modes: InputMode[] = [];
  /** How often Ctrl+Z stopped the program. */
  stops = 0;
  /** How often Ctrl+C ended the program. */
  ends = 0;
  /** Everything that was written, escape sequences and all. */
  written = "";
  /** Whether the reader of the output has gone. */
  isBroken = false;
  readonly #wraps: boolean;
  readonly #answers: boolean;
  readonly #typed: (Uint8Array | null)[] = [];
  readonly #listeners = new Map<TerminalSignal, Set<() => void>>();
  #reader: PromiseWithResolvers<void> | undefined;

  constructor(options: FakeTerminalOptions = {}) {
    this.screen = new ScreenEmulator(options.columns, options.rows, { wraps: options.wraps ?? true });
    this.#wraps = options.wraps ?? true;
    this.#answers = options.answers ?? true;
    if (this.#answers) this.screen.onAnswer = (text) => this.type(text);
    const decoder = new TextDecoder();
    const io: TerminalIo = {
      input: {
        isTerminal: () => options.isKeyboard ?? true,
        setMode: (mode) => void this.modes.push(mode),
        read: async (buffer) => {
          while (this.#typed.length === 0) {
            this.#reader = Promise.withResolvers<void>();
            await this.#reader.promise;
          }
          const bytes = this.#typed.shift()!;
          if (bytes === null) {
            this.#typed.unshift(null);
            return null;
          }
          buffer.set(bytes.subarray(0, buffer.length));
          if (bytes.length > buffer.length) this.#typed.unshift(bytes.subarray(buffer.length));
          return Math.min(bytes.length, buffer.length);
        },
      },
      output: {
        isTerminal: () => options.isScreen ?? true,
        isNowhere: () => false,
        size: () => this.screen.size,
        writeNow: (bytes) => void this.#show(new TextDecoder().decode(bytes)),
        write: async (bytes) => {
          await options.beforeWrite?.();
          if (this.isBroken) throw new Deno.errors.BrokenPipe("Broken pipe");
          await this.#show(decoder.decode(bytes, { stream: true }));
          return bytes.length;
        },
      },
      signals: {
        listen: (signal, listener) => {
          const listeners = this.#listeners.get(signal) ?? new Set();
          this.#listeners.set(signal, listeners.add(listener));
          return () => void listeners.delete(listener);
        },
        stop: () => {
          this.stops += 1;
          queueMicrotask(() => this.signal("SIGCONT"));
        },
        end: () => void (this.ends += 1),
      },
    };
    this.terminal = new Terminal({ term: "xterm", ...options, io });
  }

  /** Types keys, or pipes bytes; `null` ends the input. Does not wait. */
  type(...pieces: (string | Uint8Array | null)[]): void {
    for (const piece of pieces) {
      this.#typed.push(typeof piece === "string" ? new TextEncoder().encode(piece) : piece);
    }
    this.#reader?.resolve();
  }

  /** Sends a signal; tells whether anybody listens. */
  signal(name: TerminalSignal): boolean {
    const listeners = [...this.#listeners.get(name) ?? []];
    for (const listener of listeners) listener();
    return listeners.length > 0;
  }

  /** How many listen to a signal. */
  listeners(name: TerminalSignal): number {
    return this.#listeners.get(name)?.size ?? 0;
  }

  /** Types, and waits until all of it has had its effect on the screen. */
  async keys(...pieces: (string | Uint8Array | null)[]): Promise<void> {
    this.type(...pieces);
    await this.settle();
  }

  /** Waits until what was typed is taken as far as anybody wants it, and what was printed is on the screen. */
  async settle(): Promise<void> {
    let left = -1;
    while (left !== this.#typed.length) {
      left = this.#typed.length;
      await new Promise((resolve) => setTimeout(resolve, 0));
      await this.#flush();
      await new Promise((resolve) => setTimeout(resolve, 0));
      await this.#flush();
    }
  }

  async #show(text: string): Promise<void> {
    this.written += text;
    await this.screen.write(text);
  }

  /** Waits for the screen; one that is broken shows nothing more. */
  async #flush(): Promise<void> {
    await this.terminal.flush().catch((error) => {
      if (!this.isBroken) throw error;
    });
  }

  /** Makes the window another size. */
  async resize(columns: number, rows: number): Promise<void> {
    if (this.#wraps && this.#answers) {
      // The emulator wraps the row, but leaves its cursor at the edge; tmux and others keep it on its letter.
      const column = this.screen.cursor().column % columns;
      this.screen.onAnswer = () => this.type(`\x1b[1;${column + 1}R`);
    }
    this.screen.resize(columns, rows);
    this.signal("SIGWINCH");
    await this.settle();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.terminal[Symbol.asyncDispose]();
    this.screen[Symbol.dispose]();
  }
}
