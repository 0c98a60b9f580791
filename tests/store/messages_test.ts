import { deepEqual, equal, ok } from "node:assert/strict";
import { addPerson, DAY_MS, readMailbox, refused, send, storeTest } from "./store_helpers.ts";

storeTest("sendMessage() stores the same id once, and answers it the same each time", async (newStore) => {
  await using s = await newStore();
  const ana = await addPerson(s.store, "ana");
  const bob = await addPerson(s.store, "bob");
  const message = { senderId: ana.accountId, id: "m1", to: "bob", text: 'Привет, "мир"! \u{1f44b}\0 end' };
  const first = await s.store.sendMessage(message);
  s.clock.at += 1_000;
  const [second, third] = await Promise.all([s.store.sendMessage(message), s.store.sendMessage(message)]);
  equal(first.previous, 0);
  deepEqual(second, { ...first, isDuplicate: true, previous: first.sequence });
  deepEqual(third, second);
  await refused(s.store.sendMessage({ ...message, text: "other" }), "conflict");
  await refused(s.store.sendMessage({ ...message, to: "ana" }), "conflict");
  equal(
    (await s.store.sendMessage({ ...message, senderId: bob.accountId })).isDuplicate,
    false,
    "another's id",
  );
  deepEqual((await readMailbox(s.store, bob.accountId)).map((stored) => [stored.from, stored.text]), [
    ["ana", message.text],
    ["bob", message.text],
  ]);
});

storeTest(
  "sendMessage() refuses an unknown recipient and one that blocks the sender, until it no longer does",
  async (newStore) => {
    await using s = await newStore();
    const ana = await addPerson(s.store, "ana");
    const bob = await addPerson(s.store, "bob");
    await refused(send(s.store, ana, "nobody", "x"), "not_found", /nobody/);
    const before = await send(s.store, ana, "bob", "before");
    await s.store.blockUser(bob.accountId, "ana");
    await s.store.blockUser(bob.accountId, "ana");
    await refused(send(s.store, ana, "bob", "x"), "blocked");
    equal(
      (await send(s.store, ana, "bob", "before", before.id)).isDuplicate,
      true,
      "what was taken stays taken",
    );
    await send(s.store, bob, "ana", "the other way is open");
    deepEqual(await s.store.listBlocked(bob.accountId), ["ana"]);
    await s.store.unblockUser(bob.accountId, "ana");
    await send(s.store, ana, "bob", "x");
    await refused(s.store.blockUser(bob.accountId, "bob"), "invalid");
    await refused(s.store.blockUser(bob.accountId, "nobody"), "not_found");
  },
);

storeTest(
  "sendMessage() fills a mailbox to its limit in messages and not beyond, until some are read",
  async (newStore) => {
    await using s = await newStore({ mailboxMessages: 3 });
    const ana = await addPerson(s.store, "ana");
    const bob = await addPerson(s.store, "bob");
    await send(s.store, bob, "ana", "hello");
    const sent = await Promise.all(
      [ana, bob, bob].map((from, index) => send(s.store, from, "bob", `${index}`)),
    );
    await refused(send(s.store, ana, "bob", "4"), "mailbox_full", /bob/);
    equal((await send(s.store, bob, "bob", "2", sent[2]!.id)).isDuplicate, true);
    await s.store.acknowledge({
      accountId: bob.accountId,
      deviceId: bob.deviceId,
      delivered: sent[2]!.sequence,
    });
    await refused(send(s.store, ana, "bob", "4"), "mailbox_full");
    await s.store.acknowledge({ accountId: bob.accountId, deviceId: bob.deviceId, read: sent[0]!.sequence });
    await send(s.store, ana, "bob", "4");
    await refused(send(s.store, ana, "bob", "5"), "mailbox_full");
  },
);

storeTest(
  "sendMessage() fills a mailbox to its limit in bytes of UTF-8, also after a restart",
  async (newStore) => {
    await using s = await newStore({ mailboxBytes: 10 });
    const ana = await addPerson(s.store, "ana");
    const bob = await addPerson(s.store, "bob");
    await send(s.store, bob, "bob", "éééé");
    await refused(send(s.store, bob, "bob", "abc"), "mailbox_full");
    await using again = await s.again({ limits: { mailboxBytes: 10 } });
    await refused(send(again, bob, "bob", "abc"), "mailbox_full");
    await send(again, bob, "bob", "ab");
    await refused(send(s.store, ana, "bob", "a"), "mailbox_full");
    deepEqual(await s.store.checkIntegrity(), []);
  },
);

