// Whether the person looks at this terminal: as the terminal says itself (DECSET 1004), or else by the last key.

/** Milliseconds after a key in which somebody is taken to look at the screen, where the terminal does not say so. */
const LOOKS_ON_MS = 30_000;

export class Focus {
  readonly #now: () => number;
  #reported: boolean | undefined; // unset until the terminal has said something
  #typedAt = -Infinity;

  constructor(now: () => number) {
    this.#now = now;
  }

  /** A key was pressed: nobody does that in a window without the focus. */
  typed(): void {
    this.#typedAt = this.#now();
    if (this.#reported !== undefined) this.#reported = true;
  }

  reported(isIn: boolean): void {
    this.#reported = isIn;
  }

  /** The terminal is asked to report again: what it said last may be out of date, unless a key has come since. */
  resumed(): void {
    if (!this.#hasJustTyped) this.#reported = undefined;
  }

  /** @param isHeard Whether the keyboard is read now: reports come the same way. */
  has(isHeard: boolean): boolean {
    if (isHeard && this.#reported !== undefined) return this.#reported;
    return this.#hasJustTyped;
  }

  get #hasJustTyped(): boolean {
    return this.#now() - this.#typedAt < LOOKS_ON_MS;
  }
}
