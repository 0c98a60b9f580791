import assert from "node:assert/strict";
import { MAX_TEXT_BYTES, PROTOCOL_VERSION } from "../../lib/protocol/limits.ts";
import { REQUESTS } from "../../lib/protocol/requests.ts";
import { CHAT_CERTIFICATE } from "../helpers/chat_certificate.ts";
import { type Caller, ChatWorld, PASSWORD } from "../helpers/chat_world.ts";
import { ChatError } from "../../lib/errors.ts";
import { newMessageId } from "../../lib/protocol/fields.ts";
import { createEphemeralIdentity } from "../../lib/net/identity.ts";
import { waitUntil } from "../helpers/wait_until.ts";

async function sendText(from: Caller, to: string, text: string): Promise<{ sequence: number }> {
  return await from.call("send_message", { id: newMessageId(), to, text });
}

Deno.test("session() takes nothing but hello, bye before the greeting", async () => {
  await using world = await ChatWorld.start();
  for (const method of Object.keys(REQUESTS)) {
    if (method === "hello" || method === "bye") continue;
    assert.equal(await world.connect().refused(method), "invalid", method);
  }
});

Deno.test("session() keeps its connection's place once somebody is signed in, and not before", async () => {
  await using world = await ChatWorld.start();
  const guest = await world.connect().greet();
  await guest.refused("login", { name: "ana", password: PASSWORD });
  assert.equal(guest.isKept, false);
  await guest.call("register", { name: "ana", password: PASSWORD });
  assert.equal(guest.isKept, true);
});

Deno.test("session() of an account that has very many does not keep its connection's place", async () => {
  // One account on 100 connections from each of 100 addresses once kept everybody else out.
  await using world = await ChatWorld.start();
  const ana = await world.connect().greet();
  const { token } = await ana.call("register", { name: "ana", password: PASSWORD });
  const sessions = [ana];
  while (sessions.length < 65) {
    const next = await world.connect().greet();
    await next.call("resume", { token });
    sessions.push(next);
  }
  assert.deepEqual(sessions.map(({ isKept }) => isKept), [...Array(64).fill(true), false]);
  const bob = await world.connectAs("bob");
  assert.equal(bob.isKept, true);
});

Deno.test("session() takes no request of an account before login, and no second login after", async () => {
  await using world = await ChatWorld.start();
  const early = ["hello", "register", "login", "resume", "bye"];
  for (const method of Object.keys(REQUESTS).filter((name) => !early.includes(name))) {
    assert.equal(await (await world.connect().greet()).refused(method), "unauthenticated", method);
  }
  const ana = await world.connectAs("ana");
  for (const method of ["hello", "register", "login", "resume"]) {
    assert.equal(await ana.refused(method, {}), "conflict", method);
  }
});

Deno.test("session() says which side to upgrade when versions do not fit", async () => {
  await using world = await ChatWorld.start();
  const client = { name: "test", version: "1" };
  const caller = world.connect();
  assert.equal(
    await caller.refused("hello", { protocol: PROTOCOL_VERSION + 1, client }),
    "unsupported_version",
  );
  await assert.rejects(
    caller.call("hello", { protocol: PROTOCOL_VERSION + 1, client }),
    /upgrade the server/,
  );
  await assert.rejects(
    caller.call("hello", { protocol: PROTOCOL_VERSION - 1, client }),
    /upgrade the client/,
  );
});

Deno.test("session() answers an unknown method, also one that every object has", async () => {
  await using world = await ChatWorld.start();
  const ana = await world.connectAs("ana");
  for (const method of ["dance", "toString", "__proto__", "", "x".repeat(10_000)]) {
    assert.equal(await ana.refused(method), "invalid");
  }
});

