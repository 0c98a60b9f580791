import { deepEqual, equal } from "node:assert/strict";
import { addPerson, DAY_MS, refused, send, storeTest } from "./store_helpers.ts";

storeTest("a ban is there until its time is over or it is lifted; again, it is changed", async (newStore) => {
  await using s = await newStore();
  const { store, clock } = s;
  await addPerson(store, "eve");
  const ban = { kind: "account", subject: "eve", endsAt: clock.at + DAY_MS, reason: "spam" } as const;
  const net = {
    kind: "network",
    subject: "192.0.2.0/24",
    endsAt: clock.at + 2 * DAY_MS,
    reason: "",
  } as const;
  await refused(store.ban({ ...ban, subject: "nobody" }), "not_found");
  await store.ban({ ...ban, endsAt: clock.at + 1 });
  await store.ban(ban);
  await store.ban(net);
  const createdAt = clock.at;
  deepEqual((await store.standingOrders()).bans, [{ ...ban, createdAt }, { ...net, createdAt }]);
  clock.at += DAY_MS;
  deepEqual((await store.standingOrders()).bans, [{ ...net, createdAt }]);
  await refused(store.liftBan(ban), "not_found");
  await store.liftBan(net);
  deepEqual((await store.standingOrders()).bans, []);
});

storeTest("a lockdown lasts until its time or its end", async (newStore) => {
  await using s = await newStore();
  const { store, clock } = s;
  const since = clock.at;
  await store.lockDown(null);
  deepEqual((await store.standingOrders()).lockdown, { since, endsAt: null });
  await store.lockDown(since + DAY_MS);
  deepEqual((await store.standingOrders()).lockdown, { since, endsAt: since + DAY_MS });
  clock.at += DAY_MS;
  equal((await store.standingOrders()).lockdown, null);
  await store.lockDown(null);
  await store.endLockdown();
  await store.endLockdown();
  equal((await store.standingOrders()).lockdown, null);
});

storeTest("two have met once one has written to the other", async (newStore) => {
  await using s = await newStore();
  const ana = await addPerson(s.store, "ana");
  const bob = await addPerson(s.store, "bob");
  equal(await s.store.haveMet(ana.accountId, "bob"), false);
  await send(s.store, ana, "bob", "hello");
  equal(await s.store.haveMet(ana.accountId, "bob"), true);
  equal(await s.store.haveMet(bob.accountId, "ana"), true);
  equal(await s.store.haveMet(bob.accountId, "nobody"), true);
});

storeTest(
  "a ban that seems to have ended is there again once a wrong clock is set right, until it is pruned",
  async (newStore) => {
    await using s = await newStore();
    const { store, clock } = s;
    const ban = (subject: string) =>
      store.ban({ kind: "network", subject, endsAt: clock.at + DAY_MS, reason: "" });
    const banned = async () => (await store.standingOrders()).bans.map(({ subject }) => subject).toSorted();
    await ban("192.0.2.1/32");
    clock.at += 400 * DAY_MS;
    await ban("192.0.2.2/32");
    deepEqual(await banned(), ["192.0.2.2/32"]);
    clock.at -= 400 * DAY_MS;
    deepEqual(await banned(), ["192.0.2.1/32", "192.0.2.2/32"]);
    clock.at += DAY_MS;
    await store.prune();
    clock.at -= DAY_MS;
    deepEqual(await banned(), ["192.0.2.2/32"]);
  },
);
