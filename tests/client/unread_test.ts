import assert from "node:assert/strict";
import { Unread } from "../../lib/client/unread.ts";
import type { ReceivedMessage } from "../../lib/protocol/events.ts";

function message(sequence: number): ReceivedMessage {
  return { sequence, id: `id-${sequence}`, from: "ana", text: "hello", storedAt: sequence };
}

Deno.test("Unread takes each message once, whatever is delivered again", () => {
  const unread = new Unread(2);
  assert.deepEqual([1, 2, 3, 3, 5, 4].map((n) => unread.take(message(n))), [
    false,
    false,
    true,
    false,
    true,
    false,
  ]);
  assert.deepEqual(unread.waiting.map(({ sequence }) => sequence), [3, 5]);
});

Deno.test("Unread drops what was shown and keeps the rest", () => {
  const unread = new Unread(0);
  for (const n of [1, 4, 9]) unread.take(message(n));
  unread.shown(4);
  assert.deepEqual(unread.waiting.map(({ sequence }) => sequence), [9]);
  unread.shown(9);
  assert.deepEqual(unread.waiting, []);
});

Deno.test("Unread is caught up when the last expected message has come", async () => {
  const unread = new Unread(0);
  let isCaughtUp = false;
  unread.caughtUp.then(() => isCaughtUp = true);
  unread.expect(2);
  unread.take(message(1));
  await Promise.resolve();
  assert.equal(isCaughtUp, false);
  unread.take(message(2));
  await unread.caughtUp;
});

Deno.test("Unread is caught up at once when nothing waits, or all was shown elsewhere", async () => {
  const empty = new Unread(7);
  empty.expect(7);
  await empty.caughtUp;
  const behind = new Unread(0);
  behind.shown(5);
  behind.expect(5);
  await behind.caughtUp;
});

Deno.test("Unread holds what there is room for, and takes the rest only from where it begins", async () => {
  const unread = new Unread(0, 3 * 310); // each of these messages costs 310 bytes
  unread.expect(9);
  for (const n of [1, 2, 4, 5, 7]) unread.take(message(n));
  assert.deepEqual(unread.waiting.map(({ sequence }) => sequence), [1, 2, 4]);
  assert.deepEqual([unread.hasMore, unread.wantsMore, unread.received], [true, false, 4]);
  assert.equal(await unread.caughtUp, 9, "as much is there as is held at once");
  unread.shown(2);
  assert.equal(unread.wantsMore, true);
  unread.stopped(9);
  unread.askedAgain();
  assert.equal(unread.wantsMore, false, "it is asked once");
  assert.equal(unread.take(message(11)), false, "a live one, sent before the server was asked again");
  for (const n of [5, 7]) assert.equal(unread.take(message(n)), true);
  assert.deepEqual(unread.waiting.map(({ sequence }) => sequence), [4, 5, 7]);
  assert.equal(unread.hasMore, false);
  let isCaughtUp = false;
  unread.caughtUp.then(() => isCaughtUp = true);
  await Promise.resolve();
  assert.equal(isCaughtUp, false, "asked again, the rest is still to come");
  unread.expect(7);
  assert.equal(await unread.caughtUp, 7);
});

Deno.test("Unread takes a message that is larger than all its room, alone", () => {
  const unread = new Unread(0, 10);
  assert.deepEqual([1, 2].map((n) => unread.take(message(n))), [true, false]);
  unread.shown(1);
  unread.startedAnew();
  assert.equal(unread.take(message(2)), true);
});