Deno.test("session() refuses every request with fields missing, unknown, of a wrong type or huge", async () => {
  await using world = await ChatWorld.start();
  const ana = await world.connectAs("ana");
  const huge = "x".repeat(60_000);
  const needsFields = [
    "send_message",
    "fetch_history",
    "set_presence",
    "block_user",
    "unblock_user",
    "change_password",
  ];
  for (const method of needsFields) assert.equal(await ana.refused(method, {}), "invalid", method);
  const early = ["hello", "register", "login", "resume", "bye", "logout"];
  for (const [method, { params }] of Object.entries(REQUESTS)) {
    if (early.includes(method)) continue;
    assert.equal(await ana.refused(method, { surprise: 1 }), "invalid", method);
    assert.equal(await ana.refused(method, []), "invalid", method);
    for (const field of Object.keys(params.shape)) {
      for (const wrong of [null, 1.5, [], { a: 1 }, "", huge]) {
        if (method === "update_settings" && field === "email" && wrong === null) continue;
        if (method === "delete_account" && wrong === "") continue; // a password, but not the right one
        assert.equal(await ana.refused(method, { [field]: wrong }), "invalid", `${method} ${field}`);
      }
    }
  }
});

Deno.test("session() refuses names that are not names", async () => {
  await using world = await ChatWorld.start();
  const ana = await world.connectAs("ana");
  for (const to of ["", "Ana", "a b", "ана", "😀", "\u001b[31m", "a".repeat(33), "a/b", "a\n"]) {
    assert.equal(await ana.refused("send_message", { id: newMessageId(), to, text: "x" }), "invalid", to);
    const guest = await world.connect().greet();
    assert.equal(await guest.refused("register", { name: to, password: PASSWORD }), "invalid", to);
  }
  await world.connectAs("a".repeat(32));
  await world.connectAs("0_.-z");
});

Deno.test("session() takes a text of the greatest length, and none that is empty, longer or not Unicode", async () => {
  await using world = await ChatWorld.start();
  const ana = await world.connectAs("ana");
  for (
    const text of [
      "x".repeat(MAX_TEXT_BYTES),
      "ж".repeat(MAX_TEXT_BYTES / 2),
      "😀".repeat(MAX_TEXT_BYTES / 4),
      "\0",
    ]
  ) {
    await sendText(ana, "ana", text);
  }
  for (
    const text of [
      "x".repeat(MAX_TEXT_BYTES + 1),
      "ж".repeat(MAX_TEXT_BYTES / 2) + "x",
      "\u0001".repeat(8_000),
    ]
  ) {
    assert.equal(await ana.refused("send_message", { id: newMessageId(), to: "ana", text }), "too_large");
  }
  for (const text of ["", "\ud800"]) {
    assert.equal(await ana.refused("send_message", { id: newMessageId(), to: "ana", text }), "invalid");
  }
});

Deno.test("register() obeys the server's registration", async () => {
  await using closed = await ChatWorld.start({ registration: "closed" });
  const account = { name: "ana", password: PASSWORD };
  assert.equal(await (await closed.connect().greet()).refused("register", account), "forbidden");
  await using byInvite = await ChatWorld.start({ registration: "invite" });
  const guest = await byInvite.connect().greet();
  assert.equal(await guest.refused("register", account), "forbidden");
  assert.equal(await guest.refused("register", { ...account, joinCode: "wrong" }), "forbidden");
  await byInvite.store.createInvite({ code: "right", maxUses: 1, expiresAt: null, note: "" });
  await guest.call("register", { ...account, joinCode: "right" });
  const second = await byInvite.connect().greet();
  assert.equal(await second.refused("register", { ...account, name: "bob", joinCode: "right" }), "forbidden");
  // A made-up code once told any stranger which names there are.
  assert.equal(await second.refused("register", { ...account, joinCode: "wrong" }), "forbidden");
});

Deno.test("register() refuses a taken name and a short password", async () => {
  await using world = await ChatWorld.start();
  await world.connectAs("ana");
  const guest = await world.connect().greet();
  assert.equal(await guest.refused("register", { name: "ana", password: PASSWORD }), "conflict");
  assert.equal(await guest.refused("register", { name: "bob", password: "1234567" }), "invalid");
  await guest.call("register", { name: "bob", password: "12345678" });
});

Deno.test("login() says the same of an unknown name and of a wrong password", async () => {
  await using world = await ChatWorld.start();
  await world.connectAs("ana");
  const guest = await world.connect().greet();
  const wrong = await guest.call("login", { name: "ana", password: "nonsense" }).catch((error) => error);
  const unknown = await guest.call("login", { name: "bob", password: "nonsense" }).catch((error) => error);
  assert.equal(wrong.code, "unauthenticated");
  assert.equal(wrong.message.replaceAll("ana", "bob"), unknown.message);
  await guest.call("login", { name: "ana", password: PASSWORD });
});

