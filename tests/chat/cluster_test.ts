/**
 * Two servers of one community: they share a store, and tell each other by a bus that may lose everything.
 * @module
 */
import assert from "node:assert/strict";
import { newMessageId } from "../../lib/protocol/fields.ts";
import { Hearing } from "../../lib/chat/hearing.ts";
import { Hub } from "../../lib/chat/hub.ts";
import { CHAT_CERTIFICATE } from "../helpers/chat_certificate.ts";
import { ChatCommunity } from "../helpers/chat_community.ts";
import { type Caller, ChatWorld, PASSWORD } from "../helpers/chat_world.ts";
import { newStore } from "../store/store_helpers.ts";

/** Two servers, here and there. */
class TwoServers implements AsyncDisposable {
  readonly community: ChatCommunity;
  readonly here: ChatWorld;
  readonly there: ChatWorld;

  private constructor(community: ChatCommunity, here: ChatWorld, there: ChatWorld) {
    this.community = community;
    this.here = here;
    this.there = there;
  }

  static async start(): Promise<TwoServers> {
    const community = new ChatCommunity();
    const here = await ChatWorld.start({ cluster: community.join() });
    const there = await ChatWorld.start({ cluster: community.join(), store: here.store });
    return new TwoServers(community, here, there);
  }

  /** Waits until the news that was told has been heard, and what follows from it is done. */
  async settle(): Promise<void> {
    for (let turn = 0; turn < 3; turn++) await this.here.settle();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.there[Symbol.asyncDispose]();
    await this.here[Symbol.asyncDispose]();
  }
}

async function subscribed(world: ChatWorld, name: string): Promise<Caller> {
  const caller = await world.connectAs(name);
  await caller.call("subscribe");
  return caller;
}

function textsOf(caller: Caller): string[] {
  return caller.received("message_received").map(({ text }) => text);
}

async function send(from: Caller, to: string, text: string, id = newMessageId()): Promise<string> {
  await from.call("send_message", { id, to, text });
  return id;
}

async function presences(viewer: Caller): Promise<Record<string, string>> {
  const { users } = await viewer.call("list_users");
  return Object.fromEntries(
    users.map(({ name, presence }: { name: string; presence: string }) => [name, presence]),
  );
}

Deno.test("a message reaches the sessions of its recipient on every server, once", async () => {
  await using servers = await TwoServers.start();
  const ana = await servers.here.connectAs("ana");
  const bobs = [await subscribed(servers.here, "bob"), await subscribed(servers.there, "bob")];
  const texts = Array.from({ length: 20 }, (_, n) => `text ${n}`);
  for (const text of texts) await send(ana, "bob", text);
  await servers.settle();
  for (const bob of bobs) assert.deepEqual(textsOf(bob), texts);
});

Deno.test("a message committed here does not overtake one committed elsewhere, whose news is late", async () => {
  await using servers = await TwoServers.start();
  const [ana, eve] = [await servers.here.connectAs("ana"), await servers.there.connectAs("eve")];
  const bob = await subscribed(servers.there, "bob");
  servers.community.hold();
  await send(ana, "bob", "first, from the other server");
  await servers.settle();
  assert.deepEqual(textsOf(bob), []);
  await send(eve, "bob", "second, from his own");
  await servers.settle();
  servers.community.release();
  await servers.settle();
  await send(eve, "bob", "third");
  await servers.settle();
  assert.deepEqual(textsOf(bob), ["first, from the other server", "second, from his own", "third"]);
});

Deno.test("a message whose news is lost comes with the next one, with its own duplicate, and when its mailbox is looked at", async () => {
  await using servers = await TwoServers.start();
  const { community } = servers;
  const ana = await servers.here.connectAs("ana");
  const bob = await subscribed(servers.there, "bob");
  const lost = async (text: string): Promise<string> => {
    community.isDeaf = true;
    const id = await send(ana, "bob", text);
    await servers.settle();
    community.isDeaf = false;
    return id;
  };
  await lost("1");
  assert.deepEqual(textsOf(bob), []);
  await send(ana, "bob", "2");
  await servers.settle();
  assert.deepEqual(textsOf(bob), ["1", "2"]);
  await send(ana, "bob", "3", await lost("3"));
  await servers.settle();
  assert.deepEqual(textsOf(bob), ["1", "2", "3"]);
  await lost("4");
  const { services, store } = servers.there;
  const { accountId } = bob.session;
  services.hub.hear({
    type: "highest",
    highest: new Map([[accountId, await store.highestSequence(accountId)]]),
  });
  await servers.settle();
  assert.deepEqual(textsOf(bob), ["1", "2", "3", "4"]);
});

