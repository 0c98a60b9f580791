// The store's own thread: it owns the database, runs batches in the order in which they come, and answers each.
// It has a thread to itself so that a slow disk stalls nothing else, and sleeps on a bell rather than in an event loop.
// Started by `thread.ts` only.
/// <reference lib="deno.worker" />
import { CommitTimes } from "../commit_times.ts";
import type { Outcome } from "../queue.ts";
import { SqliteEngine } from "./batch.ts";
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
  if (task.type === "serve") await serve(task);
  else self.postMessage(packOutcome(await survey(task.path)));
  self.close();
};

/** Answers requests until it is told to close. */
async function serve(task: Extract<ThreadTask, { type: "serve" }>): Promise<void> {
  const { path, limits, port, bells } = task;
  const bell = new Int32Array(bells);
  const reply = (outcome: Outcome) => put(port, packOutcome(outcome), bell, REPLY_BELL);
  let engine: SqliteEngine;
  try {
    engine = new SqliteEngine(path, limits, new CommitTimes(task.commits));
  } catch (error) {
    return reply({ error });
  }
  try {
    reply({ result: engine.verbs });
    for (const request of requests(port, bell)) {
      if (request === "close") break;
      reply({ result: (await engine.run(request.calls, request.now)).map(packOutcome) });
    }
  } finally {
    await engine.close();
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

async function survey(path: string): Promise<Outcome> {
  try {
    const engine = new SqliteEngine(path);
    try {
      return (await engine.run([{ verb: "survey", args: [] }], Date.now()))[0]!;
    } finally {
      await engine.close();
    }
  } catch (error) {
    return { error };
  }
}
