import { deepEqual, equal, ok, rejects } from "node:assert/strict";
import { DatabaseSync } from "node:sqlite";
import { join } from "node:path";
import { ChatError, UsageError } from "../../lib/errors.ts";
import { SERVER_MIGRATIONS } from "../../lib/store/sqlite/migrations.ts";
import { openServerStore } from "../../lib/store/open.ts";
import { tempFolder } from "../helpers/temp_folder.ts";
import { addPerson, readMailbox, refused, send } from "./store_helpers.ts";

/** Counts the commits in a write-ahead log. https://www.sqlite.org/fileformat2.html#walformat */
function countCommits(path: string): number {
  const log = new DataView(Deno.readFileSync(`${path}-wal`).buffer);
  const pageBytes = log.getUint32(8);
  let commits = 0;
  for (let frame = 32; frame + 24 + pageBytes <= log.byteLength; frame += 24 + pageBytes) {
    // The last frame of a commit holds the size of the file after it, every other a zero.
    if (log.getUint32(frame + 4) !== 0) commits++;
  }
  return commits;
}

Deno.test("openServerStore() commits calls that wait together in one transaction, and answers them in order", async () => {
  using folder = tempFolder();
  const path = join(folder.path, "server.db");
  await using store = await openServerStore(path);
  const ana = await addPerson(store, "ana");
  const bob = await addPerson(store, "bob");
  const before = countCommits(path);
  const sent = await Promise.all(
    Array.from({ length: 500 }, (_, index) => send(store, ana, "bob", `${index}`)),
  );
  equal(countCommits(path) - before, 1);
  deepEqual(sent.map((message) => message.sequence), sent.map((_, index) => sent[0]!.sequence + index));
  deepEqual(
    (await readMailbox(store, bob.accountId)).map((message) => message.text),
    sent.map((_, index) => `${index}`),
  );
});

Deno.test("openServerStore() says what waits and how long commits took, and looks over a store that is busy", async () => {
  using folder = tempFolder();
  const path = join(folder.path, "server.db");
  await using store = await openServerStore(path);
  equal(store.figures().lastCommitMs, null);
  const ana = await addPerson(store, "ana");
  const { commits } = store.figures();
  const sends = Array.from({ length: 50 }, (_, index) => send(store, ana, "ana", `${index}`));
  equal(store.figures().waiting, 50);
  await Promise.all(sends);
  await store.findLogin("of nobody"); // may write, and does not
  await store.settled();
  const after = store.figures();
  deepEqual([after.waiting, after.commits], [0, commits + 1]);
  ok(after.lastCommitMs! > 0 && after.commitMs > after.lastCommitMs!);
  // Not even a file that is being written holds it up.
  using writer = new DatabaseSync(path);
  writer.exec("BEGIN IMMEDIATE");
  equal((await store.survey()).messages, 50);
});

Deno.test("openServerStore() lets a refused or faulty call fail alone, without the rest of its batch", async () => {
  using folder = tempFolder();
  await using store = await openServerStore(join(folder.path, "server.db"));
  const ana = await addPerson(store, "ana");
  const bob = await addPerson(store, "bob");
  const fault = {
    senderId: 999,
    id: "no such sender",
    to: "bob",
    text: "breaks a reference in the middle of a write",
  };
  const results = await Promise.allSettled([
    send(store, ana, "bob", "1"),
    send(store, ana, "nobody", "2"),
    store.sendMessage(fault),
    store.listUsers({ viewerId: ana.accountId, after: null, limit: 10 }),
    send(store, ana, "bob", "3"),
  ]);
  deepEqual(results.map((result) => result.status), [
    "fulfilled",
    "rejected",
    "rejected",
    "fulfilled",
    "fulfilled",
  ]);
  await refused(Promise.reject((results[1] as PromiseRejectedResult).reason), "not_found");
  const internal = (results[2] as PromiseRejectedResult).reason;
  ok(internal instanceof Error && !(internal instanceof ChatError));
  deepEqual((await readMailbox(store, bob.accountId)).map((message) => message.text), ["1", "3"]);
  deepEqual(await store.checkIntegrity(), []);
});

Deno.test("openServerStore() finishes what waits when it is closed, and refuses what comes later", async () => {
  using folder = tempFolder();
  const path = join(folder.path, "server.db");
  const store = await openServerStore(path);
  const ana = await addPerson(store, "ana");
  const last = send(store, ana, "ana", "last words");
  await store[Symbol.asyncDispose]();
  await store[Symbol.asyncDispose]();
  await last;
  await refused(send(store, ana, "ana", "too late"), "unavailable");
  await using again = await openServerStore(path);
  equal((await readMailbox(again, ana.accountId)).length, 1);
});

Deno.test("openServerStore() says so when a newer program wrote the file, and leaves it as it is", async () => {
  using folder = tempFolder();
  const path = join(folder.path, "server.db");
  const newer = new DatabaseSync(path);
  newer.exec(`PRAGMA user_version = ${SERVER_MIGRATIONS.length + 1}`);
  newer.close();
  await rejects(
    openServerStore(path),
    (error) => error instanceof UsageError && /newer version/.test(error.message),
  );
});

Deno.test("openServerStore() rejects every waiting call and `failed` when its thread dies", async () => {
  using folder = tempFolder();
  const dying = `self.onmessage = ({ data: { port, bells } }) => {
    const bell = new Int32Array(bells);
    port.postMessage(JSON.stringify({ result: ["counts", "findCredentials"] }));
    Atomics.add(bell, 1, 1);
    Atomics.notify(bell, 1);
    Atomics.wait(bell, 0, 0);
    throw new Error("out of memory");
  };`;
  await using store = await openServerStore(join(folder.path, "server.db"), {
    startThread: () =>
      new Worker(`data:application/javascript,${encodeURIComponent(dying)}`, { type: "module" }),
  });
  const waiting = Promise.allSettled([store.counts(), store.findCredentials("ana", null)]);
  await rejects(store.failed, /thread has died/);
  deepEqual((await waiting).map((result) => result.status), ["rejected", "rejected"]);
  await refused(store.counts(), "unavailable", /has stopped/);
});
