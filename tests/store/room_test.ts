import { deepEqual, equal } from "node:assert/strict";
import fc from "fast-check";
import { ChatError } from "../../lib/errors.ts";
import type { ServerStore } from "../../lib/chat/operator_store.ts";
import { UnreadParts } from "../../lib/store/unread_parts.ts";
import { addPerson, type Person, readMailbox, refused, send, storeTest } from "./store_helpers.ts";

/** Sends until it is refused; how many were taken. */
async function fill(store: ServerStore, from: Person, to: string, text = "x"): Promise<number> {
  for (let taken = 0;; taken++) {
    try {
      await send(store, from, to, text);
    } catch (error) {
      equal((error as ChatError).code, "mailbox_full");
      return taken;
    }
  }
}

storeTest(
  "nobody fills a mailbox for others: each takes half of what is left, strangers together half of all",
  async (newStore) => {
    await using s = await newStore({ mailboxMessages: 16 });
    const bob = await addPerson(s.store, "bob");
    const friends = [await addPerson(s.store, "ana"), await addPerson(s.store, "cid")];
    for (const { name } of friends) await send(s.store, bob, name, "hello");
    const strangers: Person[] = [];
    for (let nth = 1; nth <= 5; nth++) strangers.push(await addPerson(s.store, `eve${nth}`));
    const taken: number[] = [];
    for (const sender of [...strangers, ...friends, bob]) taken.push(await fill(s.store, sender, "bob"));
    deepEqual(taken, [4, 2, 1, 1, 0, 4, 2, 2]);
    await refused(
      send(s.store, strangers[4]!, "bob", "x"),
      "mailbox_full",
      /^Cannot send as the mailbox of bob has no more room for you: bob must read messages first$/,
    );
    // One reading makes room for whom it was full.
    const [first] = await readMailbox(s.store, bob.accountId);
    await s.store.acknowledge({ ...bob, read: first!.sequence });
    equal(await fill(s.store, friends[1]!, "bob"), 0);
    equal(await fill(s.store, bob, "bob"), 1);
    deepEqual(await s.store.checkIntegrity(), []);
  },
);

storeTest("nobody fills the bytes of a mailbox for others", async (newStore) => {
  await using s = await newStore({ mailboxBytes: 160 });
  const bob = await addPerson(s.store, "bob");
  const taken: number[] = [];
  for (const name of ["eve1", "eve2", "eve3"]) {
    taken.push(await fill(s.store, await addPerson(s.store, name), "bob", "é".repeat(5)));
  }
  deepEqual(taken, [4, 2, 1]);
  equal(await fill(s.store, bob, "bob", "é".repeat(5)), 9);
});

/** How many more a stranger gets into a mailbox whose strangers may fill 300. */
function roomOf(unread: readonly { readonly from: string }[], name: string): number {
  let [all, own] = [unread.length, unread.filter(({ from }) => from === name).length];
  let room = 0;
  for (; all + own < 300; room++, all++, own++);
  return room;
}

storeTest("what one sender has unread is counted right, however the owner reads", async (newStore) => {
  await using s = await newStore({ mailboxMessages: 600 });
  const [ana, bob, eve] = [
    await addPerson(s.store, "ana"),
    await addPerson(s.store, "bob"),
    await addPerson(s.store, "eve"),
  ];
  equal(await fill(s.store, ana, "bob"), 150);
  await Promise.all(Array.from({ length: 40 }, () => send(s.store, eve, "bob", "x")));
  let read = 0;
  for (const toRead of [1, 2, 40, 60, 5, 100]) {
    read = (await readMailbox(s.store, bob.accountId, read))[toRead - 1]!.sequence;
    await s.store.acknowledge({ ...bob, read });
    const room = roomOf(await readMailbox(s.store, bob.accountId, read), "ana");
    equal(await fill(s.store, ana, "bob"), room, `after ${toRead}`);
  }
});

storeTest(
  "two that serve one store share out a mailbox as one does, whoever takes and whoever reads",
  async (newStore) => {
    const limits = { mailboxMessages: 600 };
    await using s = await newStore(limits);
    await using other = await s.again({ limits, now: s.clock.now });
    const [ana, bob, eve] = [
      await addPerson(s.store, "ana"),
      await addPerson(s.store, "bob"),
      await addPerson(s.store, "eve"),
    ];
    await Promise.allSettled(
      Array.from({ length: 400 }, (_, index) => send(index % 2 === 0 ? s.store : other, ana, "bob", "x")),
    );
    equal((await readMailbox(s.store, bob.accountId)).length, 150);
    await Promise.all(Array.from({ length: 40 }, () => send(other, eve, "bob", "x")));
    let read = 0;
    for (
      const [reader, taker, toRead] of [[other, s.store, 60], [s.store, other, 70], [
        other,
        s.store,
        30,
      ]] as const
    ) {
      read = (await readMailbox(s.store, bob.accountId, read))[toRead - 1]!.sequence;
      await reader.acknowledge({ accountId: bob.accountId, deviceId: bob.deviceId, read });
      const room = roomOf(await readMailbox(s.store, bob.accountId, read), "ana");
      equal(await fill(taker, ana, "bob"), room, `after ${toRead}`);
    }
    deepEqual(await s.store.checkIntegrity(), []);
  },
);

