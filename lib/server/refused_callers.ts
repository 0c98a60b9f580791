// The log of callers that got no connection: a few lines in full, the rest as a count, however many a flood brings.
import type { Log } from "../chat/services.ts";
import type { RefusedCaller } from "../net/slots.ts";

const LINES_PER_STRETCH = 5; // for each reason; further callers are counted
const STRETCH_MS = 60_000; // begins with the first caller after a rest

export class RefusedCallers implements Disposable {
  readonly #log: Log;
  readonly #stretchMs: number;
  readonly #counts = new Map<RefusedCaller["reason"], number>(); // of this stretch
  #isDisposed = false;
  #timer: ReturnType<typeof setTimeout> | undefined; // set while a stretch lasts

  /** @param stretchMs For tests. */
  constructor(log: Log, stretchMs: number = STRETCH_MS) {
    this.#log = log;
    this.#stretchMs = stretchMs;
  }

  /** Takes one caller. Bound, so that it can be handed on. */
  readonly note = (refused: RefusedCaller): void => {
    if (this.#isDisposed) return;
    this.#timer ??= setTimeout(() => this.#endStretch(), this.#stretchMs);
    const count = (this.#counts.get(refused.reason) ?? 0) + 1;
    this.#counts.set(refused.reason, count);
    if (count <= LINES_PER_STRETCH) this.#log.info("caller refused", { ...refused });
  };

  /** Writes what is not written yet, and takes nobody more. */
  [Symbol.dispose](): void {
    this.#isDisposed = true;
    clearTimeout(this.#timer);
    this.#endStretch();
  }

  #endStretch(): void {
    this.#timer = undefined;
    for (const [reason, count] of this.#counts) {
      const more = count - LINES_PER_STRETCH;
      if (more > 0) this.#log.info("more callers refused", { reason, more });
    }
    this.#counts.clear();
  }
}