Deno.test("a receipt reaches the sender on another server", async () => {
  await using servers = await TwoServers.start();
  const [ana, bob] = [await servers.here.connectAs("ana"), await subscribed(servers.there, "bob")];
  await bob.call("update_settings", { shareRead: true });
  const { sequence } = await ana.call("send_message", { id: newMessageId(), to: "bob", text: "hello" });
  await bob.call("acknowledge", { read: sequence });
  await servers.settle();
  assert.deepEqual(ana.received("receipt"), [{ by: "bob", delivered: sequence, read: sequence }]);
});

Deno.test("an event for one session reaches it on its server, and nobody once it has ended", async () => {
  await using servers = await TwoServers.start();
  const [first, second] = [await servers.there.connectAs("ana"), await servers.there.connectAs("ana")];
  const own = await servers.here.connectAs("ana");
  const { hub } = servers.here.services;
  const news = { chatId: newMessageId() };
  for (const { session } of [first, own]) hub.tell(session.address, "chat_reopened", news);
  await servers.settle();
  const heard = [first, second, own].map((caller) => caller.received("chat_reopened").length);
  assert.deepEqual(heard, [1, 0, 1]);
  first.close("gone");
  hub.tell(first.session.address, "chat_reopened", news);
  await servers.settle();
  assert.equal(first.received("chat_reopened").length, 1);
});

Deno.test("change_password() ends the sessions on other servers, and those alone", async () => {
  await using servers = await TwoServers.start();
  const [ana, other] = [await servers.here.connectAs("ana"), await servers.there.connectAs("ana")];
  const bob = await servers.there.connectAs("bob");
  await ana.call("change_password", { oldPassword: PASSWORD, newPassword: "battery staple" });
  await servers.settle();
  assert.deepEqual(other.received("session_ended"), [{ reason: "password_changed" }]);
  assert.deepEqual([ana.closeReason, bob.closeReason], ["", ""]);
});

Deno.test("logout() ends the connections of its device on other servers, and no other device", async () => {
  await using servers = await TwoServers.start();
  const ana = await servers.here.connect().greet();
  const { token } = await ana.call("register", { name: "ana", password: PASSWORD });
  const same = await servers.there.connect().greet();
  await same.call("resume", { token });
  const other = await servers.there.connectAs("ana");
  await ana.call("logout");
  await servers.settle();
  assert.deepEqual(same.received("session_ended"), [{ reason: "revoked" }]);
  assert.equal(other.closeReason, "");
});

Deno.test("what the operator ends while the bus is deaf ends when the gap is noticed", async () => {
  await using servers = await TwoServers.start();
  const [ana, bob] = [await servers.here.connectAs("ana"), await servers.there.connectAs("bob")];
  await servers.here.store.setDisabled("ana", true);
  await servers.here.store.removeAccount("bob");
  await servers.settle();
  assert.deepEqual([ana.closeReason, bob.closeReason], ["", ""]);
  servers.community.gap();
  await servers.settle();
  for (const caller of [ana, bob]) {
    assert.deepEqual(caller.received("session_ended"), [{ reason: "revoked" }]);
  }
});

Deno.test("a login that is under way when its end is heard of ends as well", async () => {
  const community = new ChatCommunity();
  const [here, there] = [community.join(), community.join()];
  const hub = new Hub(there);
  const underWay = Promise.withResolvers<void>();
  const asked: string[] = [];
  const store = {
    settled: () => underWay.promise,
    listEndedLogins: (hashes: readonly string[]) => {
      asked.push(...hashes);
      return Promise.resolve(hashes);
    },
  };
  const log = { info() {}, warn() {}, error() {} };
  using _hearing = new Hearing(store, {
    cluster: there,
    hub,
    log,
    rules: { refresh: () => Promise.resolve() },
  });
  here.bus.publish({ type: "logins_ended", accountId: 1, reason: "password_changed" });
  await new Promise((resolve) => setTimeout(resolve, 0));
  const ended: string[] = [];
  hub.add({
    address: { server: there.bus.server, session: "c1" },
    identity: { accountId: 1, name: "ana", deviceId: "d1", tokenHash: "h1" },
    remoteAddress: "192.0.2.1",
    isIdle: false,
    delivery: null,
    renewToken() {},
    notify() {},
    end: (reason) => void ended.push(reason),
    turnOut() {},
  });
  underWay.resolve();
  await new Promise((resolve) => setTimeout(resolve, 0));
  assert.deepEqual([asked, ended], [["h1"], ["password_changed"]]);
});