Deno.test("login() refuses a disabled account and one that tries too often", async () => {
  await using world = await ChatWorld.start({ throttles: { failedLoginsPerAccount: 2 } });
  await world.connectAs("ana");
  await world.connectAs("bob");
  await world.store.setDisabled("ana", true);
  const guest = await world.connect().greet();
  assert.equal(await guest.refused("login", { name: "ana", password: PASSWORD }), "forbidden");
  for (let i = 0; i < 2; i++) await guest.refused("login", { name: "bob", password: "wrong" });
  assert.equal(await guest.refused("login", { name: "bob", password: PASSWORD }), "rate_limited");
  await (await world.connect("192.0.2.2").greet()).call("login", { name: "bob", password: PASSWORD });
});

Deno.test("the right password always gets in, however many sessions are left over", async () => {
  await using world = await ChatWorld.start();
  for (let i = 0; i < 20; i++) await world.connectAs("ana");
  assert.equal([...world.services.hub.all()].length, 20);
});

Deno.test("resume() comes back with the token until it ends", async () => {
  await using world = await ChatWorld.start();
  const first = await world.connect().greet();
  const { token, deviceId } = await first.call("register", { name: "ana", password: PASSWORD });
  const second = await world.connect().greet();
  const resumed = await second.call("resume", { token });
  assert.deepEqual([resumed.name, resumed.deviceId], ["ana", deviceId]);
  assert.equal(
    await (await world.connect().greet()).refused("resume", { token: token.slice(1) }),
    "unauthenticated",
  );
  await second.call("logout");
  assert.equal(await (await world.connect().greet()).refused("resume", { token }), "unauthenticated");
});

Deno.test("send_message() stores once, acknowledges the same again, and refuses another content", async () => {
  await using world = await ChatWorld.start();
  const [ana, bob] = [await world.connectAs("ana"), await world.connectAs("bob")];
  await bob.call("subscribe");
  const message = { id: newMessageId(), to: "bob", text: "hello" };
  const first = await ana.call("send_message", message);
  const again = await ana.call("send_message", message);
  assert.deepEqual(again, { ...first, duplicate: true });
  assert.equal(await ana.refused("send_message", { ...message, text: "other" }), "conflict");
  await world.settle();
  assert.equal(bob.received("message_received").length, 1);
});

Deno.test("send_message() says why it cannot", async () => {
  await using world = await ChatWorld.start({ limits: { mailboxMessages: 1 } });
  const [ana, bob] = [await world.connectAs("ana"), await world.connectAs("bob")];
  assert.equal(
    await ana.refused("send_message", { id: newMessageId(), to: "nobody", text: "x" }),
    "not_found",
  );
  await sendText(ana, "bob", "first");
  assert.equal(
    await ana.refused("send_message", { id: newMessageId(), to: "bob", text: "x" }),
    "mailbox_full",
  );
  await bob.call("block_user", { name: "ana" });
  assert.equal(await ana.refused("send_message", { id: newMessageId(), to: "bob", text: "x" }), "blocked");
  assert.deepEqual(await bob.call("list_blocked"), { names: ["ana"] });
  await bob.call("unblock_user", { name: "ana" });
});

Deno.test("a store that cannot take anything is said to be the server's, not the caller's own", async () => {
  let isFull = false;
  const cause = new Error("SQLITE_FULL");
  const full = new ChatError("unavailable", "Cannot store anything now: the disk is full", {
    retryAfterMs: 5_000,
    cause,
  });
  await using world = await ChatWorld.start({
    gate: () => isFull ? Promise.reject(full) : Promise.resolve(),
  });
  const ana = await world.connectAs("ana");
  for (
    const [method, params] of [
      ["send_message", { id: newMessageId(), to: "ana", text: "x" }],
      ["block_user", { name: "bob" }],
    ] as const
  ) {
    isFull = true;
    await assert.rejects(ana.call(method, params), (error: ChatError) => {
      assert.equal(error.message, "The server cannot store anything now: the disk is full");
      assert.deepEqual([error.code, error.retryAfterMs], ["unavailable", 5_000]);
      return true;
    });
    isFull = false;
  }
});

