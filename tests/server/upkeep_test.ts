import assert from "node:assert/strict";
import { Hub, type PresentSession } from "../../lib/chat/hub.ts";
import { Attempts, BelievedClock, Upkeep, type UpkeepStore } from "../../lib/server/upkeep.ts";
import { openLocalStore } from "../../lib/store/open.ts";
import { waitUntil } from "../helpers/wait_until.ts";
import {
  addDevice,
  addPerson,
  DAY_MS,
  newStore,
  type Person,
  readMailbox,
  send,
} from "../store/store_helpers.ts";

const LOG = { info() {}, warn() {}, error() {} };

/** A session of somebody, which notes why it was ended. */
function present(person: Person) {
  const reasons: string[] = [];
  const session: PresentSession = {
    address: { server: "here", session: crypto.randomUUID() },
    renewToken() {},
    identity: person,
    isIdle: false,
    delivery: null,
    notify() {},
    remoteAddress: "192.0.2.1",
    turnOut() {},
    end: (reason) => void reasons.push(reason),
  };
  return { session, reasons };
}

Deno.test("Upkeep looks again for ended sessions when it could not list them", async () => {
  await using s = await newStore();
  const ana = await addPerson(s.store, "ana");
  const hub = new Hub();
  const { session, reasons } = present(ana);
  hub.add(session);
  let isBroken = false;
  const store: UpkeepStore = {
    settled: () => s.store.settled(),
    dataVersion: () => s.store.dataVersion(),
    listEndedLogins: (tokens) =>
      isBroken ? Promise.reject(new Error("the disk is away")) : s.store.listEndedLogins(tokens),
    listGone: (ids) => s.store.listGone(ids),
    noteDevicesUsed: (deviceIds) => s.store.noteDevicesUsed(deviceIds),
    lastActiveAt: (stretch) => s.store.lastActiveAt(stretch),
    prune: () => s.store.prune(),
    clearTexts: () => s.store.clearTexts(),
  };
  using upkeep = new Upkeep(store, hub, LOG);
  await upkeep.look();
  {
    await using operator = await openLocalStore(s.path, { now: s.clock.now });
    await operator.setDisabled("ana", true);
  }
  isBroken = true;
  await assert.rejects(upkeep.look(), /disk/);
  isBroken = false;
  await upkeep.look();
  assert.deepEqual(reasons, ["revoked"]);
});

Deno.test("Upkeep prunes on the server that leads; every server notes the devices that are connected to it", async () => {
  await using s = await newStore();
  const [ana, bob] = [await addPerson(s.store, "ana"), await addPerson(s.store, "bob")];
  const hub = new Hub();
  hub.add(present(bob).session);
  using follower = new Upkeep(s.store, hub, LOG, { isLeader: () => false });
  s.clock.at += 60 * DAY_MS;
  await follower.prune();
  s.clock.at += 60 * DAY_MS;
  await follower.prune();
  assert.equal((await s.store.counts()).devices, 2);
  using leader = new Upkeep(s.store, new Hub(), LOG, { isLeader: () => true });
  await leader.prune();
  assert.equal(await s.store.findLogin(ana.tokenHash), null);
  assert.notEqual(await s.store.findLogin(bob.tokenHash), null);
  assert.equal((await s.store.counts()).devices, 1);
});

Deno.test("Upkeep keeps a connected device that hears nothing for a year, with its token and its acknowledgements", async () => {
  await using s = await newStore();
  const [ana, bob] = [await addPerson(s.store, "ana"), await addPerson(s.store, "bob")];
  const drawer = await addDevice(s.store, bob, "in a drawer");
  const hub = new Hub();
  hub.add(present(bob).session);
  using upkeep = new Upkeep(s.store, hub, LOG);
  for (let day = 0; day < 365; day++) {
    s.clock.at += DAY_MS;
    await upkeep.prune();
  }
  assert.equal(await s.store.findLogin(drawer.tokenHash), null);
  assert.equal((await s.store.counts()).devices, 1, "ana's and the one in the drawer are gone");
  const { sequence } = await send(s.store, ana, "bob", "after a year");
  const news = await s.store.acknowledge({
    accountId: bob.accountId,
    deviceId: bob.deviceId,
    read: sequence,
  });
  assert.deepEqual(news, [{ senderId: ana.accountId, delivered: sequence }]);
  assert.equal((await s.store.findLogin(bob.tokenHash))?.readSequence, sequence);
  assert.equal((await readMailbox(s.store, bob.accountId)).length, 1);
  assert.deepEqual(await s.store.checkIntegrity(), []);
});

