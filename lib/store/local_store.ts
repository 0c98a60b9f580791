/**
 * The server's store in the calling thread: for the operator's subcommands and for tests.
 * @module
 */
import { backupFile } from "../sqlite/backup.ts";
import { BatchRunner } from "./sqlite/batch.ts";
import { type BatchTransport, QueuedStore } from "./sqlite/queue.ts";
import type { ServerStore, ServerStoreOptions } from "./server_store.ts";

/**
 * Opens a server's database without a thread of its own. Its commits stall the caller, so a server uses `openServerStore`.
 *
 * @param path The file, made if there is none; its folder must exist.
 * @param options Limits and clock.
 * @throws {UsageError} A newer program wrote the file.
 */
export function openLocalStore(path: string, options: ServerStoreOptions = {}): ServerStore {
  const runner = new BatchRunner(path, options.limits);
  const transport: BatchTransport = {
    run: (calls, now) => Promise.resolve(runner.run(calls, now)),
    backup: (target) => backupFile(path, target),
    close: () => Promise.resolve(runner[Symbol.dispose]()),
    failed: new Promise<never>(() => {}),
  };
  return new QueuedStore(transport, options.now);
}
