import assert from "node:assert/strict";
import {
  type Outbox,
  type OutboxMessage,
  OutboxSender,
  retryAfterMs,
} from "../../lib/client/outbox_sender.ts";
import { ChatError, ConnectionError } from "../../lib/errors.ts";

/** An outbox in memory. */
class FakeOutbox implements Outbox {
  readonly waiting: OutboxMessage[] = [];
  add(...ids: string[]): void {
    for (const id of ids) this.waiting.push({ id, to: "bob", text: id });
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
    onOutcome: ({ id }, outcome) => {
      if (outcome.kind === "stored") note(`accepted ${id}`);
      else note(`refused ${id} ${outcome.error.code}: ${outcome.error.message}`);
    },
    onFault: (error) => note(`fault ${error}`),
    retryMs: 1,
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
    return new ConnectionError("lost");
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
  assert.deepEqual(await until(2), ["refused a not_found: no such user", "accepted b"]);
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

Deno.test("OutboxSender gives up a message on which the server fails each time, says so, and goes on", async () => {
  // It was tried every 2 s for ever; everything behind it waited, and nobody was told.
  const outbox = new FakeOutbox();
  let tries = 0;
  const { sender, until } = senderOf(outbox, ({ id }) => {
    if (id !== "a") return null;
    tries++;
    return new ChatError("internal", "Something went wrong; see c0ffee00");
  });
  using _ = sender;
  outbox.add("a", "b");
  sender.wake();
  const [refused, accepted] = await until(2);
  assert.match(refused!, /^refused a internal: Cannot store the message: .* failed on it 4 times.*c0ffee00$/);
  assert.equal(accepted, "accepted b");
  assert.equal(tries, 4);
});

Deno.test("OutboxSender gives up a message that is never answered for, says that it may have arrived, and goes on", async () => {
  const outbox = new FakeOutbox();
  let tries = 0;
  const { sender, until } = senderOf(outbox, ({ id }) => {
    if (id !== "a") return null;
    tries++;
    return new ChatError("timeout", "no answer");
  });
  using _ = sender;
  outbox.add("a", "b");
  sender.wake();
  const [refused, accepted] = await until(2);
  assert.match(
    refused!,
    /^refused a timeout: Cannot tell .* no answer 4 times.* may have arrived: history bob/,
  );
  assert.equal(accepted, "accepted b");
  assert.equal(tries, 4);
});

Deno.test("OutboxSender tells once why a message waits, and knows it until the server answers for one", async () => {
  const outbox = new FakeOutbox();
  const held: string[] = [];
  const stored = Promise.withResolvers<void>();
  let refusals = 3;
  using sender: OutboxSender = new OutboxSender({
    outbox,
    send: ({ id }) => {
      if (refusals-- > 0) return Promise.reject(new ChatError("unavailable", "the disk is full"));
      assert.equal(sender.heldUp?.message, "the disk is full");
      return Promise.resolve({ id, sequence: 1, storedAt: 1, duplicate: false });
    },
    onOutcome: () => stored.resolve(),
    onHeldUp: ({ id }, { message }) => held.push(`${id}: ${message}`),
    onFault: () => {},
    retryMs: 1,
  });
  outbox.add("a");
  sender.wake();
  await stored.promise;
  assert.deepEqual(held, ["a: the disk is full"]);
  assert.equal(sender.heldUp, null);
});

Deno.test("OutboxSender does not cut a pause short for a message that is added, but for a new connection", async () => {
  const outbox = new FakeOutbox();
  let asked = Promise.withResolvers<void>();
  let tries = 0;
  const { sender, until } = senderOf(outbox, () => {
    tries++;
    asked.resolve();
    return tries === 1 ? new ChatError("rate_limited", "too fast", { retryAfterMs: 60_000 }) : null;
  });
  using _ = sender;
  outbox.add("a");
  sender.wake();
  await asked.promise;
  asked = Promise.withResolvers();
  await new Promise((resolve) => setTimeout(resolve)); // the refusal has been taken in
  outbox.add("b");
  sender.wake();
  assert.equal(tries, 1);
  sender.resume();
  assert.deepEqual(await until(2), ["accepted a", "accepted b"]);
});

Deno.test("OutboxSender outlives a fault of the server that passes", async () => {
  const outbox = new FakeOutbox();
  const faults = new Map([["a", 3], ["b", 3]]);
  const { sender, until } = senderOf(outbox, ({ id }) => {
    const left = faults.get(id)!;
    faults.set(id, left - 1);
    return left > 0 ? new ChatError("internal", "Something went wrong") : null;
  });
  using _ = sender;
  outbox.add("a", "b");
  sender.wake();
  assert.deepEqual(await until(2), ["accepted a", "accepted b"]);
});

Deno.test("OutboxSender says once that its records cannot be kept now, and goes on by itself when they can", async () => {
  const outbox = new FakeOutbox();
  let failures = 3;
  const accepted = outbox.accepted.bind(outbox);
  outbox.accepted = (id) => {
    if (failures-- > 0) throw new ChatError("unavailable", "Cannot use it now", { retryAfterMs: 1 });
    accepted(id);
  };
  const { sender, until } = senderOf(outbox, () => null);
  using _ = sender;
  outbox.add("a");
  sender.wake();
  assert.deepEqual(await until(2), ["fault ChatError: Cannot use it now", "accepted a"]);
});

Deno.test("OutboxSender does not read back the only message in the outbox, unless it could not be sent", async () => {
  const outbox = new FakeOutbox();
  let reads = 0;
  const first = outbox.first.bind(outbox);
  outbox.first = () => {
    reads++;
    return first();
  };
  const failed = Promise.withResolvers<void>();
  let isBroken = false;
  const { sender, until } = senderOf(outbox, () => {
    if (!isBroken) return;
    failed.resolve();
    return new ConnectionError("lost");
  });
  using _ = sender;
  const write = (id: string) => {
    outbox.add(id);
    sender.wake(outbox.waiting.length === 1 ? outbox.waiting[0] : undefined);
  };
  sender.resume();
  assert.equal(reads, 1, "what earlier programs left is looked for");
  write("a");
  await until(1);
  assert.equal(reads, 2, "only the next message was looked for");
  isBroken = true;
  write("b");
  await failed.promise;
  write("c");
  isBroken = false;
  sender.resume();
  assert.deepEqual(await until(3), ["accepted a", "accepted b", "accepted c"]);
});

Deno.test("retryAfterMs() leaves a pause where the server asks for none: a client once sent hundreds of times a second", () => {
  assert.equal(retryAfterMs(new ChatError("rate_limited", "too fast", { retryAfterMs: 0 })), 50);
  assert.equal(retryAfterMs(new ChatError("rate_limited", "too fast", { retryAfterMs: 70 })), 70);
  assert.equal(retryAfterMs(new ChatError("not_found", "nobody")), undefined);
});
