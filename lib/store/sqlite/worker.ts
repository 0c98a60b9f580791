/**
 * The store's own thread: it owns the database, runs batches in the order in which they come, and answers each.
 *
 * It has a thread to itself so that a slow disk stalls nothing else, and sleeps on a bell rather than in an event loop.
 * Started by `thread.ts` only.
 * @module
 */
/// <reference lib="deno.worker" />
import { backupFile } from "../../sqlite/backup.ts";
import type { Outcome } from "../queue.ts";
import { BatchRunner } from "./batch.ts";
import {
  messagesIn,
  packOutcome,
  put,
  REPLY_BELL,
  REQUEST_BELL,
  type StoreRequest,
  type ThreadTask,
} from "./thread_messages.ts";

self.onmessage = async ({ data: task }: MessageEvent<ThreadTask>) => {
  if (task.type === "serve") serve(task);
  else self.postMessage(packOutcome(await backUp(task.path, task.target)));
  self.close();
};

/** Answers requests until it is told to close. */
function serve({ path, limits, port, bells }: Extract<ThreadTask, { type: "serve" }>): void {
  const bell = new Int32Array(bells);
  const reply = (outcome: Outcome) => put(port, packOutcome(outcome), bell, REPLY_BELL);
  let runner: BatchRunner;
  try {
    runner = new BatchRunner(path, limits);
  } catch (error) {
    return reply({ error });
  }
  try {
    reply({ result: runner.verbs });
    for (const request of requests(port, bell)) {
      if (request === "close") break;
      reply({ result: runner.run(request.calls, request.now).map(packOutcome) });
    }
  } finally {
    runner[Symbol.dispose]();
  }
  // The file is closed before the client hears of it, so that it may be moved or removed at once.
  reply({ result: null });
  port.close();
}

/** Requests as they come; sleeps between them. */
function* requests(port: MessagePort, bell: Int32Array<SharedArrayBuffer>): Generator<StoreRequest, never> {
  for (;;) {
    // Read before looking: a request put in after the look has rung, and the wait returns at once.
    const rung = Atomics.load(bell, REQUEST_BELL);
    yield* messagesIn(port) as Generator<StoreRequest, void>;
    Atomics.wait(bell, REQUEST_BELL, rung);
  }
}

async function backUp(path: string, target: string): Promise<Outcome> {
  try {
    await backupFile(path, target);
    return { result: null };
  } catch (error) {
    return { error };
  }
}
