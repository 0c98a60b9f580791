import assert from "node:assert/strict";
import { Mailbox } from "../../lib/client/unread.ts";
import type { ReceivedMessage } from "../../lib/protocol/events.ts";

function message(sequence: number): ReceivedMessage {
  return { sequence, id: `id-${sequence}`, from: "ana", text: "hello", storedAt: sequence };
}

Deno.test("Mailbox takes each message once, whatever is delivered again", () => {
  const mailbox = new Mailbox(2);
  assert.deepEqual([1, 2, 3, 3, 5, 4].map((n) => mailbox.take(message(n))), [
    false,
    false,
    true,
    false,
    true,
    false,
  ]);
  assert.deepEqual(mailbox.waiting.map(({ sequence }) => sequence), [3, 5]);
});

Deno.test("Mailbox drops what was shown and keeps the rest", () => {
  const mailbox = new Mailbox(0);
  for (const n of [1, 4, 9]) mailbox.take(message(n));
  mailbox.shown(4);
  assert.deepEqual(mailbox.waiting.map(({ sequence }) => sequence), [9]);
  mailbox.shown(9);
  assert.deepEqual(mailbox.waiting, []);
});

Deno.test("Mailbox is caught up when the last expected message has come", async () => {
  const mailbox = new Mailbox(0);
  let isCaughtUp = false;
  mailbox.caughtUp.then(() => isCaughtUp = true);
  mailbox.expect(2);
  mailbox.take(message(1));
  await Promise.resolve();
  assert.equal(isCaughtUp, false);
  mailbox.take(message(2));
  await mailbox.caughtUp;
});

Deno.test("Mailbox is caught up at once when nothing waits, or all was shown elsewhere", async () => {
  const empty = new Mailbox(7);
  empty.expect(7);
  await empty.caughtUp;
  const behind = new Mailbox(0);
  behind.shown(5);
  behind.expect(5);
  await behind.caughtUp;
});

Deno.test("Mailbox holds what there is room for, and takes the rest only from where it begins", async () => {
  const mailbox = new Mailbox(0, 3 * 310); // each of these messages costs 310 bytes
  mailbox.expect(9);
  for (const n of [1, 2, 4, 5, 7]) mailbox.take(message(n));
  assert.deepEqual(mailbox.waiting.map(({ sequence }) => sequence), [1, 2, 4]);
  assert.deepEqual([mailbox.hasMore, mailbox.wantsMore, mailbox.received], [true, false, 4]);
  assert.equal(await mailbox.caughtUp, 9, "as much is there as is held at once");
  mailbox.shown(2);
  assert.equal(mailbox.wantsMore, true);
  mailbox.stopped(9);
  mailbox.askedAgain();
  assert.equal(mailbox.wantsMore, false, "it is asked once");
  assert.equal(mailbox.take(message(11)), false, "a live one, sent before the server was asked again");
  for (const n of [5, 7]) assert.equal(mailbox.take(message(n)), true);
  assert.deepEqual(mailbox.waiting.map(({ sequence }) => sequence), [4, 5, 7]);
  assert.equal(mailbox.hasMore, false);
  let isCaughtUp = false;
  mailbox.caughtUp.then(() => isCaughtUp = true);
  await Promise.resolve();
  assert.equal(isCaughtUp, false, "asked again, the rest is still to come");
  mailbox.expect(7);
  assert.equal(await mailbox.caughtUp, 7);
});

Deno.test("Mailbox takes a message that is larger than all its room, alone", () => {
  const mailbox = new Mailbox(0, 10);
  assert.deepEqual([1, 2].map((n) => mailbox.take(message(n))), [true, false]);
  mailbox.shown(1);
  mailbox.startedAnew();
  assert.equal(mailbox.take(message(2)), true);
});
