import assert from "node:assert/strict";
import { Delivery, type DeliveryOptions, type SessionPeer } from "../../lib/chat/delivery.ts";
import type { StoredMessage } from "../../lib/chat/store.ts";
import { ChatError } from "../../lib/errors.ts";
import { waitUntil } from "../helpers/wait_until.ts";

function message(sequence: number): StoredMessage {
  return {
    sequence,
    id: `id-${sequence}`,
    from: "ana",
    to: "bob",
    text: `text ${sequence}`,
    storedAt: sequence,
  };
}

/** A peer that notes what it is told, and is slow when told to be. */
class FakePeer implements SessionPeer {
  readonly id = "c1";
  readonly remoteAddress = "192.0.2.1";
  readonly connection = this;
  readonly received: number[] = [];
  closed = "";
  isClosing = false;
  isBacklogged = false;
  stallAfter = Infinity; // so many messages
  #waiting = Promise.withResolvers<void>();
  drained(): Promise<void> {
    return this.isBacklogged ? this.#waiting.promise : Promise.resolve();
  }
  stall(): void {
    this.isBacklogged = true;
    this.#waiting = Promise.withResolvers<void>();
  }
  flow(): void {
    this.isBacklogged = false;
    this.#waiting.resolve();
  }
  keep(): void {}
  notify(_method: string, params: unknown): void {
    this.received.push((params as StoredMessage).sequence);
    if (this.received.length === this.stallAfter) this.stall();
  }
  close(reason: string): void {
    this.closed = reason;
  }
}

/** A mailbox in memory, in pages of three. */
class FakeMailbox {
  readonly messages: StoredMessage[] = [];
  reads = 0;
  onRead: () => void = () => {};
  listMailbox({ after }: { after: number }): Promise<{ messages: StoredMessage[]; next: number | null }> {
    this.reads++;
    const waiting = this.messages.filter(({ sequence }) => sequence > after);
    const page = waiting.slice(0, 3);
    this.onRead();
    return Promise.resolve({ messages: page, next: waiting.length > 3 ? page.at(-1)!.sequence : null });
  }
}

/** A delivery above a sequence, whose store is not expected to fail. */
function deliver(
  after: number,
  peer: SessionPeer,
  store: DeliveryOptions["store"],
  onFault: DeliveryOptions["onFault"] = (error) => assert.fail(String(error)),
): Delivery {
  return new Delivery({ accountId: 1, after, peer, store, onFault });
}

function range(from: number, to: number): number[] {
  return Array.from({ length: to - from + 1 }, (_, i) => from + i);
}

Deno.test("Delivery hands over what waits, page by page, then what is committed", async () => {
  const [peer, mailbox] = [new FakePeer(), new FakeMailbox()];
  for (const n of range(1, 8)) mailbox.messages.push(message(n));
  const delivery = deliver(2, peer, mailbox);
  await delivery.run();
  assert.deepEqual(peer.received, range(3, 8));
  const { reads } = mailbox;
  delivery.offer(message(9), 8);
  assert.deepEqual(peer.received, range(3, 9));
  assert.equal(mailbox.reads, reads);
});

Deno.test("Delivery loses nothing and doubles nothing that is committed while a page is read", async () => {
  const [peer, mailbox] = [new FakePeer(), new FakeMailbox()];
  const delivery = deliver(0, peer, mailbox);
  let next = 1;
  mailbox.onRead = () => {
    if (next > 5) return;
    const committed = message(next++);
    mailbox.messages.push(committed);
    delivery.offer(committed, committed.sequence - 1);
  };
  await delivery.run();
  assert.deepEqual(peer.received, range(1, 5));
});

Deno.test("Delivery holds nothing for a slow reader, and catches up from the store", async () => {
  const [peer, mailbox] = [new FakePeer(), new FakeMailbox()];
  const delivery = deliver(0, peer, mailbox);
  await delivery.run();
  peer.stall();
  for (const n of range(1, 100)) {
    mailbox.messages.push(message(n));
    delivery.offer(message(n), n - 1);
  }
  assert.deepEqual(peer.received, []);
  peer.flow();
  await waitUntil("the reader has caught up", () => peer.received.length >= 100);
  delivery.offer(message(101), 100);
  assert.deepEqual(peer.received, range(1, 101));
});

