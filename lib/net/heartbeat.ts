// Asks a quiet connection whether it lives, and says when it counts as dead (15 s and 45 s).
export interface HeartbeatOptions {
  readonly quietMs: number; // silence after which the other end is asked
  readonly deadMs: number; // silence after which it counts as gone; more than `quietMs`
  readonly heardAt: () => number; // when bytes last arrived, on the clock of `performance.now()`
  readonly isDeaf?: () => boolean; // whether nobody reads at the moment, so that silence proves nothing
  readonly onQuiet: () => void; // asks the other end for a sign of life; called again every `quietMs` of silence
  readonly onDead: (silenceMs: number) => void;
}

/** Watches one connection with one timer, which costs a busy connection nothing. */
export class Heartbeat implements Disposable {
  readonly #options: HeartbeatOptions;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #dueAt = 0; // when the timer should fire
  #excusedAt = -Infinity; // silence before this moment was our own

  constructor(options: HeartbeatOptions) {
    this.#options = options;
    this.#wake(options.quietMs);
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#timer);
  }

  #wake(inMs: number): void {
    this.#dueAt = performance.now() + inMs;
    this.#timer = setTimeout(() => this.#check(), inMs);
  }

  #check(): void {
    const { quietMs, deadMs, heardAt, isDeaf, onQuiet, onDead } = this.#options;
    const now = performance.now();
    // A timer this late means that our own process was stopped (SIGSTOP, a suspended machine). What the other end
    // sent meanwhile still waits in the socket, so it gets a new chance to be heard.
    if (now - this.#dueAt > quietMs || isDeaf?.()) this.#excusedAt = now;
    const silenceMs = now - Math.max(heardAt(), this.#excusedAt);
    if (silenceMs >= deadMs) return onDead(silenceMs);
    if (silenceMs < quietMs && this.#excusedAt !== now) return this.#wake(quietMs - silenceMs);
    this.#wake(Math.max(1, Math.min(quietMs, deadMs - silenceMs)));
    onQuiet();
  }
}
