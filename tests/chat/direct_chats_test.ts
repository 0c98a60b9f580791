import assert from "node:assert/strict";
import { type ChatParty, DirectChats } from "../../lib/chat/direct_chats.ts";
import { ChatError } from "../../lib/errors.ts";
import { waitUntil } from "../helpers/wait_until.ts";
import type { ChatEvents, OpenChat } from "../../lib/protocol/chat_messages.ts";

/** A session that writes down what it is told. */
class Party implements ChatParty {
  readonly events: { readonly name: string; readonly content: unknown }[] = [];
  readonly identity: { readonly name: string; readonly deviceId: string };
  readonly peer: { readonly connection: { readonly remoteAddress: string } };
  readonly accountId: number;

  constructor(name: string, accountId: number, deviceId: string = crypto.randomUUID()) {
    this.identity = { name, deviceId };
    this.accountId = accountId;
    this.peer = { connection: { remoteAddress: `192.0.2.${accountId}` } };
  }

  notify<E extends keyof ChatEvents>(name: E, content: ChatEvents[E]): void {
    this.events.push({ name, content });
  }

  get told(): string[] {
    return this.events.map(({ name }) => name);
  }
}

function makeWorld(options: { awayMs?: number; now?: () => number } = {}) {
  const [ana, bob, eve] = [new Party("ana", 1), new Party("bob", 2), new Party("eve", 3)];
  const parties = [ana, bob, eve];
  const chats = new DirectChats({
    hub: {
      notify: (accountId, event, content) => {
        for (const party of parties) if (party.accountId === accountId) party.notify(event, content);
      },
    },
    ...options,
  });
  return { ana, bob, eve, chats, [Symbol.dispose]: () => chats[Symbol.dispose]() };
}

function details(changes: Partial<OpenChat> = {}): OpenChat {
  return {
    chatId: crypto.randomUUID(),
    to: "bob",
    port: 5000,
    places: [{ address: "192.168.1.2", port: 5000, kind: "own" }],
    certificate: "PEM",
    secret: "s".repeat(22),
    ...changes,
  };
}

/** Ana has a chat open, and bob has joined it. */
function openJoined({ ana, bob, chats }: ReturnType<typeof makeWorld>): OpenChat {
  const chat = details();
  chats.open(ana, 2, chat);
  chats.join(bob, { chatId: chat.chatId });
  return chat;
}

function codeOf(run: () => unknown): string {
  try {
    run();
  } catch (error) {
    assert.ok(error instanceof ChatError);
    return error.code;
  }
  assert.fail("it was not refused");
}

Deno.test("DirectChats tell the friend, list the invitation to nobody else, and give the details on joining alone", () => {
  using world = makeWorld();
  const { ana, bob, eve, chats } = world;
  const chat = details();
  chats.open(ana, 2, chat);
  const [invitation] = chats.invitationsFor(2);
  assert.deepEqual(bob.events, [{ name: "chat_invited", content: invitation }]);
  assert.equal(invitation!.from, "ana");
  assert.doesNotMatch(JSON.stringify(invitation), /192\.168|PEM|ssss/);
  assert.deepEqual([chats.invitationsFor(1), chats.invitationsFor(3)], [[], []]);
  assert.equal(codeOf(() => chats.join(eve, { chatId: chat.chatId })), "not_found");
  assert.equal(codeOf(() => chats.join(ana, { chatId: chat.chatId })), "not_found");
  const joined = chats.join(bob, { chatId: chat.chatId });
  assert.deepEqual(joined.places, [...chat.places, { address: "192.0.2.1", port: 5000, kind: "seen" }]);
  assert.equal(joined.secret, chat.secret);
  assert.deepEqual(ana.told, ["chat_joined"]);
  assert.deepEqual(chats.invitationsFor(2), []);
});

