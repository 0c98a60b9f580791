/**
 * Waiting that ends in time, or when it is called off. Nothing here leaves a timer or a listener behind.
 * @module
 */
import { setTimeout as wait } from "node:timers/promises";

/** Waits; rejects with the signal's reason once that is aborted. */
export async function sleep(ms: number, signal?: AbortSignal): Promise<void> {
  try {
    await wait(ms, undefined, signal ? { signal } : {});
  } catch (error) {
    throw signal?.aborted ? signal.reason : error;
  }
}

/** The outcome of work, or undefined after `ms` (`Infinity`: never); the work itself goes on. */
export async function within<T>(ms: number, work: Promise<T>): Promise<T | undefined> {
  const { promise: timeUp, resolve } = Promise.withResolvers<undefined>();
  const timer = ms === Infinity ? undefined : setTimeout(() => resolve(undefined), ms);
  try {
    return await Promise.race([work, timeUp]);
  } finally {
    clearTimeout(timer);
  }
}

/** The outcome of work, unless a signal is aborted first: then its reason is thrown, and the work itself goes on. */
export function unlessAborted<T>(signal: AbortSignal, work: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const onAbort = () => reject(signal.reason);
    if (signal.aborted) onAbort();
    signal.addEventListener("abort", onAbort);
    work.then(resolve, reject).finally(() => signal.removeEventListener("abort", onAbort));
  });
}

/**
 * A signal for work that must end: it is aborted when the time is up (`TimeoutError`), with an outer signal (its reason),
 * or by {@linkcode Limit.abort}. To dispose of it aborts it as well, so that nothing goes on behind it.
 */
export class Limit implements Disposable {
  readonly #controller = new AbortController();
  readonly #timer: ReturnType<typeof setTimeout> | undefined;
  readonly #outer: AbortSignal | undefined;

  /** @param ms Milliseconds, at most 2³¹ - 1; `Infinity` sets no time. */
  constructor(ms: number, outer?: AbortSignal) {
    this.#outer = outer;
    const timeUp = () => this.abort(new DOMException(`Not done within ${ms} ms`, "TimeoutError"));
    this.#timer = ms === Infinity ? undefined : setTimeout(timeUp, ms);
    outer?.addEventListener("abort", this.#follow);
    if (outer?.aborted) this.#follow();
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** A second time does nothing. */
  abort(reason?: unknown): void {
    clearTimeout(this.#timer);
    this.#outer?.removeEventListener("abort", this.#follow);
    this.#controller.abort(reason);
  }

  [Symbol.dispose](): void {
    this.abort();
  }

  readonly #follow = (): void => this.abort(this.#outer?.reason);
}