Deno.test("subscribe() delivers what waits, then what comes, to every device, and goes on from its cursor", async () => {
  await using world = await ChatWorld.start();
  const [ana, bob] = [await world.connectAs("ana"), await world.connectAs("bob")];
  const { sequence: first } = await sendText(ana, "bob", "one");
  const other = await world.connectAs("bob");
  for (const device of [bob, other]) await device.call("subscribe");
  const { sequence: second } = await sendText(ana, "bob", "two");
  await world.settle();
  for (const device of [bob, other]) {
    assert.deepEqual(device.received("message_received").map(({ text }) => text), ["one", "two"]);
  }
  await bob.call("acknowledge", { delivered: second, read: first });
  const later = await world.connectAs("bob");
  assert.deepEqual(await later.call("subscribe"), { upTo: second });
  await world.settle();
  assert.deepEqual(later.received("message_received").map(({ text }) => text), ["two"]);
});

Deno.test("subscribe() above the newest message sends nothing until it is asked for again", async () => {
  await using world = await ChatWorld.start();
  const [ana, bob] = [await world.connectAs("ana"), await world.connectAs("bob")];
  await bob.call("subscribe", { after: Number.MAX_SAFE_INTEGER });
  await sendText(ana, "bob", "hello");
  await world.settle();
  assert.deepEqual(bob.received("message_received"), []);
  await bob.call("subscribe", { after: 0 });
  await world.settle();
  assert.deepEqual(bob.received("message_received").map(({ text }) => text), ["hello"]);
});

Deno.test("subscribe() that was asked for last counts, whichever is answered first", async () => {
  await using world = await ChatWorld.start();
  const [ana, bob] = [await world.connectAs("ana"), await world.connectAs("bob")];
  const nothing = { after: Number.MAX_SAFE_INTEGER };
  await Promise.all([bob.call("subscribe"), bob.call("subscribe", nothing)]); // the first asks the store twice
  await sendText(ana, "bob", "hello");
  await world.settle();
  assert.deepEqual(bob.received("message_received"), []);
  await Promise.all([bob.call("subscribe", nothing), bob.call("subscribe")]);
  await world.settle();
  assert.deepEqual(bob.received("message_received").map(({ text }) => text), ["hello"]);
});

Deno.test("session() whose mailbox cannot be read says why in the log, and ends its connection, however long it has run", async () => {
  const faults: unknown[] = [];
  const cause = new Error("a page that cannot be read");
  let isBroken = false;
  await using world = await ChatWorld.start({
    gate: (verb) => isBroken && verb === "listMailbox" ? Promise.reject(cause) : Promise.resolve(),
    onFault: (error) => faults.push(error),
  });
  const [ana, bob] = [await world.connectAs("ana"), await world.connectAs("bob")];
  await bob.call("subscribe", {});
  await world.settle();
  isBroken = true;
  world.services.hub.wake(bob.session.accountId);
  await waitUntil("the connection is closed", () => bob.isClosing);
  assert.deepEqual(faults, [cause]);
  assert.equal(bob.closeReason, "the mailbox could not be read");
  assert.equal(ana.isClosing, false);
});

Deno.test("acknowledge() tells senders what was delivered, and what was read only if that is shared", async () => {
  await using world = await ChatWorld.start();
  const [ana, bob] = [await world.connectAs("ana"), await world.connectAs("bob")];
  const { sequence } = await sendText(ana, "bob", "hello");
  await bob.call("acknowledge", { delivered: sequence, read: sequence });
  assert.deepEqual(ana.received("receipt"), [{ by: "bob", delivered: sequence }]);
  await bob.call("update_settings", { shareRead: true });
  const next = await sendText(ana, "bob", "again");
  await bob.call("acknowledge", { read: next.sequence });
  assert.deepEqual(ana.received("receipt").at(-1), {
    by: "bob",
    delivered: next.sequence,
    read: next.sequence,
  });
});

Deno.test("acknowledge() with a cursor from nowhere loses nothing", async () => {
  await using world = await ChatWorld.start();
  const [ana, bob] = [await world.connectAs("ana"), await world.connectAs("bob")];
  await bob.call("acknowledge", { delivered: Number.MAX_SAFE_INTEGER, read: Number.MAX_SAFE_INTEGER });
  await sendText(ana, "bob", "hello");
  await bob.call("subscribe");
  await world.settle();
  assert.equal(bob.received("message_received").length, 1);
});

