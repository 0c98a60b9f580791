/**
 * The store's own thread: it owns the database, runs batches in the order in which they come, and answers each.
 *
 * It has a thread to itself so that a slow disk stalls nothing else. Started by `worker_client.ts` only.
 * @module
 */
/// <reference lib="deno.worker" />
import { backupDatabase } from "./backup_file.ts";
import { BatchRunner } from "./batch.ts";
import { packError, packOutcome, type StoreReply, type StoreRequest } from "./worker_messages.ts";

let runner: BatchRunner | undefined;

self.onmessage = (event: MessageEvent<StoreRequest>) => {
  const request = event.data;
  switch (request.type) {
    case "open":
      return open(request.path, request.limits);
    case "run":
      return reply({ type: "ran", outcomes: runner!.run(request.calls, request.now).map(packOutcome) });
    case "backup":
      return void backUp(request.path);
    case "close":
      runner?.[Symbol.dispose]();
      reply({ type: "closed" });
      return self.close();
  }
};

function open(path: string, limits: ConstructorParameters<typeof BatchRunner>[1]): void {
  try {
    runner = new BatchRunner(path, limits);
    reply({ type: "opened" });
  } catch (error) {
    reply({ type: "opened", error: packError(error) });
    self.close();
  }
}

async function backUp(path: string): Promise<void> {
  try {
    await backupDatabase(runner!.database.connection, path);
    reply({ type: "backed_up", path });
  } catch (error) {
    reply({ type: "backed_up", path, error: packError(error) });
  }
}

function reply(message: StoreReply): void {
  self.postMessage(message);
}
