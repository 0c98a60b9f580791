import { deepEqual, equal, notEqual } from "node:assert/strict";
import { DEFAULT_STORE_LIMITS } from "../../lib/store/limits.ts";
import { postgresDialect } from "../../lib/store/postgres/dialect.ts";
import { coldVerbs } from "../../lib/store/verbs/cold.ts";
import { addDevice, addPerson, DAY_MS, refused, send, storeTest } from "./store_helpers.ts";

storeTest("createAccount() takes each name once, and a removed account keeps its name", async (newStore) => {
  await using s = await newStore();
  await addPerson(s.store, "ana");
  await refused(s.store.createAccount({ name: "ana", passwordHash: "x", joinCode: null }), "conflict", /ana/);
  await s.store.removeAccount("ana");
  equal(await s.store.findCredentials("ana", null), null);
  await refused(s.store.createAccount({ name: "ana", passwordHash: "x", joinCode: null }), "conflict");
});

storeTest("createAccount() gives a name to one of two that ask at the same moment", async (newStore) => {
  await using s = await newStore();
  const asked = await Promise.allSettled(
    [1, 2].map(() => s.store.createAccount({ name: "ana", passwordHash: "x", joinCode: null })),
  );
  deepEqual(asked.map((one) => one.status), ["fulfilled", "rejected"]);
});

storeTest(
  "createAccount() uses up an invite, and refuses one that is unknown, used up, revoked or expired",
  async (newStore) => {
    await using s = await newStore();
    const expiresAt = s.clock.at + DAY_MS;
    await s.store.createInvite({ code: "once", maxUses: 1, expiresAt: null, note: "for ana" });
    await s.store.createInvite({ code: "brief", maxUses: null, expiresAt, note: "" });
    await s.store.createInvite({ code: "gone", maxUses: null, expiresAt: null, note: "" });
    await s.store.revokeInvite("gone");
    const join = (name: string, joinCode: string) =>
      s.store.createAccount({ name, passwordHash: "x", joinCode });

    await join("ana", "once");
    await refused(join("ana", "brief"), "conflict");
    await refused(join("bob", "once"), "forbidden", /used up/);
    await refused(join("bob", "never"), "forbidden", /unknown/);
    await refused(join("bob", "gone"), "forbidden", /revoked/);
    await join("bob", "brief");
    s.clock.at = expiresAt;
    await refused(join("eve", "brief"), "forbidden", /expired/);
    await refused(s.store.revokeInvite("never"), "not_found");
    await refused(s.store.createInvite({ code: "once", maxUses: 1, expiresAt: null, note: "" }), "conflict");
    await s.store.createInvite({ code: "new", maxUses: 1, expiresAt: s.clock.at + 1, note: "" });
    const invites = (await s.store.listInvites()).map(({ code, uses, isOpen }) => [code, { uses, isOpen }]);
    deepEqual(Object.fromEntries(invites), {
      once: { uses: 1, isOpen: false },
      brief: { uses: 1, isOpen: false },
      gone: { uses: 0, isOpen: false },
      new: { uses: 0, isOpen: true },
    });
    equal((await s.store.counts()).openInvites, 1);
  },
);

storeTest(
  "openLogin() knows a device again, and starts a new one where the account has read to",
  async (newStore) => {
    await using s = await newStore();
    const ana = await addPerson(s.store, "ana");
    const bob = await addPerson(s.store, "bob");
    const { sequence } = await send(s.store, ana, "bob", "hello");
    await s.store.acknowledge({ accountId: bob.accountId, deviceId: bob.deviceId, read: sequence });

    const phone = await addDevice(s.store, bob, "phone");
    notEqual(phone.deviceId, bob.deviceId);
    equal(phone.readSequence, sequence);

    const again = {
      accountId: bob.accountId,
      passwordHash: "hash of bob",
      newPasswordHash: null,
      connectedDeviceIds: [],
      tokenHash: "second",
      deviceId: bob.deviceId,
      deviceName: "laptop",
    };
    deepEqual(await s.store.openLogin(again), {
      deviceId: bob.deviceId,
      readSequence: sequence,
      settings: { shareRead: false, email: null },
    });
    equal(await s.store.findLogin(bob.tokenHash), null, "a device has one token");
    equal((await s.store.findLogin("second"))?.name, "bob");

    const stolen = await s.store.openLogin({
      ...again,
      accountId: ana.accountId,
      passwordHash: "hash of ana",
      tokenHash: "third",
    });
    notEqual(stolen.deviceId, bob.deviceId, "the device of another account");
  },
);

