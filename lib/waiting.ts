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

/** Resolves once all that is ready has had its turn: sooner than any timer does. */
export function nextTurn(): Promise<void> {
  return new Promise((resolve) => void setImmediate(resolve));
}

/** How long work that never ends may keep what comes from the network waiting, in milliseconds. */
const LOOK_EVERY_MS = 20;
/** Who gives way fewer times in that time leaves the system time to be asked: a lone sender who waits for each reply does. */
const BUSY_TURNS = 4;

let lookedAt = -Infinity; // on the clock of performance.now()
let turns = 0; // given since then
let looking: Promise<void> | undefined;

/**
 * Resolves once all others have had their turn: for work that goes on and on. While something is always ready, Deno 2.8 asks the
 * system in one of 61 rounds what has come; so now and then all who call this often wait together until nothing is ready, 1 ms at least.
 */
export function giveWay(): Promise<void> {
  const now = performance.now();
  if (looking === undefined && now - lookedAt >= LOOK_EVERY_MS && turns < BUSY_TURNS) {
    lookedAt = now;
    turns = 0;
  }
  turns += 1;
  if (now - lookedAt < LOOK_EVERY_MS) return nextTurn();
  // The round is over before the timer begins, or it would be due at once, with others still ready.
  return looking ??= nextTurn().then(() => sleep(0)).then(() => {
    lookedAt = performance.now();
    turns = 0;
    looking = undefined;
  });
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