storeTest(
  "sendMessage() makes room by dropping read history when a mailbox would keep too much",
  async (newStore) => {
    await using s = await newStore({ mailboxBytes: 100, historyBytes: 100 });
    const ana = await addPerson(s.store, "ana");
    const bob = await addPerson(s.store, "bob");
    for (let index = 0; index < 30; index++) {
      const { sequence } = await send(s.store, ana, "bob", "x".repeat(20));
      await s.store.acknowledge({ accountId: bob.accountId, deviceId: bob.deviceId, read: sequence });
    }
    const kept = await readMailbox(s.store, bob.accountId);
    equal(kept.length >= 5 && kept.length <= 10, true, `kept ${kept.length}`);
    deepEqual(await s.store.checkIntegrity(), []);
  },
);

storeTest(
  "listMailbox() gives pages by number and by bytes, at least one message each, in order",
  async (newStore) => {
    await using s = await newStore();
    const ana = await addPerson(s.store, "ana");
    const bob = await addPerson(s.store, "bob");
    const sequences: number[] = [];
    for (let index = 0; index < 10; index++) {
      sequences.push((await send(s.store, index % 3 === 0 ? bob : ana, "bob", "x".repeat(100))).sequence);
      await send(s.store, bob, "ana", "in between");
    }
    for (
      const [limit, maxBytes, size] of [[4, 1e6, 4], [100, 350, 3], [100, 10, 1], [10, 1e6, 10]] as const
    ) {
      const seen: number[] = [];
      let after: number | null = 0;
      while (after !== null) {
        const page = await s.store.listMailbox({ accountId: bob.accountId, after, limit, maxBytes });
        equal(page.messages.length <= size, true);
        seen.push(...page.messages.map((message) => message.sequence));
        after = page.next;
      }
      deepEqual(seen, sequences);
    }
    equal(await s.store.highestSequence(bob.accountId), sequences.at(-1));
    equal(await s.store.highestSequence(999), 0);
  },
);

storeTest(
  "sequences are never used again, even when the newest message was pruned and the store reopened",
  async (newStore) => {
    await using s = await newStore({ historyDays: 1 });
    const ana = await addPerson(s.store, "ana");
    const { sequence } = await send(s.store, ana, "ana", "to myself");
    await s.store.acknowledge({ accountId: ana.accountId, deviceId: ana.deviceId, read: sequence });
    s.clock.at += 2 * DAY_MS;
    equal((await s.store.prune()).messages, 1);
    equal(await s.store.highestSequence(ana.accountId), 0, "a subscriber is told of none that never comes");
    await using again = await s.again({ now: s.clock.now });
    equal((await send(again, ana, "ana", "next")).sequence > sequence, true);
    equal(await s.store.highestSequence(ana.accountId), sequence + 1);
  },
);

storeTest(
  "listHistory() merges both ways, newest page first, and says how far one's own messages got",
  async (newStore) => {
    await using s = await newStore();
    const ana = await addPerson(s.store, "ana");
    const bob = await addPerson(s.store, "bob");
    const eve = await addPerson(s.store, "eve");
    const sent = [];
    for (let index = 0; index < 7; index++) {
      sent.push(
        await send(s.store, index % 2 === 0 ? ana : bob, index % 2 === 0 ? "bob" : "ana", `${index}`),
      );
      await send(s.store, eve, "ana", "noise");
    }
    await s.store.acknowledge({
      accountId: bob.accountId,
      deviceId: bob.deviceId,
      delivered: sent[4]!.sequence,
    });
    await s.store.acknowledge({ accountId: bob.accountId, deviceId: bob.deviceId, read: sent[2]!.sequence });
    const page = { accountId: ana.accountId, with: "bob", limit: 4, maxBytes: 1_000 };

    const last = await s.store.listHistory({ ...page, before: null });
    deepEqual(last.messages.map((message) => [message.text, message.state]), [
      ["3", undefined],
      ["4", "delivered"],
      ["5", undefined],
      ["6", "stored"],
    ]);
    const first = await s.store.listHistory({ ...page, before: last.next });
    deepEqual(first.messages.map((message) => [message.text, message.from, message.state]), [
      ["0", "ana", "delivered"],
      ["1", "bob", undefined],
      ["2", "ana", "delivered"],
    ]);
    equal(first.next, null);

    await s.store.updateSettings(bob.accountId, { shareRead: true });
    const shared = await s.store.listHistory({ ...page, before: last.next });
    deepEqual(shared.messages.map((message) => message.state), ["read", undefined, "read"]);
    await refused(s.store.listHistory({ ...page, with: "nobody", before: null }), "not_found");
  },
);