storeTest(
  "a login lasts until pruning finds that it lay unused for 90 days: by a wrong clock alone it does not end",
  async (newStore) => {
    await using s = await newStore();
    const ana = await addPerson(s.store, "ana");
    s.clock.at += 89 * DAY_MS;
    await s.store.prune();
    notEqual(await s.store.findLogin(ana.tokenHash), null);
    s.clock.at += 89 * DAY_MS;
    await s.store.prune();
    notEqual(await s.store.findLogin(ana.tokenHash), null, "the use in between was noted");
    s.clock.at += 91 * DAY_MS;
    deepEqual(await s.store.listEndedLogins([ana.tokenHash]), [], "who is connected is not sent away");
    await s.store.prune();
    equal(await s.store.findLogin(ana.tokenHash), null);
  },
);

storeTest(
  "sessions end one by one, all but one, with a disabled account and with a removed one",
  async (newStore) => {
    await using s = await newStore();
    const ana = await addPerson(s.store, "ana");
    const [first, second, third] = await Promise.all([1, 2, 3].map(() => addDevice(s.store, ana)));
    const all = [ana.tokenHash, first!.tokenHash, second!.tokenHash, third!.tokenHash, "never"];

    await s.store.closeLogin(first!.tokenHash);
    deepEqual(await s.store.listEndedLogins(all), [first!.tokenHash, "never"]);
    await s.store.changePassword(ana.accountId, {
      passwordHash: "hash of ana",
      formerHash: null,
      exceptTokenHash: third!.tokenHash,
    });
    deepEqual(await s.store.listEndedLogins(all), [
      ana.tokenHash,
      first!.tokenHash,
      second!.tokenHash,
      "never",
    ]);
    await s.store.setDisabled("ana", true);
    deepEqual(await s.store.listEndedLogins(all), all);
    await refused(addDevice(s.store, ana), "forbidden", /disabled/);
    deepEqual(await s.store.listGone([ana.accountId]), [{ accountId: ana.accountId, name: "ana" }]);
    await s.store.setDisabled("ana", false);
    await addDevice(s.store, ana);

    const bob = await addPerson(s.store, "bob");
    await s.store.removeAccount("bob");
    deepEqual(await s.store.listEndedLogins([bob.tokenHash]), [bob.tokenHash]);
    await refused(s.store.setDisabled("bob", true), "not_found");
    deepEqual(await s.store.listGone([ana.accountId, bob.accountId, 999]), [
      { accountId: bob.accountId, name: "bob" },
    ]);
    deepEqual(await s.store.listGone([]), []);
  },
);

storeTest(
  "an account keeps a bounded number of devices, the longest unused going first",
  async (newStore) => {
    await using s = await newStore();
    const ana = await addPerson(s.store, "ana");
    for (let index = 0; index < 70; index++) {
      s.clock.at += 1_000;
      await addDevice(s.store, ana);
    }
    equal((await s.store.counts()).devices, 64);
    equal(await s.store.findLogin(ana.tokenHash), null);
  },
);

storeTest(
  "listUsers() gives every user once, by name, a page at a time, with what is unread",
  async (newStore) => {
    await using s = await newStore();
    const names = Array.from({ length: 25 }, (_, index) => `user${index}`);
    for (const name of names) await addPerson(s.store, name);
    const ana = await addPerson(s.store, "ana");
    const bob = await addPerson(s.store, "bob");
    const first = await send(s.store, bob, "ana", "one");
    await send(s.store, bob, "ana", "two");
    await s.store.acknowledge({ accountId: ana.accountId, deviceId: ana.deviceId, read: first.sequence });
    await s.store.markSeen(bob.accountId, 50);
    await s.store.markSeen(bob.accountId, 40);
    await s.store.updateSettings(bob.accountId, { email: "bob@example.org" });
    await addPerson(s.store, "zoe");
    await s.store.removeAccount("zoe");

    const seen: string[] = [];
    let after: string | null = null;
    do {
      const page = await s.store.listUsers({ viewerId: ana.accountId, after, limit: 9 });
      seen.push(...page.users.map((user) => user.name));
      after = page.next;
    } while (after !== null);
    deepEqual(seen, ["ana", "bob", ...names].sort());

    const expected = {
      accountId: bob.accountId,
      name: "bob",
      lastSeenAt: 50,
      unreadCount: 1,
      email: "bob@example.org",
    };
    deepEqual(await s.store.findUser("bob", ana.accountId), expected);
    equal((await s.store.findUser("ana", bob.accountId))?.unreadCount, 0);
    equal(await s.store.findUser("zoe", ana.accountId), null);
  },
);

storeTest(
  "updateSettings() changes what is given, and reading is not shared until asked for",
  async (newStore) => {
    await using s = await newStore();
    const ana = await addPerson(s.store, "ana");
    deepEqual(await s.store.updateSettings(ana.accountId, {}), { shareRead: false, email: null });
    await s.store.updateSettings(ana.accountId, { email: "ana@example.org" });
    deepEqual(await s.store.updateSettings(ana.accountId, { shareRead: true }), {
      shareRead: true,
      email: "ana@example.org",
    });
    deepEqual(await s.store.updateSettings(ana.accountId, { email: null }), { shareRead: true, email: null });
    await refused(s.store.updateSettings(999, {}), "not_found");
  },
);

