/**
 * The server's store in a thread of its own.
 * @module
 */
import type { Outcome } from "./batch.ts";
import { type BatchTransport, QueuedStore } from "./queued_store.ts";
import type { ServerStore, ServerStoreOptions } from "./server_store.ts";
import { type StoreReply, type StoreRequest, unpackError, unpackOutcome } from "./worker_messages.ts";

/**
 * Opens a server's database in a thread of its own, so that a slow disk never stalls the caller.
 *
 * @param path The file, made if there is none; its folder must exist.
 * @param options Limits and clock.
 * @returns The store; its `failed` rejects if the thread dies, and every call that waits with it.
 * @throws {UsageError} A newer program wrote the file.
 */
export async function openServerStore(path: string, options: ServerStoreOptions = {}): Promise<ServerStore> {
  const thread = new StoreThread();
  await thread.open(path, options.limits ?? {});
  return new QueuedStore(thread, options.now);
}

class StoreThread implements BatchTransport {
  readonly failed: Promise<never>;
  readonly #worker: Worker;
  readonly #failure = Promise.withResolvers<never>();
  readonly #batches: PromiseWithResolvers<readonly Outcome[]>[] = [];
  readonly #backups = new Map<string, PromiseWithResolvers<void>>();
  readonly #opened = Promise.withResolvers<void>();
  readonly #closed = Promise.withResolvers<void>();

  constructor() {
    this.failed = this.#failure.promise;
    this.failed.catch(() => {});
    // Written out in full, as `deno compile --include lib/store/worker.ts` finds it by just this expression.
    this.#worker = new Worker(new URL("./worker.ts", import.meta.url), { type: "module", name: "store" });
    this.#worker.onmessage = (event: MessageEvent<StoreReply>) => this.#receive(event.data);
    this.#worker.onerror = (event) => {
      // Without this the error would end the whole process, before anybody could say goodbye.
      event.preventDefault();
      this.#fail(event.error ?? new Error(event.message));
    };
    this.#worker.onmessageerror = () => this.#fail(new Error("a message could not be read"));
  }

  async open(path: string, limits: NonNullable<ServerStoreOptions["limits"]>): Promise<void> {
    this.#send({ type: "open", path, limits });
    try {
      await Promise.race([this.#opened.promise, this.failed]);
    } catch (error) {
      this.#worker.terminate();
      throw error;
    }
  }

  run(calls: Parameters<BatchTransport["run"]>[0], now: number): Promise<readonly Outcome[]> {
    const batch = Promise.withResolvers<readonly Outcome[]>();
    this.#batches.push(batch);
    this.#send({ type: "run", calls, now });
    return batch.promise;
  }

  async backup(path: string): Promise<void> {
    const running = this.#backups.get(path) ?? Promise.withResolvers<void>();
    if (!this.#backups.has(path)) this.#send({ type: "backup", path });
    this.#backups.set(path, running);
    await running.promise;
  }

  async close(): Promise<void> {
    this.#send({ type: "close" });
    // A thread that died has nothing left to close.
    await Promise.race([this.#closed.promise, this.failed.catch(() => {})]);
    this.#worker.terminate();
  }

  #send(request: StoreRequest): void {
    this.#worker.postMessage(request);
  }

  #receive(reply: StoreReply): void {
    switch (reply.type) {
      case "opened":
        return settle(this.#opened, reply.error);
      case "ran":
        return this.#batches.shift()?.resolve(reply.outcomes.map(unpackOutcome));
      case "backed_up":
        settle(this.#backups.get(reply.path)!, reply.error);
        this.#backups.delete(reply.path);
        return;
      case "closed":
        return this.#closed.resolve();
    }
  }

  #fail(cause: unknown): void {
    const error = new Error("The store's thread has died", { cause });
    this.#failure.reject(error);
    for (const batch of this.#batches.splice(0)) batch.reject(error);
    for (const backup of this.#backups.values()) backup.reject(error);
    this.#worker.terminate();
  }
}

function settle(
  promise: PromiseWithResolvers<void>,
  error: Parameters<typeof unpackError>[0] | undefined,
): void {
  if (error === undefined) promise.resolve();
  else promise.reject(unpackError(error));
}
