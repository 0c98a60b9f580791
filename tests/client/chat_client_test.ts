import assert from "node:assert/strict";
import fc from "fast-check";
import { ChatClient, type ChatRecords } from "../../lib/client/chat_client.ts";
import { ChatError, ConnectionError } from "../../lib/errors.ts";

/** Records that hold one cursor and no outbox. */
function recordsAt(readCursor: number): ChatRecords {
  return {
    add: () => {
      throw new Error("nothing is written in these tests");
    },
    first: () => null,
    accepted: () => {},
    refused: () => {},
    dismissRefused: () => {},
    readCursor: () => readCursor,
    saveReadCursor: () => {},
    seen: () => {},
    keepHistory: () => {},
    forgetWriter: () => {},
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

Deno.test("ChatClient asks for its messages again when the server's database was away as it asked", async () => {
  // A PostgreSQL that came back after a second once left clients without messages until their next connection.
  let refusals = 2;
  const link = new ScriptedLink((method) => {
    if (method !== "subscribe") return {};
    return refusals-- > 0 ? full() : { upTo: 9 };
  });
  using client = new ChatClient(link, recordsAt(5), {});
  await client.signedIn({ readSequence: 0 });
  assert.deepEqual(await link.until("subscribe", 3), [{ after: 5 }, { after: 5 }, { after: 5 }]);
  client.event("message_received", message(9));
  assert.equal(await client.caughtUp, 9);
});

Deno.test("ChatClient leaves it to the next connection to ask for messages once the one before is lost", async () => {
  let isAway = true;
  const link = new ScriptedLink((method) => {
    if (method !== "subscribe") return {};
    return isAway ? full() : { upTo: 0 };
  });
  using client = new ChatClient(link, recordsAt(0), {});
  const first = client.signedIn({ readSequence: 0 });
  await link.until("subscribe", 1);
  isAway = false;
  await client.signedIn({ readSequence: 0 });
  await assert.rejects(first, ConnectionError);
  assert.equal((await link.until("subscribe", 2)).length, 2);
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

/** A server with one mailbox; events and replies reach the client in order, and when the test lets them. */
class MailboxServer extends ScriptedLink {
  readonly sequences: number[] = [];
  /** How many messages were put on the wire. */
  handed = 0;
  readonly #wire: (() => void)[] = [];
  #position = Infinity; // of the delivery; none before the first subscribe

  constructor() {
    super(() => ({}));
  }

  override request(method: string, params?: unknown): Promise<unknown> {
    if (method !== "subscribe") return Promise.resolve({});
    const upTo = this.sequences.at(-1) ?? 0;
    this.#position = Math.min((params as { after: number }).after, upTo);
    return new Promise((resolve) => this.#wire.push(() => resolve({ upTo })));
  }

  /** Puts the next message of the delivery on the wire, if there is one. */
  hand(client: ChatClient): void {
    const next = this.sequences.find((sequence) => sequence > this.#position);
    if (next === undefined) return;
    this.#position = next;
    this.handed++;
    this.#wire.push(() => client.event("message_received", message(next)));
  }

  /** Lets so much of what is on its way arrive. */
  async arrive(count: number): Promise<void> {
    for (const line of this.#wire.splice(0, count)) line();
    await new Promise((resolve) => setTimeout(resolve)); // what follows from it has been asked
  }

  /** Breaks the connection: what is on its way is lost. */
  cut(): void {
    this.#wire.length = 0;
    this.#position = Infinity;
  }
}

Deno.test("ChatClient holds little of a large mailbox, and shows all of it once and in order, whatever comes between", async () => {
  const MAX_HELD = 10;
  await fc.assert(
    fc.asyncProperty(
      fc.array(
        fc.oneof(
          fc.record({ kind: fc.constant("send" as const), count: fc.integer({ min: 1, max: 30 }) }),
          fc.record({ kind: fc.constant("hand" as const), count: fc.integer({ min: 1, max: 30 }) }),
          fc.record({ kind: fc.constant("arrive" as const), count: fc.integer({ min: 1, max: 30 }) }),
          fc.record({ kind: fc.constant("show" as const), count: fc.integer({ min: 1, max: MAX_HELD }) }),
        ),
        { maxLength: 60 },
      ),
      async (steps) => {
        const server = new MailboxServer();
        using client = new ChatClient(server, recordsAt(0), {}, MAX_HELD * 310);
        client.signedIn({ readSequence: 0 });
        const shown: number[] = [];
        const show = async (count: number) => {
          const some = client.unread.slice(0, count).map(({ sequence }) => sequence);
          shown.push(...some);
          if (some.length > 0) await client.shown(some.at(-1)!);
        };
        for (const { kind, count } of steps) {
          if (kind === "send") {
            for (let n = 0; n < count; n++) server.sequences.push((server.sequences.at(-1) ?? 0) + 2);
          } else if (kind === "hand") { for (let n = 0; n < count; n++) server.hand(client); }
          else if (kind === "arrive") await server.arrive(count);
          else await show(count);
          assert.ok(client.unread.length <= MAX_HELD, `${client.unread.length} are held`);
        }
        for (let round = 0; round < 1_000 && shown.length < server.sequences.length; round++) {
          for (let n = 0; n < 50; n++) server.hand(client);
          await server.arrive(60);
          await show(MAX_HELD);
        }
        assert.deepEqual(shown, server.sequences);
      },
    ),
    { numRuns: 100 },
  );
});

Deno.test("ChatClient has the server send no more than it holds, and goes on after a broken connection", async () => {
  const server = new MailboxServer();
  for (let n = 1; n <= 5_000; n++) server.sequences.push(n);
  using client = new ChatClient(server, recordsAt(0), {}, 100 * 310);
  client.signedIn({ readSequence: 0 });
  const shown: number[] = [];
  for (let round = 0; shown.length < 5_000 && round < 1_000; round++) {
    for (let n = 0; n < 20; n++) server.hand(client);
    await server.arrive(30);
    if (round % 50 === 49) {
      server.cut();
      client.signedIn({ readSequence: 0 });
    }
    if (client.unread.length < 100) continue;
    shown.push(...client.unread.map(({ sequence }) => sequence));
    await client.shown(shown.at(-1)!);
  }
  assert.deepEqual(shown, server.sequences);
  assert.ok(server.handed < 10_000, `${server.handed} messages were sent for 5,000`);
});

const acknowledgements = (link: ScriptedLink) =>
  link.asked.filter(({ method }) => method === "acknowledge").length;

Deno.test("ChatClient shows a message once that comes again under a new sequence, as the server was restored without it", async () => {
  for (const isShownBefore of [true, false]) {
    const link = new ScriptedLink((method) => method === "subscribe" ? { upTo: 7 } : {});
    const arrived: number[] = [];
    let saved = 0;
    using client = new ChatClient(
      link,
      { ...recordsAt(5), saveReadCursor: (sequence) => saved = sequence },
      { onMessage: ({ sequence }) => arrived.push(sequence) },
    );
    await client.signedIn({ readSequence: 5 });
    client.event("message_received", message(6));
    client.event("message_received", message(7));
    if (isShownBefore) await client.shown(7);
    // The connection breaks; what the server has of this device is older than what the device has seen.
    await client.signedIn({ readSequence: 4 });
    client.event("message_received", { ...message(7), sequence: 1_000 });
    if (!isShownBefore) await client.shown(7);
    const isTold = ({ method, params }: { method: string; params: unknown }) =>
      method === "acknowledge" && JSON.stringify(params) === '{"delivered":1000,"read":1000}';
    while (!link.asked.some(isTold)) await link.until("acknowledge", acknowledgements(link) + 1);
    assert.equal(saved, 1_000, "the next program does not show it either");
    assert.deepEqual(client.unread, []);
    client.event("message_received", message(1_001));
    assert.deepEqual(arrived, [6, 7, 1_001]);
    assert.deepEqual(client.unread.map(({ sequence }) => sequence), [1_001]);
  }
});

Deno.test("passOver() makes room without noting anything as read", async () => {
  const server = new MailboxServer();
  for (let n = 1; n <= 50; n++) server.sequences.push(n);
  let noted = 0;
  const records = { ...recordsAt(0), saveReadCursor: () => noted++ };
  using client = new ChatClient(server, records, {}, 10 * 310);
  client.signedIn({ readSequence: 0 });
  const seen: number[] = [];
  for (let round = 0; round < 100 && seen.length < 50; round++) {
    for (let n = 0; n < 20; n++) server.hand(client);
    await server.arrive(30);
    seen.push(...client.unread.map(({ sequence }) => sequence));
    if (client.unread.length > 0) client.passOver(seen.at(-1)!);
  }
  assert.deepEqual(seen, server.sequences);
  assert.equal(noted, 0);
});

/** A server that keeps one conversation and gives it in pages of two. */
class Conversation extends ScriptedLink {
  /** Sequences of its messages. */
  readonly sequences: number[];

  constructor(sequences: number[]) {
    super(() => {
      throw new Error("only pages are asked for");
    });
    this.sequences = sequences;
  }

  override async request(method: string, params?: unknown): Promise<unknown> {
    const { before = Infinity } = params as { before?: number };
    this.asked.push({ method, params });
    const older = this.sequences.filter((sequence) => sequence < before);
    const page = older.slice(-2);
    return await Promise.resolve({
      messages: page.map((sequence) => ({ ...message(sequence), to: "bob" })),
      next: older.length > 2 ? page[0]! : null,
    });
  }
}

Deno.test("historyFromStart() gives a conversation in order and holds one page of it", async () => {
  for (const length of [0, 1, 2, 3, 4, 7, 8]) {
    const all = Array.from({ length }, (_, index) => 10 * index + 3);
    const link = new Conversation([...all]);
    using client = new ChatClient(link, recordsAt(0));
    const given: number[][] = [];
    for await (const page of client.historyFromStart("bob")) given.push(page.map(({ sequence }) => sequence));
    assert.deepEqual(given.flat(), all);
    assert.ok(given.every((page) => page.length <= 2));
    const pages = Math.max(1, Math.ceil(length / 2));
    assert.equal(link.asked.length, 2 * pages - 1, "only the oldest page is asked for once");
  }
});

Deno.test("historyFromStart() leaves nothing out and gives nothing twice when the conversation changes meanwhile", async () => {
  const link = new Conversation([1, 2, 3, 4, 5, 6, 7]);
  using client = new ChatClient(link, recordsAt(0));
  const given: number[] = [];
  for await (const page of client.historyFromStart("bob")) {
    given.push(...page.map(({ sequence }) => sequence));
    if (given.length === 1) link.sequences.push(8, 9, 10, 11, 12);
    if (given.length === 3) link.sequences.splice(link.sequences.indexOf(5), 1); // it has expired
  }
  assert.deepEqual(given, [1, 2, 3, 4, 6, 7, 8, 9, 10, 11, 12]);
});

Deno.test("ChatClient stops with an error when the server's list of users leads back to its start", async () => {
  const link = new ScriptedLink(() => ({ users: [], next: "bob" }));
  using client = new ChatClient(link, recordsAt(0), {});
  await assert.rejects(Array.fromAsync(client.users()), /Cannot read on: .* bob .*tell its operator/);
  assert.deepEqual(link.asked.map(({ params }) => params), [{}, { after: "bob" }]);
});