storeTest(
  "changePassword() replaces what was checked, or changes nothing when that is another by now",
  async (newStore) => {
    await using s = await newStore();
    const ana = await addPerson(s.store, "ana");
    const phone = await addDevice(s.store, ana, "phone");
    const change = { passwordHash: "new", formerHash: "hash of ana", exceptTokenHash: phone.tokenHash };
    await s.store.changePassword(ana.accountId, change);
    equal((await s.store.findCredentials("ana", null))?.passwordHash, "new");
    deepEqual(await s.store.listEndedLogins([ana.tokenHash, phone.tokenHash]), [ana.tokenHash]);
    await refused(
      s.store.changePassword(ana.accountId, { ...change, passwordHash: "newer", exceptTokenHash: null }),
      "unauthenticated",
    );
    equal((await s.store.findCredentials("ana", null))?.passwordHash, "new");
    deepEqual(await s.store.listEndedLogins([phone.tokenHash]), []);
    await refused(s.store.changePassword(999, change), "not_found");
  },
);

storeTest(
  "openLogin() opens nothing for a password that is another by now, or for an account that is gone",
  async (newStore) => {
    await using s = await newStore();
    const ana = await addPerson(s.store, "ana");
    const session = {
      accountId: ana.accountId,
      tokenHash: "next",
      connectedDeviceIds: [],
      deviceId: ana.deviceId,
      deviceName: "laptop",
    };
    const rehash = { ...session, passwordHash: "hash of ana", newPasswordHash: "dearer hash" };
    equal((await s.store.openLogin(rehash)).deviceId, ana.deviceId);
    equal((await s.store.findCredentials("ana", null))?.passwordHash, "dearer hash");
    await refused(s.store.openLogin({ ...rehash, tokenHash: "late" }), "unauthenticated");
    deepEqual(await s.store.listEndedLogins(["next", "late"]), ["late"]);
    await s.store.removeAccount("ana");
    const late = { ...rehash, passwordHash: "dearer hash", tokenHash: "late" };
    await refused(s.store.openLogin(late), "unauthenticated");
    await refused(s.store.openLogin({ ...late, passwordHash: "" }), "unauthenticated");
  },
);

storeTest(
  "registerAccount() makes the account and its first device together, or neither",
  async (newStore) => {
    await using s = await newStore();
    const ana = { name: "ana", passwordHash: "x", tokenHash: "first", deviceName: "laptop" };
    await refused(s.store.registerAccount({ ...ana, joinCode: "never" }), "forbidden");
    equal(await s.store.findCredentials("ana", null), null);
    const { accountId, deviceId, readSequence, settings } = await s.store.registerAccount({
      ...ana,
      joinCode: null,
    });
    deepEqual([readSequence, settings], [0, { shareRead: false, email: null }]);
    const found = await s.store.findLogin("first");
    deepEqual([found?.accountId, found?.deviceId], [accountId, deviceId]);
    await refused(s.store.registerAccount({ ...ana, joinCode: null, tokenHash: "second" }), "conflict");
  },
);

storeTest("findCredentials() tells a device of the account from any other", async (newStore) => {
  await using s = await newStore();
  const [ana, bob] = [await addPerson(s.store, "ana"), await addPerson(s.store, "bob")];
  await s.store.closeLogin(ana.tokenHash);
  const isKnown = async (deviceId: string | null) =>
    (await s.store.findCredentials("ana", deviceId))?.isKnownDevice;
  deepEqual(await Promise.all([ana.deviceId, bob.deviceId, "none", null].map(isKnown)), [
    true,
    false,
    false,
    false,
  ]);
});

storeTest(
  "lastActiveAt() is of a device or a message, and reads no messages where a device will do",
  async (newStore) => {
    await using s = await newStore();
    const { store, clock } = s;
    const from = clock.at;
    equal(await store.lastActiveAt({ from, before: from + 1 }), null);
    const ana = await addPerson(store, "ana");
    clock.at += DAY_MS;
    await send(store, ana, "ana", "hello");
    equal(await store.lastActiveAt({ from, before: from }), null);
    equal(await store.lastActiveAt({ from, before: clock.at + 1 }), from);
    equal(await store.lastActiveAt({ from: from + 1, before: clock.at + 1 }), clock.at);
    equal(await store.lastActiveAt({ from: from + 1, before: clock.at }), from);
  },
);

Deno.test("of all sessions of a server, logins and devices are one query each: a round trip for each held up everybody", () => {
  const context = { dialect: postgresDialect(), limits: DEFAULT_STORE_LIMITS, now: 0, forget: () => {} };
  const { reads, writes } = coldVerbs(context);
  const many = Array.from({ length: 500 }, (_, index) => `${index}`);
  for (const steps of [reads.listEndedLogins(many), writes.noteDevicesUsed(many)]) {
    equal(steps.next().done, false);
    equal(steps.next([]).done, true);
  }
});
