/**
 * Whether somebody is at the keys: idle after five minutes without one.
 * @module
 */
import type { TerminalIo } from "../terminal/io.ts";

/** Silence after which somebody counts as away, in milliseconds. */
export const IDLE_AFTER_MS = 5 * 60_000;

export class IdleWatch implements Disposable {
  /** Told when they go, and when they are back. */
  onChange: (isIdle: boolean) => void = () => {};
  readonly #afterMs: number;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #isIdle = false;

  constructor(afterMs: number = IDLE_AFTER_MS) {
    this.#afterMs = afterMs;
    this.#restart();
  }

  touched(): void {
    this.#restart();
    if (this.#isIdle) this.#become(false);
  }

  /** The same keyboard, screen and signals, with this watching what is read. */
  watching(io: TerminalIo): TerminalIo {
    const { input } = io;
    return {
      ...io,
      input: {
        read: async (buffer) => {
          const count = await input.read(buffer);
          if (count !== null) this.touched();
          return count;
        },
        isTerminal: () => input.isTerminal(),
        setMode: (mode) => input.setMode(mode),
      },
    };
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#timer);
  }

  #restart(): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#become(true), this.#afterMs);
  }

  #become(isIdle: boolean): void {
    this.#isIdle = isIdle;
    this.onChange(isIdle);
  }
}
