/**
 * The store's own thread: it owns the database, runs batches in the order in which they come, and answers each.
 *
 * It has a thread to itself so that a slow disk stalls nothing else, and sleeps on a bell rather than in an event loop.
 * Started by `thread.ts` only.
 * @module
 */
/// <reference lib="deno.worker" />
import { type MessagePort as NodePort, receiveMessageOnPort } from "node:worker_threads";
import { backupFile } from "../../sqlite/backup.ts";
import { BatchRunner } from "./batch.ts";
import {
  type BackupReply,
  packError,
  packOutcome,
  REPLY_BELL,
  REQUEST_BELL,
  type StoreReply,
  type StoreRequest,
  type ThreadTask,
} from "./thread_messages.ts";

type ServeTask = Extract<ThreadTask, { type: "serve" }>;

self.onmessage = async (event: MessageEvent<ThreadTask>) => {
  const task = event.data;
  if (task.type === "serve") serve(task);
  else self.postMessage(await backUp(task.path, task.target));
  self.close();
};

/** Answers requests until it is told to close. */
function serve({ path, limits, port, bells }: ServeTask): void {
  const bell = new Int32Array(bells);
  const reply = (message: StoreReply) => {
    port.postMessage(JSON.stringify(message));
    Atomics.add(bell, REPLY_BELL, 1);
    Atomics.notify(bell, REPLY_BELL);
  };

  const opened = open(path, limits);
  if (!(opened instanceof BatchRunner)) return reply({ type: "not_opened", error: packError(opened.error) });
  using runner = opened;
  reply({ type: "opened", verbs: runner.verbs });

  for (const request of requests(port, bell)) {
    if (request.type === "close") break;
    reply({ type: "ran", outcomes: runner.run(request.calls, request.now).map(packOutcome) });
  }
  // The file is closed before the client hears of it, so that it may be moved or removed at once.
  runner[Symbol.dispose]();
  reply({ type: "closed" });
  port.close();
}

function open(path: string, limits: ServeTask["limits"]): BatchRunner | { readonly error: unknown } {
  try {
    return new BatchRunner(path, limits);
  } catch (error) {
    return { error };
  }
}

/** Requests as they come; sleeps between them. */
function* requests(port: MessagePort, bell: Int32Array<SharedArrayBuffer>): Generator<StoreRequest, never> {
  for (;;) {
    // Read before looking: a request put in after the look has rung, and the wait returns at once.
    const rung = Atomics.load(bell, REQUEST_BELL);
    let received: { message: string } | undefined;
    while ((received = receiveMessageOnPort(port as unknown as NodePort)) !== undefined) {
      yield JSON.parse(received.message);
    }
    Atomics.wait(bell, REQUEST_BELL, rung);
  }
}

async function backUp(path: string, target: string): Promise<BackupReply> {
  try {
    await backupFile(path, target);
    return {};
  } catch (error) {
    return { error: packError(error) };
  }
}
