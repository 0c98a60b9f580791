import { deepEqual, equal, ok } from "node:assert/strict";
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