Deno.test("Attempts: a database that took nothing once filled the log with a line every two seconds", async () => {
  const warnings: unknown[] = [];
  const attempts = new Attempts({ warn: (text, properties) => void warnings.push([text, properties]) });
  const fail = (error: Error) => attempts.make("could not clear texts", () => Promise.reject(error));
  const [full, gone] = [new Error("full"), new Error("gone")];
  for (const error of [full, full, gone, full]) await fail(error);
  await attempts.make("could not prune", () => Promise.reject(full));
  await attempts.make("could not clear texts", () => Promise.resolve());
  await fail(full);
  const cleared = [full, gone, full].map((error) => ["could not clear texts", { error }]);
  assert.deepEqual(warnings, [
    ...cleared,
    ["could not prune", { error: full }],
    ["could not clear texts", { error: full }],
  ]);
});

Deno.test("BelievedClock: a clock far ahead once took away history and logins; it has a day to be set right", async () => {
  await using s = await newStore();
  const warnings: string[] = [];
  let upMs = 0;
  const log = { warn: (text: string) => void warnings.push(text) };
  const start = () => new BelievedClock(s.store, log, () => s.clock.at, () => upMs);
  const empty = start();
  assert.ok(await empty.isBelieved(), "nothing is stored");
  const ana = await addPerson(s.store, "ana");
  await send(s.store, ana, "ana", "now");
  const running = start();
  for (let day = 0; day < 60; day++) {
    assert.ok(await running.isBelieved(), "nobody needs to write while it goes on");
    s.clock.at += DAY_MS;
  }
  s.clock.at += 400 * DAY_MS;
  const started = start();
  for (const clock of [running, started, running, started]) assert.equal(await clock.isBelieved(), false);
  await send(s.store, ana, "ana", "by the wrong clock");
  await s.store.findLogin(ana.tokenHash);
  s.clock.at += 1;
  assert.equal(await start().isBelieved(), false, "started again after somebody has written");
  warnings.pop();
  assert.equal(warnings.length, 2, "once each");
  s.clock.at -= 400 * DAY_MS;
  assert.ok(await running.isBelieved(), "it was set right");
  assert.equal(await started.isBelieved(), false, "60 days after the newest message");
  upMs += DAY_MS - 1;
  assert.equal(await started.isBelieved(), false);
  upMs += 1;
  assert.ok(await started.isBelieved(), "nobody has set it for a day");
  s.clock.at -= 500 * DAY_MS;
  assert.ok(await started.isBelieved(), "backwards nothing gets old");
  assert.match(warnings[0]!, /set the clock if it is wrong/);
});

Deno.test("Upkeep clears what a deleted account wrote, on the server that leads, and goes on where another one stopped", async () => {
  await using s = await newStore();
  const [ana, bob] = [await addPerson(s.store, "ana"), await addPerson(s.store, "bob")];
  for (let n = 0; n < 5; n++) await send(s.store, ana, "bob", `text ${n}`);
  await s.store.deleteAccount(ana.accountId, "hash of ana");
  s.clock.at += DAY_MS;
  await s.store.clearTexts(3);
  const textsLeft = async () =>
    (await readMailbox(s.store, bob.accountId)).filter(({ text }) => text !== "").length;
  assert.equal(await textsLeft(), 2);
  const follows = { ...s.store, clearTexts: () => assert.fail("does not lead") };
  using _follower = new Upkeep(follows, new Hub(), LOG, { isLeader: () => false });
  using _leader = new Upkeep(s.store, new Hub(), LOG);
  await waitUntil("all is cleared", async () => await textsLeft() === 0);
  assert.deepEqual(await s.store.checkIntegrity(), []);
});
