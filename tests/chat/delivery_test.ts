import assert from "node:assert/strict";
import { Delivery, type SessionPeer } from "../../lib/chat/delivery.ts";
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
  notify(_method: string, params: unknown): void {
    this.received.push((params as StoredMessage).sequence);
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

function range(from: number, to: number): number[] {
  return Array.from({ length: to - from + 1 }, (_, i) => from + i);
}

Deno.test("Delivery hands over what waits, page by page, then what is committed", async () => {
  const [peer, mailbox] = [new FakePeer(), new FakeMailbox()];
  for (const n of range(1, 8)) mailbox.messages.push(message(n));
  const delivery = new Delivery(1, 2, peer, mailbox);
  await delivery.run();
  assert.deepEqual(peer.received, range(3, 8));
  const { reads } = mailbox;
  delivery.offer(message(9), 8);
  assert.deepEqual(peer.received, range(3, 9));
  assert.equal(mailbox.reads, reads);
});

Deno.test("Delivery loses nothing and doubles nothing that is committed while a page is read", async () => {
  const [peer, mailbox] = [new FakePeer(), new FakeMailbox()];
  const delivery = new Delivery(1, 0, peer, mailbox);
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
  const delivery = new Delivery(1, 0, peer, mailbox);
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

Deno.test("Delivery does not go back to what was handed over", async () => {
  const [peer, mailbox] = [new FakePeer(), new FakeMailbox()];
  const delivery = new Delivery(1, 5, peer, mailbox);
  await delivery.run();
  delivery.offer(message(5), 4);
  delivery.offer(message(6), 5);
  delivery.offer(message(6), 5);
  assert.deepEqual(peer.received, [6]);
});

Deno.test("Delivery reads from the store when something that was committed elsewhere lies before the offered message", async () => {
  const [peer, mailbox] = [new FakePeer(), new FakeMailbox()];
  mailbox.messages.push(message(1));
  const delivery = new Delivery(1, 0, peer, mailbox);
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
  const delivery = new Delivery(1, 0, peer, mailbox);
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
  const delivery = new Delivery(1, 0, peer, mailbox);
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
  const delivery = new Delivery(1, 0, peer, {
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
  const delivery = new Delivery(1, 0, peer, mailbox);
  mailbox.onRead = () => mailbox.reads === 2 && delivery.stop();
  await delivery.run();
  assert.deepEqual(peer.received, [1, 2, 3]);
  delivery.offer(message(10), 9);
  assert.deepEqual(peer.received, [1, 2, 3]);
});

Deno.test("Delivery closes a connection whose mailbox cannot be read", async () => {
  const peer = new FakePeer();
  let fails = false;
  const delivery = new Delivery(1, 0, peer, {
    listMailbox: () =>
      fails ? Promise.reject(new Error("disk")) : Promise.resolve({ messages: [], next: null }),
  });
  await delivery.run();
  fails = true;
  peer.stall();
  delivery.offer(message(1), 0);
  peer.flow();
  await waitUntil("the connection is closed", () => peer.closed !== "");
  assert.match(peer.closed, /mailbox/);
});