Deno.test("UnreadParts counts anew what was read beyond its count", () => {
  const parts = new UnreadParts();
  const mailbox = { accountId: 1, highestSequence: 100, readSequence: 0 };
  deepEqual(parts.add(mailbox, 2, { messages: 60, bytes: 600 }), { messages: 60, bytes: 600 });
  equal(parts.countAbove(mailbox, 2), 100);
  // Ten more come while nobody has to count, and the owner reads five of these too.
  parts.read(mailbox, 105, new Map([[2, { messages: 65, bytes: 650 }]]));
  const later = { ...mailbox, highestSequence: 110, readSequence: 105 };
  equal(parts.countAbove(later, 2), 105);
  deepEqual(parts.add(later, 2, { messages: 5, bytes: 50 }), { messages: 5, bytes: 50 });
});

/** What is done at one moment: these sends, or that somebody reads his oldest messages. */
type Moment =
  | { readonly sends: readonly { from: number; to: number; id: number; bytes: number }[] }
  | { readonly reader: number; readonly messages: number };

const NAMES = ["ana", "bob", "eve", "ida"];
const person = fc.nat({ max: NAMES.length - 1 });
const moment: fc.Arbitrary<Moment> = fc.oneof(
  {
    weight: 3,
    arbitrary: fc.record({
      sends: fc.array(
        fc.record({
          from: person,
          to: person,
          id: fc.nat({ max: 40 }),
          bytes: fc.integer({ min: 1, max: 9 }),
        }),
        { minLength: 1, maxLength: 14 },
      ),
    }),
  },
  { weight: 1, arbitrary: fc.record({ reader: person, messages: fc.integer({ min: 1, max: 8 }) }) },
);

interface Kept {
  readonly from: number;
  readonly to: number;
  readonly bytes: number;
  isRead: boolean;
}

/** The rule in the simplest words: everything is counted each time. */
class Model {
  readonly #limits: { readonly mailboxMessages: number; readonly mailboxBytes: number };
  readonly #messages = new Map<string, Kept>();

  constructor(limits: { readonly mailboxMessages: number; readonly mailboxBytes: number }) {
    this.#limits = limits;
  }

  send({ from, to, id, bytes }: { from: number; to: number; id: number; bytes: number }): string {
    const key = `${from} ${id}`;
    const before = this.#messages.get(key);
    if (before !== undefined) return before.to === to && before.bytes === bytes ? "duplicate" : "conflict";
    const all = [...this.#messages.values()];
    const unread = all.filter((message) => message.to === to && !message.isRead);
    const own = from === to ? [] : unread.filter((message) => message.from === from);
    const isKnown = from === to || all.some((message) => message.from === to && message.to === from);
    const { mailboxMessages, mailboxBytes } = this.#limits;
    const counted = [...unread, ...own];
    const sum = counted.reduce((bytes, message) => bytes + message.bytes, bytes);
    const part = isKnown ? 1 : 0.5;
    if (counted.length >= mailboxMessages * part || sum > mailboxBytes * part) return "mailbox_full";
    this.#messages.set(key, { from, to, bytes, isRead: false });
    return "stored";
  }

  read(reader: number, messages: number): void {
    const unread = [...this.#messages.values()].filter(({ to, isRead }) => to === reader && !isRead);
    for (const message of unread.slice(0, messages)) message.isRead = true;
  }
}

storeTest("messages of one moment are taken and refused as if they had come one by one", async (newStore) => {
  const limits = { mailboxMessages: 12, mailboxBytes: 60 };
  await using s = await newStore(limits);
  let run = 0;
  await fc.assert(
    fc.asyncProperty(fc.array(moment, { minLength: 3, maxLength: 12 }), async (moments) => {
      run++;
      const people: Person[] = [];
      for (const name of NAMES) people.push(await addPerson(s.store, `${name}${run}`));
      const model = new Model(limits);
      for (const [place, made] of moments.entries()) {
        if ("reader" in made) {
          const { accountId, deviceId } = people[made.reader]!;
          const after = await s.store.readSequence(accountId, deviceId);
          const waiting = await readMailbox(s.store, accountId, after);
          const read = waiting.slice(0, made.messages).at(-1)?.sequence;
          if (read !== undefined) await s.store.acknowledge({ accountId, deviceId, read });
          model.read(made.reader, made.messages);
          continue;
        }
        const outcomes = await Promise.all(made.sends.map(({ from, to, id, bytes }) =>
          s.store.sendMessage({
            senderId: people[from]!.accountId,
            id: `m${id}`,
            to: people[to]!.name,
            text: "x".repeat(bytes),
          }).then(({ isDuplicate }) => isDuplicate ? "duplicate" : "stored", (error: ChatError) => error.code)
        ));
        deepEqual(outcomes, made.sends.map((sent) => model.send(sent)), `moment ${place}`);
      }
    }),
    { numRuns: 15, endOnFailure: true },
  );
  deepEqual(await s.store.checkIntegrity(), []);
});