storeTest(
  "listHistory() gives no more bytes of text than asked for, and every message over its pages",
  async (newStore) => {
    await using s = await newStore();
    const ana = await addPerson(s.store, "ana");
    const bob = await addPerson(s.store, "bob");
    const texts = Array.from({ length: 20 }, (_, index) => `${index}`.padEnd(index === 7 ? 150 : 40, "."));
    for (const [index, text] of texts.entries()) {
      await send(s.store, index % 3 === 0 ? ana : bob, index % 3 === 0 ? "bob" : "ana", text);
    }
    const seen: string[] = [];
    for (let before: number | null = null;;) {
      const page = { accountId: ana.accountId, with: "bob", before, limit: 50, maxBytes: 100 };
      const { messages, next } = await s.store.listHistory(page);
      const bytes = messages.reduce((sum, message) => sum + message.text.length, 0);
      equal(bytes <= 100 || messages.length === 1, true);
      seen.unshift(...messages.map((message) => message.text));
      if (next === null) break;
      before = next;
    }
    deepEqual(seen, texts);
  },
);

storeTest(
  "listHistory() once hid what came before a message that is longer than a page",
  async (newStore) => {
    await using s = await newStore();
    const ana = await addPerson(s.store, "ana");
    await addPerson(s.store, "bob");
    await send(s.store, ana, "bob", "before");
    const { sequence } = await send(s.store, ana, "bob", "x".repeat(150));
    const page = { accountId: ana.accountId, with: "bob", limit: 50, maxBytes: 100 };
    equal((await s.store.listHistory({ ...page, before: null })).next, sequence);
    const { messages } = await s.store.listHistory({ ...page, before: sequence });
    deepEqual(messages.map(({ text }) => text), ["before"]);
  },
);

storeTest("listHistory() shows what one wrote to oneself once", async (newStore) => {
  await using s = await newStore();
  const ana = await addPerson(s.store, "ana");
  const { sequence } = await send(s.store, ana, "ana", "milk");
  await s.store.acknowledge({ accountId: ana.accountId, deviceId: ana.deviceId, read: sequence });
  const { messages } = await s.store.listHistory({
    accountId: ana.accountId,
    with: "ana",
    before: null,
    limit: 5,
    maxBytes: 1_000,
  });
  deepEqual(messages.map((message) => [message.text, message.state]), [["milk", "read"]]);
});

storeTest(
  "survey() knows the oldest unread message, the newest of all, and how much there is",
  async (newStore) => {
    await using s = await newStore();
    const survey = async () => {
      const { databaseBytes, ...rest } = await s.store.survey();
      ok(databaseBytes > 0);
      return rest;
    };
    const nothing = {
      messages: 0,
      isEstimated: false,
      textBytes: 0,
      unreadMessages: 0,
      oldestUnreadAt: null,
      newestStoredAt: null,
    };
    deepEqual(await survey(), nothing);
    const [ana, bob] = [await addPerson(s.store, "ana"), await addPerson(s.store, "bob")];
    const first = await send(s.store, ana, "bob", "read");
    const times = [];
    for (const [from, to] of [[ana, "bob"], [bob, "ana"]] as const) {
      s.clock.at += 1_000;
      times.push(s.clock.at);
      await send(s.store, from, to, "é");
    }
    await s.store.acknowledge({ accountId: bob.accountId, deviceId: bob.deviceId, read: first.sequence });
    const [oldestUnreadAt, newestStoredAt] = times;
    deepEqual(await survey(), {
      messages: 3,
      isEstimated: false,
      textBytes: 8,
      unreadMessages: 2,
      oldestUnreadAt,
      newestStoredAt,
    });
    await s.store.removeAccount("bob");
    deepEqual(await survey(), {
      messages: 1,
      isEstimated: false,
      textBytes: 2,
      unreadMessages: 1,
      oldestUnreadAt: newestStoredAt,
      newestStoredAt,
    });
  },
);

storeTest(
  "removeAccount() takes its mailbox away, and leaves what it sent with those who received it",
  async (newStore) => {
    await using s = await newStore();
    const ana = await addPerson(s.store, "ana");
    const bob = await addPerson(s.store, "bob");
    await send(s.store, ana, "bob", "kept");
    for (let index = 0; index < 5; index++) await send(s.store, bob, "ana", "gone");
    await s.store.removeAccount("ana");
    deepEqual((await readMailbox(s.store, bob.accountId)).map((message) => [message.from, message.text]), [[
      "ana",
      "kept",
    ]]);
    await refused(send(s.store, bob, "ana", "x"), "not_found");
    const page = { accountId: bob.accountId, with: "ana", before: null, limit: 10, maxBytes: 1_000 };
    deepEqual((await s.store.listHistory(page)).messages.map((message) => message.text), ["kept"]);
    equal((await s.store.counts()).messages, 1);
    deepEqual(await s.store.checkIntegrity(), []);
  },
);
