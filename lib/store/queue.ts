// The store as the server holds it: calls wait in a queue and leave in batches.
// While a batch is being committed the next one gathers, so the busier the server, the more messages share an fsync,
// and a lone call waits for nobody. An `Engine` runs the batches, in a thread of its own or in the caller's.
import { ChatError } from "../errors.ts";
import type { OperatorReads, OperatorWrites, ServerStore } from "../chat/operator_store.ts";
import type { ChatReads, ChatWrites } from "../chat/store.ts";

/** All verbs that travel in batches, in the contract's own words. */
export type Reads = ChatReads & OperatorReads;
export type Writes = ChatWrites & OperatorWrites;
export type Verb = keyof Reads | keyof Writes;

export interface Call {
  readonly verb: Verb;
  readonly args: readonly unknown[];
}

export type Outcome = { readonly result: unknown } | { readonly error: unknown };

/** Most calls in a batch, so that the first of it need not wait long for the last: some 10 ms of work. */
const MAX_BATCH = 1_000;

// Without it, a thousand clients that come back to full mailboxes at once would make one reply of more than a string can hold.
/** Most bytes of text that the calls of a batch may bring back together. */
const MAX_BATCH_TEXT_BYTES = 8 * 1024 * 1024;

/** Batches on their way at once: one being committed, and one that lies ready when it is done. */
const MAX_ON_THE_WAY = 2;

/** A kind of database, as the queue sees it: all that another one has to be. */
export interface Engine {
  readonly verbs: readonly Verb[]; // every verb of the contract; each becomes a method of the store
  readonly failed: Promise<never>; // rejects when the store is lost
  /** Runs a batch; one outcome for each call, in order. Rejects only if the store is lost. */
  run(calls: readonly Call[], now: number): Promise<readonly Outcome[]>;
  backup(path: string): Promise<void>;
  close(): Promise<void>; // called once, when nothing is on the way
}

interface WaitingCall extends Call {
  resolve(result: unknown): void;
  reject(error: unknown): void;
}

/** A {@linkcode ServerStore} whose calls leave in batches. */
export function queuedStore(engine: Engine, now: () => number = Date.now): ServerStore {
  const queue = new CallQueue(engine, now);
  const methods = engine.verbs.map((verb) => [verb, (...args: unknown[]) => queue.call(verb, args)]);
  return {
    ...Object.fromEntries(methods) as Reads & Writes,
    failed: engine.failed,
    backup: (path) => queue.backup(path),
    [Symbol.asyncDispose]: () => queue.close(),
  };
}

class CallQueue {
  readonly #engine: Engine;
  readonly #now: () => number;
  #waiting: WaitingCall[] = [];
  #onTheWay = 0;
  #idle: PromiseWithResolvers<void> | null = null;
  #closing: Promise<void> | null = null;
  #lost: ChatError | null = null;

  constructor(engine: Engine, now: () => number) {
    this.#engine = engine;
    this.#now = now;
    engine.failed.catch((cause) => this.#lose(cause));
  }

  async backup(path: string): Promise<void> {
    if (this.#lost !== null || this.#closing !== null) throw this.#lost ?? closed();
    await this.#engine.backup(path);
  }

  /** Finishes what waits, and closes the database. Calls made after it are rejected. */
  close(): Promise<void> {
    return this.#closing ??= this.#close();
  }

  async #close(): Promise<void> {
    if (this.#waiting.length > 0 || this.#onTheWay > 0) {
      this.#idle = Promise.withResolvers();
      await this.#idle.promise;
    }
    await this.#engine.close();
  }

  call(verb: Verb, args: readonly unknown[]): Promise<unknown> {
    if (this.#lost !== null || this.#closing !== null) return Promise.reject(this.#lost ?? closed());
    const { promise, resolve, reject } = Promise.withResolvers<unknown>();
    const length = this.#waiting.push({ verb, args, resolve, reject });
    if (length === 1) queueMicrotask(() => this.#flush());
    return promise;
  }

  #flush(): void {
    while (this.#waiting.length > 0 && this.#onTheWay < MAX_ON_THE_WAY && this.#lost === null) {
      const batch = this.#waiting.splice(0, batchLength(this.#waiting));
      this.#onTheWay++;
      this.#run(batch).finally(() => {
        this.#onTheWay--;
        this.#flush();
        if (this.#onTheWay === 0) this.#idle?.resolve();
      });
    }
  }

  async #run(batch: readonly WaitingCall[]): Promise<void> {
    try {
      const calls = batch.map(({ verb, args }) => ({ verb, args }));
      const outcomes = await this.#engine.run(calls, this.#now());
      for (const [index, call] of batch.entries()) {
        const outcome = outcomes[index]!;
        if ("error" in outcome) call.reject(outcome.error);
        else call.resolve(outcome.result);
      }
    } catch (cause) {
      this.#lose(cause);
      for (const call of batch) call.reject(this.#lost);
    }
  }

  #lose(cause: unknown): void {
    this.#lost ??= new ChatError("unavailable", "Cannot reach the store any more: it has stopped", { cause });
    for (const call of this.#waiting.splice(0)) call.reject(this.#lost);
    if (this.#onTheWay === 0) this.#idle?.resolve();
  }
}

/** How many of the calls that wait may leave together; at least one. */
function batchLength(waiting: readonly Call[]): number {
  let textBytes = 0;
  for (const [index, call] of waiting.entries()) {
    textBytes += textBytesOf(call);
    if (index === MAX_BATCH || (textBytes > MAX_BATCH_TEXT_BYTES && index > 0)) return index;
  }
  return waiting.length;
}

/** Most bytes of text that a call may bring back. */
function textBytesOf({ verb, args }: Call): number {
  if (verb !== "listMailbox" && verb !== "listHistory") return 0;
  return (args[0] as { readonly maxBytes: number }).maxBytes;
}

function closed(): ChatError {
  return new ChatError("unavailable", "Cannot use the store any more: it is closed");
}