Deno.test("list_users() tells the truth about who is there, at once", async () => {
  await using world = await ChatWorld.start();
  const [ana, bob] = [await world.connectAs("ana"), await world.connectAs("bob")];
  const presence = async () => (await ana.call("list_users", { name: "bob" })).users[0].presence;
  assert.equal(await presence(), "online");
  await bob.call("set_presence", { presence: "idle" });
  assert.equal(await presence(), "idle");
  const second = await world.connectAs("bob");
  assert.equal(await presence(), "online");
  second.session.ended();
  bob.session.ended();
  assert.equal(await presence(), "offline");
  await world.settle();
  assert.ok((await ana.call("list_users", { name: "bob" })).users[0].lastSeenAt > 0);
});

Deno.test("list_users() is paged and counts what is unread", async () => {
  await using world = await ChatWorld.start();
  for (const name of ["bob", "cid", "dan"]) await sendText(await world.connectAs(name), name, "x");
  const ana = await world.connectAs("ana");
  await sendText(await world.connectAs("cid"), "ana", "hello");
  const first = await ana.call("list_users", { limit: 2 });
  assert.deepEqual(first.users.map((user: { name: string }) => user.name), ["ana", "bob"]);
  const second = await ana.call("list_users", { limit: 2, after: first.next });
  assert.deepEqual(second.users.map((u: { name: string; unreadCount: number }) => [u.name, u.unreadCount]), [
    ["cid", 1],
    ["dan", 0],
  ]);
  assert.equal(second.next, null);
  assert.deepEqual(await ana.call("list_users", { name: "nobody" }), { users: [], next: null });
});

Deno.test("fetch_history() reads the same for both, in pages that fit a frame", async () => {
  await using world = await ChatWorld.start();
  const [ana, bob] = [await world.connectAs("ana"), await world.connectAs("bob")];
  for (let i = 0; i < 12; i++) {
    await sendText(i % 2 ? ana : bob, i % 2 ? "bob" : "ana", `${i} ${"x".repeat(16_000)}`);
  }
  const read = async (caller: Caller, other: string) => {
    const texts: string[] = [];
    let before: number | null = null;
    do {
      const page = await caller.call("fetch_history", { with: other, ...before === null ? {} : { before } });
      assert.ok(JSON.stringify(page).length < 65_000);
      texts.unshift(...page.messages.map(({ text }: { text: string }) => text.slice(0, 2).trim()));
      before = page.next;
    } while (before !== null);
    return texts;
  };
  const expected = Array.from({ length: 12 }, (_, i) => String(i));
  assert.deepEqual(await read(ana, "bob"), expected);
  assert.deepEqual(await read(bob, "ana"), expected);
  assert.equal(await ana.refused("fetch_history", { with: "nobody" }), "not_found");
});

Deno.test("change_password() needs the old one, and ends the other sessions", async () => {
  await using world = await ChatWorld.start();
  const [here, there] = [await world.connectAs("ana"), await world.connectAs("ana")];
  const newPassword = "battery staple";
  assert.equal(
    await here.refused("change_password", { oldPassword: "wrong", newPassword }),
    "unauthenticated",
  );
  await here.call("change_password", { oldPassword: PASSWORD, newPassword });
  assert.deepEqual(there.received("session_ended"), [{ reason: "password_changed" }]);
  assert.ok(there.closeReason);
  assert.equal(here.closeReason, "");
  const guest = await world.connect().greet();
  assert.equal(await guest.refused("login", { name: "ana", password: PASSWORD }), "unauthenticated");
  await guest.call("login", { name: "ana", password: newPassword });
});

Deno.test("a session that ends while it logs in leaves nobody present", async () => {
  await using world = await ChatWorld.start();
  await world.connectAs("ana");
  const caller = await world.connect().greet();
  const login = caller.refused("login", { name: "ana", password: PASSWORD });
  caller.close("gone");
  assert.equal(await login, "unavailable");
  assert.equal([...world.services.hub.all()].length, 1);
});