Deno.test("login() on a device that is connected to another server gives that connection the new token", async () => {
  await using servers = await TwoServers.start();
  const older = await servers.there.connectAs("ana");
  const { deviceId, tokenHash } = older.session.identity;
  const newer = await servers.here.connect().greet();
  await newer.call("login", { name: "ana", password: PASSWORD, deviceId });
  await servers.settle();
  assert.notEqual(newer.session.identity.tokenHash, tokenHash);
  assert.equal(older.session.identity.tokenHash, newer.session.identity.tokenHash);
  servers.community.gap();
  await servers.settle();
  assert.equal(older.closeReason, "");
});

Deno.test("presence is that of the whole community: online before idle before offline", async () => {
  await using servers = await TwoServers.start();
  const viewer = await servers.here.connectAs("viewer");
  const bob = await servers.there.connectAs("bob");
  const seen = async () => (await presences(viewer)).bob;
  assert.equal(await seen(), "online");
  await bob.call("set_presence", { presence: "idle" });
  assert.equal(await seen(), "idle");
  const second = await servers.here.connectAs("bob");
  assert.equal(await seen(), "online");
  await second.call("set_presence", { presence: "idle" });
  assert.equal(await seen(), "idle");
  await bob.call("set_presence", { presence: "online" });
  assert.equal(await seen(), "online");
  bob.close("gone");
  assert.equal(await seen(), "idle");
  second.close("gone");
  assert.equal(await seen(), "offline");
  assert.equal((await presences(viewer)).viewer, "online");
});

Deno.test("login() on ever new devices pushes out none that is connected at another server, and of the others the longest unused", async () => {
  await using s = await newStore();
  const { store, clock } = s;
  const community = new ChatCommunity();
  await using here = await ChatWorld.start({ cluster: community.join(), store });
  await using there = await ChatWorld.start({ cluster: community.join(), store });
  const logIn = (world: ChatWorld) => {
    clock.at += 1_000;
    return world.connectAs("bob");
  };
  const logInAndLeave = async (times: number) => {
    for (let time = 0; time < times; time++) (await logIn(here)).close("done");
  };
  const isOut = async ({ session: { identity: { tokenHash } } }: Caller) =>
    (await store.listEndedLogins([tokenHash])).length === 1;
  const [bob, other] = [await logIn(there), await logIn(there)];
  const oldest = await logIn(here);
  oldest.close("done");
  await logInAndLeave(61);
  assert.equal(await isOut(oldest), false, "64 devices");
  await logInAndLeave(1);
  assert.equal(await isOut(oldest), true);
  assert.equal(await isOut(other), false);
  other.close("done");
  await logInAndLeave(1);
  assert.equal(await isOut(other), true, "connected no longer");
  await logInAndLeave(70);
  assert.equal(await isOut(bob), false);
  assert.equal((await store.counts()).devices, 64);
});

Deno.test("open_chat() says whether the friend is at another server, and invites there", async () => {
  await using servers = await TwoServers.start();
  const [ana, bob] = [await servers.here.connectAs("ana"), await servers.there.connectAs("bob")];
  const chat = {
    to: "bob",
    places: [],
    port: 4000,
    certificate: CHAT_CERTIFICATE,
    secret: "s".repeat(21) + "A",
  };
  const open = () => ana.call("open_chat", { chatId: crypto.randomUUID(), ...chat });
  assert.equal((await open()).isFriendOnline, true);
  await servers.settle();
  assert.equal(bob.received("chat_invited").length, 1);
  bob.close("gone");
  assert.equal((await open()).isFriendOnline, false);
});

Deno.test("block_user() on one server holds for senders on another at once", async () => {
  await using servers = await TwoServers.start();
  const [ana, bob] = [await servers.here.connectAs("ana"), await servers.there.connectAs("bob")];
  await bob.call("block_user", { name: "ana" });
  const message = { id: newMessageId(), to: "bob", text: "hello" };
  assert.equal(await ana.refused("send_message", message), "blocked");
  await bob.call("unblock_user", { name: "ana" });
  await ana.call("send_message", message);
});
