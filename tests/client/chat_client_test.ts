import assert from "node:assert/strict";
import { ChatClient, type ChatRecords } from "../../lib/client/chat_client.ts";
import { ChatError } from "../../lib/errors.ts";

/** Records that hold one cursor and no outbox. */
function recordsAt(readCursor: number): ChatRecords {
  return {
    add: () => {
      throw new Error("nothing is written in these tests");
    },
    first: () => null,
    accepted: () => {},
    refused: () => {},
    readCursor: () => readCursor,
    saveReadCursor: () => {},
  };
}

/** A server that answers requests by `answer`, and remembers them. */
class ScriptedLink {
  readonly asked: { method: string; params: unknown }[] = [];
  readonly #answer: (method: string) => unknown;
  #changed = Promise.withResolvers<void>();

  constructor(answer: (method: string) => unknown) {
    this.#answer = answer;
  }

  async request(method: string, params?: unknown): Promise<unknown> {
    this.asked.push({ method, params });
    this.#changed.resolve();
    this.#changed = Promise.withResolvers<void>();
    return await this.#answer(method);
  }

  /** The parameters of every request of this kind, once there are so many. */
  async until(method: string, amount: number): Promise<unknown[]> {
    for (;;) {
      const found = this.asked.filter((one) => one.method === method).map(({ params }) => params);
      if (found.length >= amount) return found;
      await this.#changed.promise;
    }
  }
}

const full = () => {
  throw new ChatError("unavailable", "Cannot store anything now: the disk is full", { retryAfterMs: 1 });
};

function message(sequence: number) {
  const id = `01920000-0000-7000-8000-${String(sequence).padStart(12, "0")}`;
  return { sequence, id, from: "ana", text: "hello", storedAt: 0 };
}

Deno.test("ChatClient subscribes although the server cannot note cursors now, and notes them once it can", async () => {
  // A server whose disk was full at the moment of a reconnect once left its client without live messages.
  let isFull = true;
  const link = new ScriptedLink((method) => {
    if (method === "subscribe") return { upTo: 0 };
    return isFull ? full() : {};
  });
  const faults: unknown[] = [];
  using client = new ChatClient(link, recordsAt(5), { onFault: (error) => faults.push(error) });
  await client.signedIn({ readSequence: 3 });
  assert.deepEqual(await link.until("subscribe", 1), [{ after: 5 }]);
  await link.until("acknowledge", 2);
  isFull = false;
  const told = await link.until("acknowledge", link.asked.length);
  assert.deepEqual(told.at(-1), { delivered: 5, read: 5 });
  assert.deepEqual(faults, []);
});

Deno.test("ChatClient says again how far it is when the server could not store that", async () => {
  let refusals = 2;
  const link = new ScriptedLink((method) => {
    if (method === "subscribe") return { upTo: 9 };
    return refusals-- > 0 ? full() : {};
  });
  const faults: unknown[] = [];
  using client = new ChatClient(link, recordsAt(0), { onFault: (error) => faults.push(error) });
  await client.signedIn({ readSequence: 0 });
  client.event("message_received", message(9));
  await client.shown(9);
  const told = await link.until("acknowledge", 3);
  assert.deepEqual(told.at(-1), { delivered: 9, read: 9 });
  assert.deepEqual(faults, []);
});

Deno.test("ChatClient tells a cursor once, and nothing that is no news", async () => {
  const link = new ScriptedLink((method) => method === "subscribe" ? { upTo: 9 } : {});
  using client = new ChatClient(link, recordsAt(0), {});
  await client.signedIn({ readSequence: 0 });
  client.event("message_received", message(9));
  await client.shown(9);
  await client.shown(9);
  assert.deepEqual(await link.until("acknowledge", 1), [{ delivered: 9, read: 9 }]);
});