Deno.test("login() on ever new devices pushes out none that is connected", async () => {
  await using world = await ChatWorld.start();
  const [ana, bob] = [await world.connectAs("ana"), await world.connectAs("bob")];
  for (let device = 0; device < 70; device++) (await world.connectAs("bob")).close("done");
  assert.equal((await world.store.counts()).devices, 1 + 64);
  const { sequence } = await sendText(ana, "bob", "hello");
  await bob.call("acknowledge", { read: sequence });
  assert.deepEqual(ana.received("receipt"), [{ by: "bob", delivered: sequence }]);
  assert.deepEqual(await world.store.listEndedLogins([bob.session.identity.tokenHash]), []);
});

Deno.test("login() on a device that is connected replaces its token, and its connection goes on under the new one", async () => {
  await using world = await ChatWorld.start();
  const older = await world.connectAs("ana");
  const { deviceId, tokenHash } = older.session.identity;
  const newer = await world.connect().greet();
  await newer.call("login", { name: "ana", password: PASSWORD, deviceId });
  assert.notEqual(newer.session.identity.tokenHash, tokenHash);
  assert.deepEqual(await world.store.listEndedLogins([tokenHash, newer.session.identity.tokenHash]), [
    tokenHash,
  ]);
  assert.equal(older.session.identity.tokenHash, newer.session.identity.tokenHash);
  // So it ends neither by the look for sessions that an operator has ended, nor by its own change of the password.
  await older.call("change_password", { oldPassword: PASSWORD, newPassword: "battery staple" });
  assert.deepEqual(await world.store.listEndedLogins([newer.session.identity.tokenHash]), []);
});

Deno.test("logout() ends the other connections of its device, and no other device", async () => {
  await using world = await ChatWorld.start();
  const ana = world.connect();
  const { token } = await (await ana.greet()).call("register", { name: "ana", password: PASSWORD });
  const same = await world.connect().greet();
  await same.call("resume", { token });
  const other = await world.connectAs("ana");
  await ana.call("logout");
  assert.deepEqual(same.received("session_ended"), [{ reason: "revoked" }]);
  assert.deepEqual(other.received("session_ended"), []);
  await other.call("list_blocked");
});

Deno.test("delete_account() needs the password, ends every session, and nobody gets the name again", async () => {
  await using world = await ChatWorld.start();
  const bob = await world.connectAs("bob");
  const [eve, other] = [await world.connectAs("eve"), await world.connectAs("eve")];
  const { token } = await (await world.connect().greet()).call("login", { name: "eve", password: PASSWORD });
  await sendText(bob, "eve", "hello");
  assert.equal(await eve.refused("delete_account", { password: "wrong horse" }), "unauthenticated");
  await eve.call("delete_account", { password: PASSWORD });
  await world.settle();
  assert.match(eve.closeReason, /deleted/);
  assert.deepEqual(other.received("session_ended"), [{ reason: "revoked" }]);
  const guest = await world.connect().greet();
  assert.equal(await guest.refused("resume", { token }), "unauthenticated");
  assert.equal(await guest.refused("login", { name: "eve", password: PASSWORD }), "unauthenticated");
  assert.equal(await guest.refused("register", { name: "eve", password: PASSWORD }), "conflict");
  assert.equal(
    await bob.refused("send_message", { id: newMessageId(), to: "eve", text: "hello" }),
    "not_found",
  );
  assert.deepEqual((await bob.call("list_users")).users.map(({ name }: { name: string }) => name), ["bob"]);
});

/** Somebody invites somebody to a direct chat. */
async function invite(host: Caller, to: string): Promise<string> {
  const chatId = crypto.randomUUID();
  const secret = "s".repeat(21) + "A";
  await host.call("open_chat", { chatId, to, places: [], port: 4000, certificate: CHAT_CERTIFICATE, secret });
  return chatId;
}

