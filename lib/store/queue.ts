// The store as the server holds it: calls wait in a queue and leave in batches.
// While a batch is being committed the next one gathers, so the busier the server, the more messages share an fsync,
// and a lone call waits for nobody. An `Engine` runs the batches, in a thread of its own or in the caller's.
import { ChatError } from "../errors.ts";
import type { OperatorReads, OperatorWrites, ServerStore } from "../chat/operator_store.ts";
import type { ChatReads, ChatWrites } from "../chat/store.ts";
import type { CommitTimes } from "./commit_times.ts";

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

/** Calls that travel together, in the order in which they were made: one queue, whose batches leave one after the other. */
export interface Lane {
  readonly verbs: readonly Verb[];
  readonly onTheWay: number; // batches at once
  /** Runs a batch; one outcome for each call, in order. Rejects only if the store is lost. */
  run(calls: readonly Call[], now: number): Promise<readonly Outcome[]>;
}

/** A kind of database, as the queues see it: all that another one has to be. */
export interface Engine {
  readonly lanes: readonly Lane[]; // every verb of the contract is in one; each becomes a method of the store
  readonly failed: Promise<never>; // rejects when the store is lost
  readonly commits: CommitTimes;
  survey?: OperatorReads["survey"]; // apart from the lanes, where it would hold them up
  close(): Promise<void>; // called once, when nothing is on the way
}

interface WaitingCall extends Call {
  resolve(result: unknown): void;
  reject(error: unknown): void;
  readonly answered: Promise<unknown>;
}

/** Hears why nothing can be stored, once; and null, once something was. */
export type OnTrouble = (trouble: ChatError | null) => void;

/** A {@linkcode ServerStore} whose calls leave in batches. */
export function queuedStore(
  engine: Engine,
  now: () => number = Date.now,
  onTrouble: OnTrouble = () => {},
): ServerStore {
  const trouble = new Trouble(engine.commits, onTrouble);
  const queues = engine.lanes.map((lane) => new CallQueue(lane, now, trouble));
  engine.failed.catch((cause) => queues.forEach((queue) => queue.lose(cause)));
  const methods = queues.flatMap((queue) =>
    queue.verbs.map((verb) => [verb, (...args: unknown[]) => queue.call(verb, args)])
  );
  const settled = async () => {
    await Promise.all(queues.map((queue) => queue.settled()));
  };
  const checkOpen = () => queues.forEach((queue) => queue.checkOpen());
  const survey = async () => {
    checkOpen();
    return await engine.survey!();
  };
  let closing: Promise<void> | undefined;
  return {
    ...Object.fromEntries(methods) as Reads & Writes,
    ...(engine.survey ? { survey } : {}),
    figures: () => ({
      waiting: queues.reduce((sum, queue) => sum + queue.waiting, 0),
      commits: engine.commits.count,
      commitMs: engine.commits.totalMs,
      lastCommitMs: engine.commits.lastMs,
      trouble: trouble.present,
    }),
    failed: engine.failed,
    settled,
    [Symbol.asyncDispose]: () =>
      closing ??= Promise.all(queues.map((queue) => queue.close())).then(() => engine.close()),
  };
}

/** Whether writing fails. What only reads succeeds meanwhile, so only a commit ends it. */
class Trouble {
  present: ChatError | null = null;
  readonly #commits: CommitTimes;
  readonly #onChange: OnTrouble;
  #commitsBefore = 0;

  constructor(commits: CommitTimes, onChange: OnTrouble) {
    this.#commits = commits;
    this.#onChange = onChange;
  }

  /** @param refusal Of a batch, if one of its calls was refused as `unavailable`. */
  noteBatch(refusal: ChatError | null): void {
    const { present } = this;
    if (refusal !== null) this.#commitsBefore = this.#commits.count;
    else if (present === null || this.#commits.count === this.#commitsBefore) return;
    this.present = refusal;
    if (refusal?.message !== present?.message) this.#onChange(refusal);
  }
}

class CallQueue {
  readonly verbs: readonly Verb[];
  readonly #lane: Lane;
  readonly #now: () => number;
  readonly #trouble: Trouble;
  #waiting: WaitingCall[] = [];
  readonly #onTheWay = new Set<Promise<void>>();
  #leftCalls = 0; // in the batches on the way
  #isClosed = false;
  #lost: ChatError | null = null;

  constructor(lane: Lane, now: () => number, trouble: Trouble) {
    this.verbs = lane.verbs;
    this.#lane = lane;
    this.#now = now;
    this.#trouble = trouble;
  }

  /** Calls that have not been answered. */
  get waiting(): number {
    return this.#waiting.length + this.#leftCalls;
  }

  /** Throws when no call is taken any more. */
  checkOpen(): void {
    if (this.#lost !== null || this.#isClosed) throw this.#lost ?? closed();
  }

  /** Takes no more calls; resolves when those that wait are answered. */
  async close(): Promise<void> {
    this.#isClosed = true;
    await this.settled();
  }

  /** Resolves when all calls that were made before have been answered. */
  async settled(): Promise<void> {
    await Promise.allSettled([...this.#onTheWay, ...this.#waiting.map(({ answered }) => answered)]);
  }

  call(verb: Verb, args: readonly unknown[]): Promise<unknown> {
    if (this.#lost !== null || this.#isClosed) return Promise.reject(this.#lost ?? closed());
    const { promise, resolve, reject } = Promise.withResolvers<unknown>();
    const length = this.#waiting.push({ verb, args, resolve, reject, answered: promise });
    if (length === 1) queueMicrotask(() => this.#flush());
    return promise;
  }

  #flush(): void {
    while (this.#waiting.length > 0 && this.#onTheWay.size < this.#lane.onTheWay && this.#lost === null) {
      const batch = this.#waiting.splice(0, batchLength(this.#waiting));
      this.#leftCalls += batch.length;
      const running = this.#run(batch).finally(() => {
        this.#leftCalls -= batch.length;
        this.#onTheWay.delete(running);
        this.#flush();
      });
      this.#onTheWay.add(running);
    }
  }

  async #run(batch: readonly WaitingCall[]): Promise<void> {
    try {
      const calls = batch.map(({ verb, args }) => ({ verb, args }));
      const outcomes = await this.#lane.run(calls, this.#now());
      let refusal: ChatError | null = null;
      for (const [index, call] of batch.entries()) {
        const outcome = outcomes[index]!;
        if ("error" in outcome) {
          call.reject(outcome.error);
          refusal ??= asUnavailable(outcome.error);
        } else call.resolve(outcome.result);
      }
      this.#trouble.noteBatch(refusal);
    } catch (cause) {
      this.lose(cause);
      for (const call of batch) call.reject(this.#lost);
    }
  }

  lose(cause: unknown): void {
    this.#lost ??= new ChatError("unavailable", "Cannot reach the store any more: it has stopped", { cause });
    for (const call of this.#waiting.splice(0)) call.reject(this.#lost);
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

function asUnavailable(error: unknown): ChatError | null {
  return error instanceof ChatError && error.code === "unavailable" ? error : null;
}

function closed(): ChatError {
  return new ChatError("unavailable", "Cannot use the store any more: it is closed");
}
