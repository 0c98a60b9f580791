/** The caller's end of the store's thread: starts it, sends it batches, and hears of its death. @module */
import { type MessagePort as NodePort, receiveMessageOnPort } from "node:worker_threads";
import type { StoreLimits } from "../limits.ts";
import type { BatchTransport, Call, Outcome, Verb } from "../queue.ts";
import {
  type BackupReply,
  REPLY_BELL,
  REQUEST_BELL,
  type StoreReply,
  type StoreRequest,
  type ThreadTask,
  unpackError,
  unpackOutcome,
} from "./thread_messages.ts";

/** How long a ring of the bell may go unheard before the port is looked into anyway. None has ever been missed. */
const UNHEARD_MS = 1_000;

/** The thread that owns the database, as the queue sees it. */
export class StoreThread implements BatchTransport {
  readonly failed: Promise<never>;
  readonly #path: string;
  readonly #worker: Worker;
  readonly #port: MessagePort;
  readonly #bell = new Int32Array(new SharedArrayBuffer(2 * Int32Array.BYTES_PER_ELEMENT));
  readonly #failure = Promise.withResolvers<never>();
  /** One for each reply that is to come, in their order. */
  readonly #awaited: PromiseWithResolvers<StoreReply>[] = [];
  readonly #opened: Promise<StoreReply>;
  #isListening = false;
  #isStopped = false;

  constructor(
    path: string,
    options: { readonly limits?: Partial<StoreLimits>; readonly startThread?: () => Worker },
  ) {
    this.failed = this.#failure.promise;
    this.failed.catch(() => {});
    this.#path = path;
    const { port1, port2 } = new MessageChannel();
    this.#port = port1;
    this.#worker = watch((options.startThread ?? startThread)(), (cause) => this.#fail(cause));
    const { limits = {} } = options;
    const task: ThreadTask = { type: "serve", path, limits, port: port2, bells: this.#bell.buffer };
    this.#worker.postMessage(task, [port2]);
    this.#opened = this.#awaitReply();
  }

  /** The verbs that it runs. @throws {UsageError} A newer program wrote the file. */
  async opened(): Promise<readonly Verb[]> {
    const reply = await this.#opened;
    if (reply.type === "opened") return reply.verbs;
    this.#stop();
    throw reply.type === "not_opened" ? unpackError(reply.error) : unexpected(reply);
  }

  async run(calls: readonly Call[], now: number): Promise<readonly Outcome[]> {
    const reply = await this.#ask({ type: "run", calls, now });
    if (reply.type !== "ran") throw unexpected(reply);
    return reply.outcomes.map(unpackOutcome);
  }

  /** In another thread, since it may take long and this one's calls go on. */
  async backup(target: string): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<BackupReply>();
    const worker = watch(startThread(), reject);
    worker.onmessage = (event: MessageEvent<BackupReply>) => resolve(event.data);
    const task: ThreadTask = { type: "back_up", path: this.#path, target };
    worker.postMessage(task);
    try {
      const { error } = await promise;
      if (error !== undefined) throw unpackError(error);
    } finally {
      worker.terminate();
    }
  }

  async close(): Promise<void> {
    // A thread that died has nothing left to close.
    await this.#ask({ type: "close" }).catch(() => {});
    this.#stop();
  }

  #ask(request: StoreRequest): Promise<StoreReply> {
    if (this.#isStopped) return this.failed;
    this.#port.postMessage(JSON.stringify(request));
    Atomics.add(this.#bell, REQUEST_BELL, 1);
    Atomics.notify(this.#bell, REQUEST_BELL);
    return this.#awaitReply();
  }

  #awaitReply(): Promise<StoreReply> {
    const reply = Promise.withResolvers<StoreReply>();
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
      let received: { message: string } | undefined;
      while ((received = receiveMessageOnPort(this.#port as unknown as NodePort)) !== undefined) {
        this.#awaited.shift()?.resolve(JSON.parse(received.message));
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
    Atomics.add(this.#bell, REPLY_BELL, 1);
    Atomics.notify(this.#bell, REPLY_BELL);
    this.#stop();
  }

  #stop(): void {
    this.#isStopped = true;
    this.#worker.terminate();
    this.#port.close();
  }
}

function unexpected({ type }: StoreReply): TypeError {
  return new TypeError(`The store's thread gave a reply that was not asked for: ${type}`);
}

/** Starts a thread that has no task yet. */
function startThread(): Worker {
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