Deno.test("session() refuses a certificate of a direct chat that is none, which only the friend's client noticed once", async () => {
  await using world = await ChatWorld.start();
  const [ana] = [await world.connectAs("ana"), await world.connectAs("bob")];
  const open = (certificate: string) =>
    ana.call("open_chat", {
      chatId: crypto.randomUUID(),
      to: "bob",
      places: [],
      port: 4000,
      certificate,
      secret: "s".repeat(21) + "A",
    });
  const { certificatePem, privateKeyPem } = await createEphemeralIdentity();
  const block = certificatePem.trim();
  const [first = "", ...rest] = block.split("\n");
  for (
    const pem of [
      certificatePem, // as a client of version 0.1 sends it
      block,
      `\r\n${block.replaceAll("\n", "\r\n")}\r\n`,
      [first, rest.slice(0, -1).join(""), rest.at(-1)].join("\n"), // in one line
    ]
  ) await open(pem);
  for (
    const wrong of [
      "x",
      "",
      "\ud800",
      privateKeyPem,
      certificatePem + certificatePem,
      `bob's\n${block}`,
      block.replace("MII", "AII"),
      block.replace("MII", "MII\ud800"),
      `${first}\n${rest.at(-1)}`,
      block.slice(0, -1),
      `${first}\n${"MIIB".repeat(1_100)}\n${rest.at(-1)}`,
    ]
  ) {
    await assert.rejects(
      open(wrong),
      /^ChatError: Cannot take open_chat: certificate: a certificate is one in PEM, of at most 4096 characters, from -----BEGIN/,
      wrong,
    );
  }
});

Deno.test("an invitation to a direct chat once outlived a block of its host", async () => {
  await using world = await ChatWorld.start();
  const [ana, bob] = [await world.connectAs("ana"), await world.connectAs("bob")];
  const chatId = await invite(ana, "bob");
  const joined = await invite(ana, "bob");
  await bob.call("join_chat", { chatId: joined });
  await bob.call("block_user", { name: "ana" });
  assert.deepEqual((await bob.call("list_chats")).chats, []);
  assert.deepEqual(bob.received("chat_closed"), [{ chatId, by: "ana", reason: "closed" }]);
  assert.deepEqual(ana.received("chat_closed"), [{ chatId, by: "bob", reason: "declined" }]);
  await bob.call("close_chat", { chatId: joined });
  assert.deepEqual(
    (await bob.call("list_chats")).chats,
    [],
    "what he has left is open again, but not for him",
  );
  await bob.call("unblock_user", { name: "ana" });
  assert.equal((await bob.call("list_chats")).chats.length, 1);
});

Deno.test("a deleted or banned account leaves no direct chat behind", async () => {
  await using world = await ChatWorld.start();
  const { store, services: { rules } } = world;
  const [ana, bob, eve] = [
    await world.connectAs("ana"),
    await world.connectAs("bob"),
    await world.connectAs("eve"),
  ];
  const ofBob = await invite(bob, "ana");
  const forBob = await invite(ana, "bob");
  await bob.call("delete_account", { password: PASSWORD });
  assert.deepEqual(ana.received("chat_closed"), [
    { chatId: ofBob, by: "bob", reason: "closed" },
    { chatId: forBob, by: "bob", reason: "declined" },
  ]);
  const ofEve = await invite(eve, "ana");
  await store.ban({ kind: "account", subject: "eve", endsAt: Date.UTC(2100, 0, 1), reason: "spam" });
  await rules.refresh();
  await waitUntil("ana is told", () => Promise.resolve(ana.received("chat_closed").length === 3));
  assert.deepEqual(ana.received("chat_closed").at(-1), { chatId: ofEve, by: "eve", reason: "closed" });
});

Deno.test("invitations to direct chats, and joining them, are slowed to what people do", async () => {
  let [slept, now] = [0, 0];
  const paceClock = {
    now: () => now,
    sleep: (ms: number) => {
      slept += ms;
      now += ms;
      return Promise.resolve();
    },
  };
  await using world = await ChatWorld.start({ paceClock });
  const [eve, bob] = [await world.connectAs("eve"), await world.connectAs("bob")];
  for (let times = 0; times < 30; times++) await eve.call("close_chat", { chatId: await invite(eve, "bob") });
  assert.equal(slept, 0);
  for (let times = 0; times < 10; times++) await eve.call("close_chat", { chatId: await invite(eve, "bob") });
  assert.ok(slept > 4_900 && slept < 5_100, `${slept} ms`);
  slept = 0;
  const chatId = await invite(bob, "eve");
  assert.equal(slept, 0, "nobody else waits");
  for (let times = 0; times < 4; times++) await eve.call("join_chat", { chatId });
  assert.ok(slept > 1_900 && slept < 2_100, `${slept} ms`);
});