Deno.test("DirectChats set both to punch once both have offered, in the present round alone", () => {
  using world = makeWorld();
  const { ana, bob, eve, chats } = world;
  const chat = details();
  const { chatId } = chat;
  chats.open(ana, 2, chat);
  chats.join(bob, { chatId });
  const at = (address: string) => [{ address, port: 1 }];
  chats.offerPunch(bob, { chatId, round: 1, endpoints: at("192.0.2.2") });
  const { round } = chats.join(bob, { chatId });
  assert.equal(round, 2);
  chats.offerPunch(ana, { chatId, round: 1, endpoints: at("192.0.2.1") });
  chats.offerPunch(eve, { chatId, round: 2, endpoints: at("192.0.2.3") });
  chats.offerPunch(ana, { chatId, round: 2, endpoints: at("192.0.2.1") });
  assert.equal(ana.told.includes("chat_punch"), false);
  chats.offerPunch(bob, { chatId, round: 2, endpoints: at("192.0.2.2") });
  assert.deepEqual(ana.events.at(-1), {
    name: "chat_punch",
    content: { chatId, round: 2, endpoints: at("192.0.2.2"), startInMs: 50 },
  });
  assert.deepEqual((bob.events.at(-1)!.content as { endpoints: unknown }).endpoints, at("192.0.2.1"));
});

Deno.test("DirectChats give each side a relay ticket for the same pair, good once, for this round, for 30 s", () => {
  let now = 1_000_000;
  using world = makeWorld({ now: () => now });
  const { ana, bob, chats } = world;
  const chat = details();
  chats.open(ana, 2, chat);
  const first = chats.join(bob, { chatId: chat.chatId }).relayTicket!;
  const second = chats.join(bob, { chatId: chat.chatId }).relayTicket!;
  assert.equal(chats.redeem(first), null);
  const hostTicket = (ana.events.at(-1)!.content as { relayTicket: string }).relayTicket;
  const [atBob, atAna] = [chats.redeem(second), chats.redeem(hostTicket)];
  assert.equal(atBob!.pair, atAna!.pair);
  assert.deepEqual([atBob!.name, atAna!.name], ["bob", "ana"]);
  assert.equal(chats.redeem(second), null);
  const third = chats.join(bob, { chatId: chat.chatId }).relayTicket!;
  now += 31_000;
  assert.equal(chats.redeem(third), null);
});

Deno.test("DirectChats are closed by the host for the friend, and left by the joiner for another try", () => {
  using world = makeWorld();
  const { ana, bob, eve, chats } = world;
  const chat = details();
  const { chatId } = chat;
  chats.open(ana, 2, chat);
  chats.close(eve, chatId);
  chats.join(bob, { chatId });
  chats.close(bob, chatId);
  assert.deepEqual(ana.told, ["chat_joined", "chat_closed"]);
  assert.equal(chats.invitationsFor(2).length, 1);
  chats.close(ana, chatId);
  assert.deepEqual(bob.events.at(-1), {
    name: "chat_closed",
    content: { chatId, by: "ana", reason: "closed" },
  });
  assert.equal(codeOf(() => chats.join(bob, { chatId })), "not_found");
  chats.close(ana, chatId);
});

Deno.test("DirectChats wait for a host whose connection broke, and give up after a while", async () => {
  using world = makeWorld({ awayMs: 30 });
  const { ana, bob, chats } = world;
  const chat = details();
  chats.open(ana, 2, chat);
  chats.left(ana);
  assert.deepEqual(chats.invitationsFor(2), []);
  assert.equal(codeOf(() => chats.join(bob, { chatId: chat.chatId })), "unavailable");
  const again = new Party("ana", 1);
  chats.open(again, 2, { ...chat, port: 6000 });
  assert.equal(chats.join(bob, { chatId: chat.chatId }).places.at(-1)!.port, 6000);
  assert.deepEqual(again.told, ["chat_joined"]);
  assert.deepEqual(bob.told, ["chat_invited"], "nobody is invited twice");
  chats.left(again);
  await waitUntil("the chat is over", () => Promise.resolve(bob.told.includes("chat_closed")));
  assert.deepEqual(bob.events.at(-1)!.content, { chatId: chat.chatId, by: "ana", reason: "gone" });
});

