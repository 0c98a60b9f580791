import { deepEqual, equal, ok } from "node:assert/strict";
import { ChatError } from "../../lib/errors.ts";
import type { ServerStore } from "../../lib/chat/operator_store.ts";
import { CommitTimes } from "../../lib/store/commit_times.ts";
import { type Call, type Outcome, queuedStore } from "../../lib/store/queue.ts";

const KIB = 1024;

/** A store that only remembers its batches. */
function storeOf(batches: (readonly Call[])[]): ServerStore {
  return queuedStore({
    lanes: [{
      verbs: ["listMailbox", "highestSequence"],
      onTheWay: 2,
      run: (calls) => {
        batches.push(calls);
        return Promise.resolve(calls.map((): Outcome => ({ result: null })));
      },
    }],
    close: () => Promise.resolve(),
    failed: new Promise<never>(() => {}),
    commits: new CommitTimes(),
  });
}

Deno.test("queuedStore() puts no more pages of text in a batch than its reply can carry", async () => {
  // A thousand clients that came back to full mailboxes at once made a reply longer than any string, and the store died.
  const batches: (readonly Call[])[] = [];
  const store = storeOf(batches);
  const page = { accountId: 1, after: 0, limit: 500, maxBytes: 512 * KIB };
  await Promise.all(Array.from({ length: 1_000 }, () => store.listMailbox(page)));
  equal(batches.flat().length, 1_000);
  for (const batch of batches) ok(batch.length * page.maxBytes <= 8 * KIB * KIB, `${batch.length}`);
});

Deno.test("queuedStore() lets a page that is over the limit leave alone, and keeps the order of the calls", async () => {
  const batches: (readonly Call[])[] = [];
  const store = storeOf(batches);
  const page = (accountId: number) => ({ accountId, after: 0, limit: 500, maxBytes: 100 * KIB * KIB });
  await Promise.all([
    store.highestSequence(1),
    store.listMailbox(page(2)),
    store.listMailbox(page(3)),
    store.highestSequence(4),
  ]);
  deepEqual(batches.map((batch) => batch.map(({ verb }) => verb)), [
    ["highestSequence"],
    ["listMailbox"],
    ["listMailbox"],
    ["highestSequence"],
  ]);
});

Deno.test("queuedStore() says once that nothing can be stored, and once that something was", async () => {
  const full = new ChatError("unavailable", "Cannot store anything now: the disk is full");
  const notFound = new ChatError("not_found", "Cannot close report 1: there is none");
  const commits = new CommitTimes();
  const said: (string | undefined)[] = [];
  let outcome: Outcome = { result: null };
  const store = queuedStore(
    {
      lanes: [{
        verbs: ["closeReport", "highestSequence"],
        onTheWay: 1,
        run: (calls) =>
          Promise.resolve(calls.map(({ verb }) => verb === "closeReport" ? outcome : { result: 1 })),
      }],
      close: () => Promise.resolve(),
      failed: new Promise<never>(() => {}),
      commits,
    },
    Date.now,
    (trouble) => said.push(trouble?.message),
  );
  const write = () => store.closeReport(1).catch(() => {});
  commits.note(1);
  await write();
  outcome = { error: full };
  await write();
  await write();
  await store.highestSequence(1);
  outcome = { error: notFound };
  await write();
  deepEqual(
    [said, store.figures().trouble],
    [[full.message], full],
    "what only reads, or is refused, ends no trouble",
  );
  outcome = { result: null };
  commits.note(1);
  await write();
  await write();
  deepEqual([said, store.figures().trouble], [[full.message, undefined], null]);
});
