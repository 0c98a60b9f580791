import { deepEqual, equal, ok } from "node:assert/strict";
import { Database } from "../../lib/sqlite/database.ts";
import { DEFAULT_STORE_LIMITS } from "../../lib/store/limits.ts";
import { sqliteDialect } from "../../lib/store/sqlite/dialect.ts";
import { SERVER_MIGRATIONS } from "../../lib/store/sqlite/migrations.ts";
import { pruneVerbs } from "../../lib/store/verbs/prune.ts";
import type { ServerTables } from "../../lib/store/verbs/schema.ts";
import {
  addDevice,
  addPerson,
  DAY_MS,
  newStore,
  readMailbox,
  refused,
  send,
  storeTest,
} from "./store_helpers.ts";

storeTest(
  "prune() keeps for a week what an active device has not shown, and lets go what every one has, once it is old",
  async (newStore) => {
    await using s = await newStore({ historyDays: 3 });
    const ana = await addPerson(s.store, "ana");
    const bob = await addPerson(s.store, "bob");
    const phone = await addDevice(s.store, bob, "phone");
    const sent = await Promise.all([1, 2, 3].map((index) => send(s.store, ana, "bob", `${index}`)));
    const read = (deviceId: string, index: number) =>
      s.store.acknowledge({ accountId: bob.accountId, deviceId, read: sent[index]!.sequence });
    const left = async () =>
      (await readMailbox(s.store, bob.accountId)).map((message) => message.text).join("");

    await read(bob.deviceId, 2);
    await read(phone.deviceId, 0);
    await s.store.prune();
    equal(await left(), "123", "it is young");
    s.clock.at += 6 * DAY_MS;
    deepEqual(await s.store.prune(), { messages: 1, devices: 0, isDone: true });
    equal(await left(), "23", "the phone has not shown them");

    // The phone is still used, though not for reading.
    s.clock.at += 2 * DAY_MS;
    await s.store.findLogin(phone.tokenHash);
    equal((await s.store.prune()).messages, 2);
    equal(await left(), "");
    deepEqual(await s.store.checkIntegrity(), []);
  },
);

storeTest(
  "prune() never takes what nobody has read, however old, even when every device is gone",
  async (newStore) => {
    await using s = await newStore({ historyDays: 1, historyBytes: 0 });
    const ana = await addPerson(s.store, "ana");
    const bob = await addPerson(s.store, "bob");
    await send(s.store, ana, "bob", "unread");
    s.clock.at += 400 * DAY_MS;
    equal((await s.store.prune()).messages, 0);
    equal((await s.store.counts()).devices, 0);
    const { readSequence } = await addDevice(s.store, bob);
    deepEqual((await readMailbox(s.store, bob.accountId, readSequence)).map((message) => message.text), [
      "unread",
    ]);
  },
);

storeTest(
  "prune() drops the oldest beyond the bytes of history, a bounded number in each call",
  async (newStore) => {
    await using s = await newStore({ historyBytes: 100 });
    const ana = await addPerson(s.store, "ana");
    const bob = await addPerson(s.store, "bob");
    const sent = await Promise.all(
      Array.from({ length: 50 }, () => send(s.store, ana, "bob", "x".repeat(10))),
    );
    await s.store.acknowledge({
      accountId: bob.accountId,
      deviceId: bob.deviceId,
      read: sent.at(-1)!.sequence,
    });
    deepEqual(await s.store.prune(30), { messages: 30, devices: 0, isDone: false });
    deepEqual(await s.store.prune(30), { messages: 10, devices: 0, isDone: true });
    deepEqual(
      (await readMailbox(s.store, bob.accountId)).map((message) => message.sequence),
      sent.slice(40).map((message) => message.sequence),
    );
    deepEqual(await s.store.checkIntegrity(), []);
  },
);

storeTest(
  "a device that is signed in and never reads closes a mailbox for a week at most, and then none that is read elsewhere",
  async (newStore) => {
    await using s = await newStore({ mailboxBytes: 100, historyBytes: 200 });
    const ana = await addPerson(s.store, "ana");
    const bob = await addPerson(s.store, "bob");
    const phone = await addDevice(s.store, bob, "phone");
    await s.store.acknowledge({ ...bob, read: (await send(s.store, bob, "ana", "hello")).sequence });
    const receive = async (bytes: number) => {
      const { sequence } = await send(s.store, ana, "bob", "x".repeat(bytes));
      await s.store.acknowledge({ accountId: bob.accountId, deviceId: bob.deviceId, read: sequence });
    };
    for (let part = 1; part <= 6; part++) await receive(50);
    await refused(receive(1), "mailbox_full");
    s.clock.at += 7 * DAY_MS;
    await refused(receive(1), "mailbox_full");
    s.clock.at += 1_000;
    for (let day = 1; day <= 40; day++) {
      await s.store.noteDevicesUsed([phone.deviceId]);
      await receive(30);
      s.clock.at += DAY_MS;
    }
    // What came within the week is there for the phone, all of it.
    const kept = await readMailbox(s.store, bob.accountId, phone.readSequence);
    const young = kept.filter(({ storedAt }) => storedAt >= s.clock.at - 7 * DAY_MS);
    deepEqual(young.map(({ text }) => text.length), Array.from({ length: 7 }, () => 30));
    deepEqual(await s.store.checkIntegrity(), []);
  },
);

Deno.test("pruning once read 2,000 messages of each mailbox of which none, or one, was to go", async () => {
  await using s = await newStore({ historyDays: 3 });
  const ana = await addPerson(s.store, "ana");
  for (const name of ["bob", "eve"]) {
    const reader = await addPerson(s.store, name);
    const first = await send(s.store, ana, name, "an old one");
    s.clock.at += DAY_MS;
    const sent = await Promise.all(
      Array.from({ length: 50 }, (_, index) => send(s.store, ana, name, `${index}`)),
    );
    await s.store.acknowledge({
      accountId: reader.accountId,
      deviceId: reader.deviceId,
      read: Math.max(first.sequence, ...sent.map(({ sequence }) => sequence)),
    });
  }
  using database = new Database<ServerTables>(s.path, SERVER_MIGRATIONS);
  const limits = { ...DEFAULT_STORE_LIMITS, historyDays: 3 };
  const { writes } = pruneVerbs({
    dialect: sqliteDialect(database),
    limits,
    now: s.clock.at + DAY_MS + 1, // bob's first one is three days old
    forget: () => {},
  });
  let rows = 0;
  const steps = writes.prune();
  let turn = steps.next();
  while (!turn.done) {
    const { sql, values, wanted } = turn.value;
    const answer = database.execute(sql, values, wanted);
    if (Array.isArray(answer)) rows += answer.length;
    turn = steps.next(answer);
  }
  deepEqual(turn.value, { messages: 1, devices: 0, isDone: true });
  ok(rows < 20, `${rows} rows read`);
});
