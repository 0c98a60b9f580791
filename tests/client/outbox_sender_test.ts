import assert from "node:assert/strict";
import { type Outbox, type OutboxMessage, OutboxSender } from "../../lib/client/outbox_sender.ts";
import { ChatError, LinkError } from "../../lib/errors.ts";

/** An outbox in memory. */
class FakeOutbox implements Outbox {
  readonly waiting: OutboxMessage[] = [];
  add(...ids: string[]): void {
    for (const id of ids) this.waiting.push({ id, to: "bob", text: id, createdAt: 0 });
  }
  first(): OutboxMessage | null {
    return this.waiting[0] ?? null;
  }
  accepted(id: string): void {
    assert.equal(this.waiting.shift()?.id, id);
  }
  refused(id: string): void {
    this.accepted(id);
  }
}

function senderOf(outbox: Outbox, answer: (message: OutboxMessage) => unknown) {
  const log: string[] = [];
  let settled = Promise.withResolvers<void>();
  const note = (line: string) => {
    log.push(line);
    settled.resolve();
    settled = Promise.withResolvers<void>();
  };
  const sender = new OutboxSender({
    outbox,
    send: async (message) => {
      const error = await answer(message);
      if (error) throw error;
      return { id: message.id, sequence: 1, storedAt: 1, duplicate: false };
    },
    onAccepted: ({ id }) => note(`accepted ${id}`),
    onRefused: ({ id }, { code }) => note(`refused ${id} ${code}`),
    onFault: (error) => note(`fault ${error}`),
  });
  const until = async (count: number) => {
    while (log.length < count) await settled.promise;
    return log;
  };
  return { sender, until };
}

Deno.test("OutboxSender sends one after the other, in order", async () => {
  const outbox = new FakeOutbox();
  let inFlight = 0;
  const { sender, until } = senderOf(outbox, async () => {
    assert.equal(++inFlight, 1);
    await Promise.resolve();
    inFlight--;
  });
  using _ = sender;
  outbox.add("a", "b");
  sender.wake();
  outbox.add("c");
  sender.wake();
  assert.deepEqual(await until(3), ["accepted a", "accepted b", "accepted c"]);
});

Deno.test("OutboxSender keeps what a broken connection interrupted, and sends it again when woken", async () => {
  const outbox = new FakeOutbox();
  const failed = Promise.withResolvers<void>();
  let isBroken = true;
  const { sender, until } = senderOf(outbox, () => {
    if (!isBroken) return;
    failed.resolve();
    return new LinkError("lost");
  });
  using _ = sender;
  outbox.add("a", "b");
  sender.wake();
  await failed.promise;
  isBroken = false;
  sender.wake();
  assert.deepEqual(await until(2), ["accepted a", "accepted b"]);
});

Deno.test("OutboxSender lets no later message overtake one that is refused for now", async () => {
  const outbox = new FakeOutbox();
  let refusals = 2;
  const { sender, until } = senderOf(
    outbox,
    ({ id }) =>
      id === "a" && refusals-- > 0 ? new ChatError("unavailable", "disk full", { retryAfterMs: 1 }) : null,
  );
  using _ = sender;
  outbox.add("a", "b");
  sender.wake();
  assert.deepEqual(await until(2), ["accepted a", "accepted b"]);
});

Deno.test("OutboxSender takes out what the server will never take, and goes on", async () => {
  const outbox = new FakeOutbox();
  const { sender, until } = senderOf(
    outbox,
    ({ id }) => id === "a" ? new ChatError("not_found", "no such user") : null,
  );
  using _ = sender;
  outbox.add("a", "b");
  sender.wake();
  assert.deepEqual(await until(2), ["refused a not_found", "accepted b"]);
});

Deno.test("OutboxSender keeps everything when its session has ended", async () => {
  const outbox = new FakeOutbox();
  const asked = Promise.withResolvers<void>();
  const { sender } = senderOf(outbox, () => {
    asked.resolve();
    return new ChatError("unauthenticated", "log in again");
  });
  using _ = sender;
  outbox.add("a");
  sender.wake();
  await asked.promise;
  assert.equal(outbox.waiting.length, 1);
});
