// The caller's end of the store's thread: starts it, sends it batches, and hears of its death.
import type { StoreSurvey } from "../../chat/operator_store.ts";
import { CommitTimes } from "../commit_times.ts";
import type { StoreLimits } from "../limits.ts";
import type { Call, Engine, Lane, Outcome, Verb } from "../queue.ts";
import {
  messagesIn,
  type PlainOutcome,
  put,
  REPLY_BELL,
  REQUEST_BELL,
  ring,
  type StoreRequest,
  type ThreadTask,
  unpackError,
  unpackOutcome,
} from "./thread_messages.ts";

/** How long a ring of the bell may go unheard before the port is looked into anyway. None has ever been missed. */
const UNHEARD_MS = 1_000;

/** Opens a database in a thread of its own. @throws {UsageError} A newer program wrote the file. */
export async function openThread(
  path: string,
  limits: Partial<StoreLimits> = {},
  startThread: () => Worker = startStoreThread,
): Promise<Engine> {
  const thread = new StoreThread(path, startThread);
  await thread.open(limits);
  return thread;
}

class StoreThread implements Engine, Lane {
  verbs: readonly Verb[] = [];
  readonly onTheWay = 2; // one being committed, and one that lies ready when it is done
  readonly lanes: readonly Lane[] = [this];
  readonly #failure = Promise.withResolvers<never>();
  readonly failed: Promise<never> = this.#failure.promise;
  readonly #commitMemory = CommitTimes.memory();
  readonly commits: CommitTimes = new CommitTimes(this.#commitMemory);
  readonly #path: string;
  readonly #worker: Worker;
  readonly #channel = new MessageChannel();
  readonly #bell = new Int32Array(new SharedArrayBuffer(2 * Int32Array.BYTES_PER_ELEMENT));
  readonly #awaited: PromiseWithResolvers<unknown>[] = []; // one for each reply that is to come, in their order
  #isListening = false;
  #isStopped = false;

  constructor(path: string, startThread: () => Worker) {
    this.failed.catch(() => {});
    this.#path = path;
    this.#worker = watch(startThread(), (cause) => this.#fail(cause));
  }

  async open(limits: Partial<StoreLimits>): Promise<void> {
    const { port2: port } = this.#channel;
    const task: ThreadTask = {
      type: "serve",
      path: this.#path,
      limits,
      port,
      bells: this.#bell.buffer,
      commits: this.#commitMemory,
    };
    this.#worker.postMessage(task, [port]);
    try {
      this.verbs = await this.#awaitReply() as Verb[];
    } catch (error) {
      this.#stop();
      throw error;
    }
  }

  async run(calls: readonly Call[], now: number): Promise<readonly Outcome[]> {
    return (await this.#ask({ calls, now }) as PlainOutcome[]).map(unpackOutcome);
  }

  async survey(): Promise<StoreSurvey> {
    return await this.#apart({ type: "survey", path: this.#path }) as StoreSurvey;
  }

  /** Does something in another thread, since it may take long and this one's calls go on. */
  async #apart(task: ThreadTask): Promise<unknown> {
    const { promise, resolve, reject } = Promise.withResolvers<unknown>();
    const worker = watch(startStoreThread(), reject);
    worker.onmessage = ({ data }) => settle({ resolve, reject }, data);
    worker.postMessage(task);
    try {
      return await promise;
    } finally {
      worker.terminate();
    }
  }

  async close(): Promise<void> {
    // A thread that died has nothing left to close.
    await this.#ask("close").catch(() => {});
    this.#stop();
  }

  #ask(request: StoreRequest): Promise<unknown> {
    if (this.#isStopped) return this.failed;
    put(this.#channel.port1, request, this.#bell, REQUEST_BELL);
    return this.#awaitReply();
  }

  #awaitReply(): Promise<unknown> {
    const reply = Promise.withResolvers<unknown>();
    this.#awaited.push(reply);
    if (!this.#isListening) void this.#listen();
    return reply.promise;
  }

  /** Takes replies out of the port for as long as some are to come; idle, it waits for nothing. */
  async #listen(): Promise<void> {
    this.#isListening = true;
    while (this.#awaited.length > 0 && !this.#isStopped) {
      // Read before looking: a reply put in after the look has rung, and the wait returns at once.
      const rung = Atomics.load(this.#bell, REPLY_BELL);
      for (const message of messagesIn(this.#channel.port1)) {
        settle(this.#awaited.shift()!, message as PlainOutcome);
      }
      if (this.#awaited.length === 0) break;
      const heard = Atomics.waitAsync(this.#bell, REPLY_BELL, rung, UNHEARD_MS);
      if (heard.async) await heard.value;
    }
    this.#isListening = false;
  }

  #fail(cause: unknown): void {
    const error = new Error("The store's thread has died", { cause });
    this.#failure.reject(error);
    for (const reply of this.#awaited.splice(0)) reply.reject(error);
    ring(this.#bell, REPLY_BELL);
    this.#stop();
  }

  #stop(): void {
    this.#isStopped = true;
    this.#worker.terminate();
    this.#channel.port1.close();
  }
}

function settle(
  reply: Pick<PromiseWithResolvers<unknown>, "resolve" | "reject">,
  outcome: PlainOutcome,
): void {
  if ("error" in outcome) reply.reject(unpackError(outcome.error));
  else reply.resolve(outcome.result);
}

function startStoreThread(): Worker {
  // Written out in full, as `deno compile` looks for this expression.
  return new Worker(new URL("./worker.ts", import.meta.url), { type: "module", name: "store" });
}

/** Calls `onDeath` if a thread throws. */
function watch(worker: Worker, onDeath: (cause: unknown) => void): Worker {
  worker.onerror = (event) => {
    // Without this the error would end the whole process, before anybody could say goodbye.
    event.preventDefault();
    onDeath(event.error ?? new Error(event.message));
  };
  return worker;
}
