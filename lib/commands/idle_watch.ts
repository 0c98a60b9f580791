// Tells when the person goes idle, five minutes after the last key, and when they are back.
/** Silence after which somebody counts as away, in milliseconds. */
const IDLE_AFTER_MS = 5 * 60_000;

export class IdleWatch implements Disposable {
  readonly #onChange: (isIdle: boolean) => void;
  readonly #afterMs: number;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #isIdle = false;

  /** Begins with somebody at the keys; `onChange` is told when they go, and when they are back. */
  constructor(onChange: (isIdle: boolean) => void, afterMs: number = IDLE_AFTER_MS) {
    this.#onChange = onChange;
    this.#afterMs = afterMs;
    this.#restart();
  }

  touched(): void {
    this.#restart();
    if (this.#isIdle) this.#become(false);
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
    this.#onChange(isIdle);
  }
}
