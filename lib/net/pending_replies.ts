// Keeps the requests that wait for their reply, with their time limits.
import { ChatError } from "../errors.ts";
import type { RpcId } from "../protocol/rpc.ts";

interface Waiter {
  readonly timeoutMs: number;
  readonly deadline: number; // on the clock of performance.now()
  readonly resolve: (result: unknown) => void;
  readonly reject: (error: unknown) => void;
  readonly forget: (() => void) | undefined; // takes the listener off the signal
}

/** Matches replies to requests by id. One timer serves all of them: most replies come long before any limit. */
export class PendingReplies {
  readonly #defaultTimeoutMs: number;
  readonly #waiters = new Map<RpcId, Waiter>();
  #timer: ReturnType<typeof setTimeout> | undefined;
  #timerAt = Infinity; // when the timer fires

  constructor(defaultTimeoutMs: number) {
    this.#defaultTimeoutMs = defaultTimeoutMs;
  }

  /** Waits for one reply: its result; rejects with what it says, `ChatError` `timeout`, or the signal's reason. */
  wait(id: RpcId, options: { timeoutMs?: number; signal?: AbortSignal } = {}): Promise<unknown> {
    return new Promise((resolve, reject) => {
      const { signal, timeoutMs = this.#defaultTimeoutMs } = options;
      const deadline = performance.now() + timeoutMs;
      let forget: (() => void) | undefined;
      if (signal) {
        const onAbort = () => this.reject(id, signal.reason);
        signal.addEventListener("abort", onAbort, { once: true });
        forget = () => signal.removeEventListener("abort", onAbort);
      }
      this.#waiters.set(id, { timeoutMs, deadline, resolve, reject, forget });
      if (deadline < this.#timerAt) this.#arm(deadline);
    });
  }

  /** Hands a result to the one who waits for it; a late or unasked reply is ignored. */
  resolve(id: RpcId, result: unknown): void {
    this.#take(id)?.resolve(result);
  }

  reject(id: RpcId | null, error: unknown): void {
    if (id !== null) this.#take(id)?.reject(error);
  }

  rejectAll(error: unknown): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#timerAt = Infinity;
    for (const id of [...this.#waiters.keys()]) this.reject(id, error);
  }

  #take(id: RpcId): Waiter | undefined {
    const waiter = this.#waiters.get(id);
    if (!waiter) return undefined;
    this.#waiters.delete(id);
    waiter.forget?.();
    return waiter;
  }

  #arm(deadline: number): void {
    clearTimeout(this.#timer);
    this.#timerAt = deadline;
    this.#timer = setTimeout(() => this.#expire(), Math.max(1, deadline - performance.now()));
  }

  #expire(): void {
    const now = performance.now();
    let next = Infinity;
    for (const [id, { deadline, timeoutMs }] of this.#waiters) {
      if (deadline <= now) this.reject(id, lateError(timeoutMs));
      else next = Math.min(next, deadline);
    }
    this.#timerAt = Infinity;
    this.#timer = undefined;
    if (next < Infinity) this.#arm(next);
  }
}

function lateError(timeoutMs: number): ChatError {
  return new ChatError(
    "timeout",
    `Cannot wait longer: no answer came within ${
      timeoutMs / 1000
    } s, as the network is slow or the other side is busy`,
  );
}