Deno.test("DirectChats let another device of the friend in only when the first has gone", () => {
  using world = makeWorld();
  const { ana, bob, chats } = world;
  const other = new Party("bob", 2);
  const { chatId } = openJoined(world);
  assert.equal(codeOf(() => chats.join(other, { chatId })), "conflict");
  assert.equal(codeOf(() => chats.join(other, { chatId, secret: "x".repeat(22) })), "conflict");
  chats.close(other, chatId);
  assert.deepEqual(ana.told, ["chat_joined"], "a device that is not in the chat cannot leave it");
  chats.left(bob);
  assert.equal(chats.join(other, { chatId }).round, 2);
});

Deno.test("DirectChats once refused a friend's new session while the old, dead one still lived", () => {
  using world = makeWorld();
  const { bob, chats } = world;
  const { chatId, secret } = openJoined(world);
  const onSameDevice = new Party("bob", 2, bob.identity.deviceId);
  assert.equal(chats.join(onSameDevice, { chatId }).round, 2);
  const withSecret = new Party("bob", 2);
  assert.equal(chats.join(withSecret, { chatId, secret }).round, 3);
  // What the dead ones do from now on concerns nobody.
  chats.left(bob);
  chats.left(onSameDevice);
  assert.equal(codeOf(() => chats.join(new Party("bob", 2), { chatId })), "conflict");
});

Deno.test("DirectChats tell a friend who has joined that the host is back, and invite nobody to a chat that goes on", () => {
  using world = makeWorld();
  const { bob, chats } = world;
  const chat = openJoined(world);
  chats.open(new Party("ana", 1), 2, { ...chat, isJoined: true });
  assert.deepEqual(bob.told, ["chat_invited", "chat_reopened"]);
  // The same on a server that has started anew.
  using restarted = makeWorld();
  restarted.chats.open(restarted.ana, 2, { ...chat, isJoined: true });
  assert.deepEqual(restarted.bob.told, ["chat_reopened"]);
  assert.deepEqual(restarted.chats.invitationsFor(2), []);
  assert.equal(restarted.chats.join(restarted.bob, { chatId: chat.chatId, secret: chat.secret }).round, 1);
});

Deno.test("DirectChats say that a chat is over only when its host has had the time to come back since the start", () => {
  let now = 1_000_000;
  using world = makeWorld({ now: () => now, awayMs: 5_000 });
  const { bob, chats } = world;
  const { chatId, secret } = details();
  now += 4_999;
  assert.equal(codeOf(() => chats.join(bob, { chatId, secret })), "unavailable");
  assert.equal(codeOf(() => chats.join(bob, { chatId })), "not_found", "who was never in it is told at once");
  now += 1;
  assert.equal(codeOf(() => chats.join(bob, { chatId, secret })), "not_found");
});

Deno.test("DirectChats give no relay ticket for a round that wants none", () => {
  using world = makeWorld();
  const { ana, bob, chats } = world;
  const { chatId } = openJoined(world);
  assert.equal(chats.join(bob, { chatId, wantsRelay: false }).relayTicket, undefined);
  assert.deepEqual(ana.events.at(-1)!.content, { chatId, by: "bob", round: 2 });
});

Deno.test("DirectChats refuse another's chat id, and too many chats of one account", () => {
  using world = makeWorld();
  const { ana, eve, chats } = world;
  const chat = details();
  chats.open(ana, 2, chat);
  assert.equal(codeOf(() => chats.open(eve, 2, chat)), "conflict");
  assert.equal(codeOf(() => chats.open(ana, 3, chat)), "conflict");
  for (let count = 1; count < 8; count++) chats.open(ana, 2, details());
  assert.equal(codeOf(() => chats.open(ana, 2, details())), "rate_limited");
  chats.close(ana, chat.chatId);
  chats.open(ana, 2, details());
});
