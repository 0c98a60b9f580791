import { deepEqual, equal, ok } from "node:assert/strict";
import type { ServerStore } from "../../lib/chat/operator_store.ts";
import { addPerson, newStore, readMailbox, refused, send, storeTest } from "./store_helpers.ts";

const MINUTE_MS = 60_000;

async function clearAll(store: ServerStore, limit?: number): Promise<number> {
  for (let texts = 0;;) {
    const cleared = await store.clearTexts(limit);
    texts += cleared.texts;
    if (cleared.isDone) return texts;
  }
}

storeTest(
  "who deletes an account leaves no text behind, and what others have keeps its places and totals",
  async (newStore) => {
    await using s = await newStore();
    const { store, clock } = s;
    const [ana, bob, eve] = [
      await addPerson(store, "ana"),
      await addPerson(store, "bob"),
      await addPerson(store, "eve"),
    ];
    await store.updateSettings(eve.accountId, { email: "eve@example.org" });
    await store.blockUser(eve.accountId, "bob");
    await store.blockUser(bob.accountId, "eve").then(() => store.unblockUser(bob.accountId, "eve"));
    const read = await send(store, eve, "ana", "\0read");
    await store.acknowledge({ accountId: ana.accountId, deviceId: ana.deviceId, read: read.sequence });
    const unread = await send(store, eve, "ana", "unread \u{1f600}");
    const others = await send(store, bob, "ana", "from bob");
    for (let n = 0; n < 5; n++) await send(store, eve, "bob", `text ${n}`);
    await send(store, ana, "eve", "to eve");

    await refused(store.deleteAccount(eve.accountId, "another hash"), "unauthenticated");
    await store.deleteAccount(eve.accountId, "hash of eve");
    await refused(store.deleteAccount(eve.accountId, "hash of eve"), "not_found");
    equal(await store.findLogin(eve.tokenHash), null);
    equal(await store.findCredentials("eve", null), null);
    equal(await store.findUser("eve", ana.accountId), null);
    await refused(store.createAccount({ name: "eve", passwordHash: "x", joinCode: null }), "conflict");
    await store.markSeen(eve.accountId, clock.at);

    // A session of it may live for some seconds more, and write.
    await send(store, eve, "bob", "too late");
    deepEqual(await store.clearTexts(), { texts: 0, isDone: true });
    clock.at += MINUTE_MS;
    // In steps that are cut in the middle of a conversation, with a new start between two of them.
    equal((await store.clearTexts(3)).isDone, false);
    await using again = await s.again({ now: clock.now });
    equal(await clearAll(again, 3), 8 - 3);
    const textsOf = async (accountId: number) =>
      (await readMailbox(again, accountId)).map(({ text }) => text);
    deepEqual(await textsOf(ana.accountId), ["", "", "from bob"]);
    deepEqual(await textsOf(bob.accountId), ["", "", "", "", "", ""]);
    deepEqual(await textsOf(eve.accountId), []);
    const { messages } = await again.listHistory({
      accountId: ana.accountId,
      with: "eve",
      before: null,
      limit: 9,
      maxBytes: 999,
    });
    deepEqual(messages.map(({ sequence, from, text }) => [sequence, from, text]), [
      [read.sequence, "eve", ""],
      [unread.sequence, "eve", ""],
    ]);
    deepEqual(await again.checkIntegrity(), []);
    equal((await again.findUser("bob", ana.accountId))?.unreadCount, 1);
    const { accounts } = await again.listAccounts({ after: null, limit: 9 });
    deepEqual(accounts.map(({ name, unreadMessages, unreadBytes }) => [name, unreadMessages, unreadBytes]), [
      ["ana", 2, "from bob".length],
      ["bob", 6, 0],
    ]);
    equal(others.isDuplicate, false);
  },
);

storeTest("an operator removes an account with its texts, or without them", async (newStore) => {
  await using s = await newStore();
  const { store, clock } = s;
  const [ana, bob, eve] = [
    await addPerson(store, "ana"),
    await addPerson(store, "bob"),
    await addPerson(store, "eve"),
  ];
  await send(store, bob, "ana", "from bob");
  await send(store, eve, "ana", "from eve");
  await store.removeAccount("bob");
  await store.removeAccount("eve", true);
  clock.at += MINUTE_MS;
  equal(await clearAll(store), 1);
  deepEqual((await readMailbox(store, ana.accountId)).map(({ text }) => text), ["from bob", ""]);
  deepEqual(await store.checkIntegrity(), []);
});

Deno.test("no text of a deleted account is left in the file", async () => {
  await using s = await newStore();
  const { store, clock } = s;
  const eve = await addPerson(store, "eve");
  await addPerson(store, "ana");
  // Long ones lie in pages of their own.
  for (const length of [30, 3_000, 16_000]) await send(store, eve, "ana", "EVES TEXT ".repeat(length / 10));
  await send(store, eve, "eve", "EVES TEXT to herself");
  await store.deleteAccount(eve.accountId, "hash of eve");
  clock.at += MINUTE_MS;
  await clearAll(store);
  await store[Symbol.asyncDispose](); // which empties the log
  const bytes = await Deno.readTextFile(s.path);
  ok(bytes.length > 10_000);
  ok(!bytes.includes("EVES TEXT"));
});
