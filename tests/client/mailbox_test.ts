import assert from "node:assert/strict";
import { Mailbox } from "../../lib/client/mailbox.ts";
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
