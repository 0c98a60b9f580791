import { deepEqual, equal } from "node:assert/strict";
import { addDevice, addPerson, DAY_MS, readMailbox, send, storeTest } from "./store_helpers.ts";

storeTest(
  "prune() keeps what an active device has not shown, and lets go what every one has, once it is old",
  async (newStore) => {
    await using s = await newStore({ historyDays: 10 });
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
    s.clock.at += 11 * DAY_MS;
    deepEqual(await s.store.prune(), { messages: 1, devices: 0, isDone: true });
    equal(await left(), "23", "the phone has not shown them");

    // The laptop is used, the phone lies in a drawer.
    s.clock.at += 80 * DAY_MS;
    await s.store.findLogin(bob.tokenHash);
    s.clock.at += 11 * DAY_MS;
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