Deno.test("Delivery hands a page over no faster than it is taken, and reads it once", async () => {
  // A page of texts that JSON escapes lay in memory as 3 MiB for each connection that read nothing.
  const [peer, mailbox] = [new FakePeer(), new FakeMailbox()];
  mailbox.messages.push(...range(1, 12).map(message));
  const delivery = deliver(0, peer, mailbox);
  peer.stallAfter = 5;
  const running = delivery.run();
  await waitUntil("the reader has as much as it takes", () => peer.isBacklogged);
  await new Promise((resolve) => setTimeout(resolve, 0));
  assert.deepEqual(peer.received, range(1, 5));
  peer.flow();
  await running;
  assert.deepEqual(peer.received, range(1, 12));
  assert.equal(mailbox.reads, 4, "each page was read once");

  mailbox.messages.push(...range(13, 20).map(message));
  peer.stallAfter = 14;
  delivery.wake();
  await waitUntil("the reader has as much as it takes", () => peer.isBacklogged);
  delivery.stop();
  peer.flow();
  await new Promise((resolve) => setTimeout(resolve, 0));
  assert.deepEqual(peer.received, range(1, 14), "nothing more once it was stopped");
});

Deno.test("Delivery does not go back to what was handed over", async () => {
  const [peer, mailbox] = [new FakePeer(), new FakeMailbox()];
  const delivery = deliver(5, peer, mailbox);
  await delivery.run();
  delivery.offer(message(5), 4);
  delivery.offer(message(6), 5);
  delivery.offer(message(6), 5);
  assert.deepEqual(peer.received, [6]);
});

Deno.test("Delivery reads from the store when something that was committed elsewhere lies before the offered message", async () => {
  const [peer, mailbox] = [new FakePeer(), new FakeMailbox()];
  mailbox.messages.push(message(1));
  const delivery = deliver(0, peer, mailbox);
  await delivery.run();
  mailbox.messages.push(message(2), message(3));
  delivery.offer(message(3), 2);
  delivery.wake(); // the news of 2, which is late
  await waitUntil("all has been handed over", () => peer.received.length >= 3);
  delivery.offer(message(4), 3);
  assert.deepEqual(peer.received, range(1, 4));
});

Deno.test("Delivery looks into the store when it is woken, also in the middle of a page", async () => {
  const [peer, mailbox] = [new FakePeer(), new FakeMailbox()];
  const delivery = deliver(0, peer, mailbox);
  await delivery.run();
  mailbox.messages.push(message(1));
  mailbox.onRead = () => {
    if (mailbox.messages.length === 3) return;
    mailbox.messages.push(message(mailbox.messages.length + 1)); // after the page was made
    delivery.wake();
  };
  delivery.wake();
  await waitUntil("all has been handed over", () => peer.received.length >= 3);
  assert.deepEqual(peer.received, range(1, 3));
});

Deno.test("Delivery looks into the store once for each new height of its mailbox, also where nothing is left of it", async () => {
  const [peer, mailbox] = [new FakePeer(), new FakeMailbox()];
  const delivery = deliver(0, peer, mailbox);
  await delivery.run();
  mailbox.messages.push(message(1));
  delivery.lookUpTo(3); // 2 and 3 are there no more
  await waitUntil("1 has been handed over", () => peer.received.length >= 1);
  const { reads } = mailbox;
  delivery.lookUpTo(3);
  delivery.offer(message(4), 3);
  delivery.lookUpTo(4);
  assert.deepEqual([peer.received, mailbox.reads], [[1, 4], reads]);
});

Deno.test("Delivery asks a store that is away again, and keeps the connection", async () => {
  const [peer, mailbox] = [new FakePeer(), new FakeMailbox()];
  mailbox.messages.push(message(1));
  let failures = 3;
  const delivery = deliver(0, peer, {
    listMailbox: (page) =>
      failures-- > 0
        ? Promise.reject(new ChatError("unavailable", "The database is away", { retryAfterMs: 1 }))
        : mailbox.listMailbox(page),
  });
  await delivery.run();
  assert.deepEqual([peer.received, peer.closed], [[1], ""]);
});

Deno.test("Delivery stops when told, also in the middle of a page", async () => {
  const [peer, mailbox] = [new FakePeer(), new FakeMailbox()];
  for (const n of range(1, 9)) mailbox.messages.push(message(n));
  const delivery = deliver(0, peer, mailbox);
  mailbox.onRead = () => mailbox.reads === 2 && delivery.stop();
  await delivery.run();
  assert.deepEqual(peer.received, [1, 2, 3]);
  delivery.offer(message(10), 9);
  assert.deepEqual(peer.received, [1, 2, 3]);
});

Deno.test("Delivery says why a mailbox cannot be read, also when that is only later", async () => {
  // Of what failed after the first pages, once nobody learned the reason: not the log either.
  const peer = new FakePeer();
  const faults: unknown[] = [];
  let fails = false;
  const delivery = deliver(0, peer, {
    listMailbox: () =>
      fails ? Promise.reject(new Error("disk")) : Promise.resolve({ messages: [], next: null }),
  }, (error) => faults.push(error));
  await delivery.run();
  fails = true;
  peer.stall();
  delivery.offer(message(1), 0);
  peer.flow();
  await waitUntil("the fault is told", () => faults.length > 0);
  assert.deepEqual(faults, [new Error("disk")]);
});
