import assert from "node:assert/strict";
import type { ChatEntries } from "../../lib/chat/chat_entries.ts";
import type { SessionAddress } from "../../lib/chat/cluster.ts";
import { MemoryEntries } from "../../lib/chat/direct/memory_entries.ts";
import { type ChatSession, DirectChats } from "../../lib/chat/direct_chats.ts";
import type { AccountName } from "../../lib/chat/store.ts";
import { ChatError } from "../../lib/errors.ts";
import { waitUntil } from "../helpers/wait_until.ts";
import type { ChatEvents, OpenChat } from "../../lib/protocol/chat_messages.ts";
import { PostgresChatEntries } from "../../lib/store/postgres/chat_entries.ts";
import { connect } from "../../lib/store/postgres/connection.ts";
import { openLane } from "../../lib/store/postgres/lane.ts";
import { DATABASE_NOW } from "../../lib/store/postgres/lease.ts";
import { migratePostgres } from "../../lib/store/postgres/migrations.ts";
import { type DatabaseUrl, parseDatabaseUrl } from "../../lib/store/postgres/url.ts";
import { testWith } from "../helpers/needs.ts";
import { newDatabase, POSTGRES } from "../helpers/postgres.ts";

/** A session that writes down what it is told. */
class Party implements ChatSession {
  readonly events: { readonly name: string; readonly content: unknown }[] = [];
  readonly address: SessionAddress;
  readonly identity: { readonly name: string; readonly deviceId: string };
  readonly peer: { readonly connection: { readonly remoteAddress: string } };
  readonly accountId: number;
  hasEnded = false;
  isOut = false;

  constructor(name: string, accountId: number, deviceId: string = crypto.randomUUID(), server = "first") {
    this.address = { server, session: crypto.randomUUID() };
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

/** The entries of a community as a test has them, and what a test does to their clock and servers. */
interface TestEntries extends AsyncDisposable {
  readonly entries: ChatEntries;
  /** Lets time pass for the entries. */
  pass(ms: number): Promise<void>;
  /** Says whether a server lives. */
  setAlive(server: string, isAlive: boolean): Promise<void>;
}

/** Kept in the memory of one process. */
function inMemory(): Promise<TestEntries> {
  let now = 1_000_000;
  const living = new Set<string>();
  return Promise.resolve({
    entries: new MemoryEntries({ now: () => now, isHere: ({ at }) => living.has(at.server) }),
    pass: (ms) => Promise.resolve(void (now += ms)),
    setAlive: (server, isAlive) =>
      Promise.resolve(void (isAlive ? living.add(server) : living.delete(server))),
    [Symbol.asyncDispose]: () => Promise.resolve(),
  });
}

const ACCOUNTS = `
  INSERT INTO accounts (id, name, password_hash, created_at) SELECT id, 'user' || id, '', 0 FROM generate_series(1, 3) id
  ON CONFLICT DO NOTHING`;

let database: Promise<DatabaseUrl> | undefined; // one for all tests of this file

async function makeDatabase(): Promise<DatabaseUrl> {
  const url = parseDatabaseUrl(await newDatabase());
  const connection = await connect(url, { name: "a test" });
  await migratePostgres(connection, { fingerprint: "of a test" });
  await connection.close();
  return url;
}

/** Kept in a database. */
async function inPostgres(): Promise<TestEntries> {
  const lane = await openLane(await (database ??= makeDatabase()), { name: "chats", connections: 2 });
  await lane.run((connection) => connection.rows("TRUNCATE open_chats, relay_tickets, servers"));
  await lane.run((connection) => connection.rows(ACCOUNTS));
  const run = (sql: string, values: readonly unknown[] = []) =>
    lane.run(async (connection) => void await connection.rows(sql, values));
  return {
    entries: new PostgresChatEntries(lane),
    pass: async (ms) => {
      await run("UPDATE open_chats SET away_until = away_until - $1", [ms]);
      await run("UPDATE relay_tickets SET until = until - $1", [ms]);
    },
    setAlive: (server, isAlive) =>
      isAlive
        ? run(`INSERT INTO servers (id, version, beat_at) VALUES ($1, '1', ${DATABASE_NOW})`, [server])
        : run("DELETE FROM servers WHERE id = $1", [server]),
    [Symbol.asyncDispose]: () => lane[Symbol.asyncDispose](),
  };
}

/** The sessions of a community, whose servers share their entries. */
class World implements AsyncDisposable {
  readonly ana = new Party("ana", 1);
  readonly bob = new Party("bob", 2);
  readonly eve = new Party("eve", 3);
  readonly parties = [this.ana, this.bob, this.eve];
  readonly entries: ChatEntries;
  readonly chats: DirectChats;
  readonly removed: AccountName[] = [];
  readonly #store: TestEntries;
  readonly #awayMs: { readonly awayMs?: number };
  readonly #opened = new DisposableStack();

  private constructor(store: TestEntries, awayMs: { readonly awayMs?: number }) {
    this.#store = store;
    this.#awayMs = awayMs;
    this.entries = store.entries;
    this.chats = this.#chatsAt("first");
  }

  static async open(
    openEntries: () => Promise<TestEntries>,
    awayMs: { awayMs?: number } = {},
  ): Promise<World> {
    const world = new World(await openEntries(), awayMs);
    await world.revive("first");
    return world;
  }

  async start(server: string): Promise<DirectChats> {
    await this.revive(server);
    return this.#chatsAt(server);
  }

  /** A server has gone, for all that the others know. */
  lose(server: string): Promise<void> {
    return this.#store.setAlive(server, false);
  }

  revive(server: string): Promise<void> {
    return this.#store.setAlive(server, true);
  }

  pass(ms: number): Promise<void> {
    return this.#store.pass(ms);
  }

  /** As the store answers. */
  listGone(accountIds: readonly number[]): Promise<AccountName[]> {
    return Promise.resolve(this.removed.filter(({ accountId }) => accountIds.includes(accountId)));
  }

  /** One more session of somebody. */
  enter(name: string, accountId: number, deviceId?: string, server?: string): Party {
    const party = new Party(name, accountId, deviceId, server);
    this.parties.push(party);
    return party;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#opened[Symbol.dispose]();
    await this.#store[Symbol.asyncDispose]();
  }

  #chatsAt(server: string): DirectChats {
    const tell = <E extends keyof ChatEvents>(
      isMeant: (party: Party) => boolean,
      event: E,
      content: ChatEvents[E],
    ) => {
      for (const party of this.parties.filter(isMeant)) party.notify(event, content);
    };
    return this.#opened.use(
      new DirectChats({
        server,
        entries: this.entries,
        hub: {
          notify: (accountId, ...news) => tell((party) => party.accountId === accountId, ...news),
          tell: (to, ...news) => tell(({ address }) => address.session === to.session, ...news),
        },
        relayAddress: `${server}.example.org:7667`,
        ...this.#awayMs,
      }),
    );
  }
}

/** Registers a test for each kind of entries. */
function test(
  name: string,
  run: (open: (options?: { awayMs?: number }) => Promise<World>) => Promise<void>,
): void {
  Deno.test(`${name}, in memory`, () => run((options) => World.open(inMemory, options)));
  testWith(POSTGRES, `${name}, in PostgreSQL`, () => run((options) => World.open(inPostgres, options)));
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
async function openJoined({ ana, bob, chats }: World): Promise<OpenChat> {
  const chat = details();
  await chats.open(ana, 2, chat);
  await chats.join(bob, { chatId: chat.chatId });
  return chat;
}

async function codeOf(running: Promise<unknown>): Promise<string> {
  try {
    await running;
  } catch (error) {
    assert.ok(error instanceof ChatError);
    return error.code;
  }
  assert.fail("it was not refused");
}

test(
  "DirectChats tell the friend, list the invitation to nobody else, and give the details on joining alone",
  async (open) => {
    await using world = await open();
    const { ana, bob, eve, chats } = world;
    const chat = details();
    await chats.open(ana, 2, chat);
    const [invitation] = await chats.invitationsFor(2);
    assert.deepEqual(bob.events, [{ name: "chat_invited", content: invitation }]);
    assert.equal(invitation!.from, "ana");
    assert.doesNotMatch(JSON.stringify(invitation), /192\.168|PEM|ssss/);
    assert.deepEqual([await chats.invitationsFor(1), await chats.invitationsFor(3)], [[], []]);
    assert.equal(await codeOf(chats.join(eve, { chatId: chat.chatId })), "not_found");
    assert.equal(await codeOf(chats.join(ana, { chatId: chat.chatId })), "not_found");
    const joined = await chats.join(bob, { chatId: chat.chatId });
    assert.deepEqual(joined.places, [...chat.places, { address: "192.0.2.1", port: 5000, kind: "seen" }]);
    assert.equal(joined.secret, chat.secret);
    assert.deepEqual(ana.told, ["chat_joined"]);
    assert.deepEqual(await chats.invitationsFor(2), []);
  },
);

test(
  "DirectChats set both to punch once both have offered, in the present round alone",
  async (open) => {
    await using world = await open();
    const { ana, bob, eve, chats } = world;
    const chat = details();
    const { chatId } = chat;
    await chats.open(ana, 2, chat);
    await chats.join(bob, { chatId });
    const at = (address: string) => [{ address, port: 1 }];
    await chats.offerPunch(bob, { chatId, round: 1, endpoints: at("192.0.2.2") });
    const { round } = await chats.join(bob, { chatId });
    assert.equal(round, 2);
    await chats.offerPunch(ana, { chatId, round: 1, endpoints: at("192.0.2.1") });
    await chats.offerPunch(eve, { chatId, round: 2, endpoints: at("192.0.2.3") });
    await chats.offerPunch(ana, { chatId, round: 2, endpoints: at("192.0.2.1") });
    assert.equal(ana.told.includes("chat_punch"), false);
    await chats.offerPunch(bob, { chatId, round: 2, endpoints: at("192.0.2.2") });
    assert.deepEqual(ana.events.at(-1), {
      name: "chat_punch",
      content: { chatId, round: 2, endpoints: at("192.0.2.2"), startInMs: 50 },
    });
    assert.deepEqual((bob.events.at(-1)!.content as { endpoints: unknown }).endpoints, at("192.0.2.1"));
  },
);

test(
  "DirectChats give each side a relay ticket for the same pair, good once, for this round, for 30 s",
  async (open) => {
    await using world = await open();
    const { ana, bob, chats } = world;
    const chat = details();
    await chats.open(ana, 2, chat);
    const first = (await chats.join(bob, { chatId: chat.chatId })).relayTicket!;
    const second = (await chats.join(bob, { chatId: chat.chatId })).relayTicket!;
    assert.equal(await chats.redeem(first), null);
    const hostTicket = (ana.events.at(-1)!.content as { relayTicket: string }).relayTicket;
    const [atBob, atAna] = [await chats.redeem(second), await chats.redeem(hostTicket)];
    assert.equal(atBob!.half.pair, atAna!.half.pair);
    assert.deepEqual([atBob!.half.name, atAna!.half.name], ["bob", "ana"]);
    assert.equal(await chats.redeem(second), null);
    const third = (await chats.join(bob, { chatId: chat.chatId })).relayTicket!;
    await world.pass(31_000);
    assert.equal(await chats.redeem(third), null);
  },
);

test(
  "DirectChats are closed by the host for the friend, and left by the joiner for another try",
  async (open) => {
    await using world = await open();
    const { ana, bob, eve, chats } = world;
    const chat = details();
    const { chatId } = chat;
    await chats.open(ana, 2, chat);
    await chats.close(eve, chatId);
    await chats.join(bob, { chatId });
    await chats.close(bob, chatId);
    assert.deepEqual(ana.told, ["chat_joined", "chat_closed"]);
    assert.equal((await chats.invitationsFor(2)).length, 1);
    await chats.close(ana, chatId);
    assert.deepEqual(bob.events.at(-1), {
      name: "chat_closed",
      content: { chatId, by: "ana", reason: "closed" },
    });
    assert.equal(await codeOf(chats.join(bob, { chatId })), "not_found");
    await chats.close(ana, chatId);
  },
);

test("DirectChats wait for a host whose connection broke", async (open) => {
  await using world = await open();
  const { ana, bob, chats } = world;
  const chat = details();
  await chats.open(ana, 2, chat);
  await chats.left(ana);
  assert.deepEqual(await chats.invitationsFor(2), []);
  assert.equal(await codeOf(chats.join(bob, { chatId: chat.chatId })), "unavailable");
  const again = world.enter("ana", 1);
  await chats.open(again, 2, { ...chat, port: 6000 });
  assert.equal((await chats.join(bob, { chatId: chat.chatId })).places.at(-1)!.port, 6000);
  assert.deepEqual(again.told, ["chat_joined"]);
  assert.deepEqual(bob.told, ["chat_invited"], "nobody is invited twice");
});

test("DirectChats give up a host who does not come back", async (open) => {
  await using world = await open({ awayMs: 30 });
  const { ana, bob, chats } = world;
  const { chatId } = await openJoined(world);
  await chats.left(ana);
  await waitUntil("the chat is over", () => Promise.resolve(bob.told.includes("chat_closed")));
  assert.deepEqual(bob.events.at(-1)!.content, { chatId, by: "ana", reason: "gone" });
});

test("DirectChats end the invitations of a host whom the friend has blocked, at any server", async (open) => {
  await using world = await open();
  const { ana, bob, eve, chats } = world;
  const joined = await openJoined(world);
  const ofEve = details();
  await chats.open(eve, 2, ofEve);
  const chat = details();
  await chats.open(ana, 2, chat);
  const other = await world.start("second");
  await other.decline({ accountId: 2, name: "bob" }, "ana");
  assert.deepEqual((await chats.invitationsFor(2)).map(({ chatId }) => chatId), [ofEve.chatId]);
  const { chatId } = chat;
  assert.deepEqual(bob.events.at(-1)!.content, { chatId, by: "ana", reason: "closed" });
  assert.deepEqual(ana.told, ["chat_joined", "chat_closed"]);
  assert.deepEqual(ana.events.at(-1)!.content, { chatId, by: "bob", reason: "declined" });
  assert.deepEqual(eve.told, []);
  assert.equal(await codeOf(chats.join(bob, { chatId })), "not_found");
  assert.equal(
    (await chats.join(bob, { chatId: joined.chatId })).round,
    2,
    "the chat that he has joined goes on",
  );
});

test("DirectChats end all chats of an account that is gone, and tell the other side", async (open) => {
  await using world = await open();
  const { ana, bob, eve, chats } = world;
  const [hosted, invited] = [details(), details()];
  await chats.open(bob, 3, hosted);
  await chats.open(ana, 2, invited);
  const joined = await openJoined(world);
  await chats.forsake({ accountId: 2, name: "bob" });
  assert.equal(await chats.count(), 0);
  assert.deepEqual(eve.events.at(-1)!.content, { chatId: hosted.chatId, by: "bob", reason: "closed" });
  const told = ana.events.filter(({ name }) => name === "chat_closed").map(({ content }) => content);
  const expected = [invited, joined].map(({ chatId }) => ({ chatId, by: "bob", reason: "declined" }));
  assert.deepEqual(new Set(told), new Set(expected));
});

test("DirectChats end the chats of accounts that an operator has removed, also of those who were not connected", async (open) => {
  await using world = await open();
  const { ana, bob, eve, chats, removed } = world;
  const [hosted, invited, ofOthers] = [details(), details(), details()];
  await chats.open(bob, 3, hosted);
  await chats.open(ana, 2, invited);
  await chats.open(eve, 1, ofOthers);
  await chats.lookAfterAll(world);
  assert.equal(await chats.count(), 3);
  removed.push({ accountId: 2, name: "bob" });
  await chats.lookAfterAll(world);
  assert.deepEqual((await chats.invitationsFor(1)).map(({ chatId }) => chatId), [ofOthers.chatId]);
  assert.equal(await chats.count(), 1);
  const told = (chatId: string, reason: string) => ({
    name: "chat_closed",
    content: { chatId, by: "bob", reason },
  });
  assert.deepEqual(eve.events.at(-1), told(hosted.chatId, "closed"));
  assert.deepEqual(ana.events.filter(({ name }) => name === "chat_closed"), [
    told(invited.chatId, "declined"),
  ]);
});

test("DirectChats wait for nobody who does not come back", async (open) => {
  await using world = await open();
  const { ana, bob, chats } = world;
  const joined = await openJoined(world);
  bob.isOut = true;
  await chats.left(bob);
  assert.deepEqual(ana.events.at(-1)!.content, { chatId: joined.chatId, by: "bob", reason: "closed" });
  ana.isOut = true;
  await chats.left(ana);
  assert.deepEqual(bob.events.at(-1)!.content, { chatId: joined.chatId, by: "ana", reason: "closed" });
  assert.equal(await chats.count(), 0);
});

test("DirectChats let another device of the friend in only when the first has gone", async (open) => {
  await using world = await open();
  const { ana, bob, chats } = world;
  const other = new Party("bob", 2);
  const { chatId } = await openJoined(world);
  assert.equal(await codeOf(chats.join(other, { chatId })), "conflict");
  assert.equal(await codeOf(chats.join(other, { chatId, secret: "x".repeat(22) })), "conflict");
  await chats.close(other, chatId);
  assert.deepEqual(ana.told, ["chat_joined"], "a device that is not in the chat cannot leave it");
  await chats.left(bob);
  assert.equal((await chats.join(other, { chatId })).round, 2);
});

test(
  "DirectChats once refused a friend's new session while the old, dead one still lived",
  async (open) => {
    await using world = await open();
    const { bob, chats } = world;
    const { chatId, secret } = await openJoined(world);
    const onSameDevice = new Party("bob", 2, bob.identity.deviceId);
    assert.equal((await chats.join(onSameDevice, { chatId })).round, 2);
    const withSecret = new Party("bob", 2);
    assert.equal((await chats.join(withSecret, { chatId, secret })).round, 3);
    // What the dead ones do from now on concerns nobody.
    await chats.left(bob);
    await chats.left(onSameDevice);
    assert.equal(await codeOf(chats.join(new Party("bob", 2), { chatId })), "conflict");
  },
);

test(
  "DirectChats once kept an invitation from a friend whose program ended before its first link",
  async (open) => {
    await using world = await open();
    const { ana, bob, chats } = world;
    const chat = await openJoined(world);
    await chats.left(bob);
    const again = world.enter("bob", 2);
    assert.deepEqual(bob.told, ["chat_invited", "chat_invited"], "on the friend's other devices too");
    const [invitation] = await chats.invitationsFor(2);
    assert.equal((await chats.join(again, { chatId: invitation!.chatId })).round, 2);
    // From its first link on the chat waits for the one who is in it.
    await chats.open(ana, 2, { ...chat, isJoined: true });
    await chats.left(again);
    assert.deepEqual(await chats.invitationsFor(2), []);
    assert.deepEqual(again.told, [], "the host was not away");
    // A link of which the server hears after its joiner has gone.
    const other = await openJoined(world);
    await chats.left(bob);
    await chats.open(ana, 2, { ...other, isJoined: true });
    assert.deepEqual(await chats.invitationsFor(2), []);
  },
);

test(
  "DirectChats tell a friend who has joined that the host is back, and invite nobody to a chat that goes on",
  async (open) => {
    await using world = await open();
    const { bob, chats } = world;
    const chat = await openJoined(world);
    await chats.open(new Party("ana", 1), 2, { ...chat, isJoined: true });
    assert.deepEqual(bob.told, ["chat_invited", "chat_reopened"]);
    // The same on a server that has started anew.
    await using restarted = await open();
    await restarted.chats.open(restarted.ana, 2, { ...chat, isJoined: true });
    assert.deepEqual(restarted.bob.told, ["chat_reopened"]);
    assert.deepEqual(await restarted.chats.invitationsFor(2), []);
    assert.equal(
      (await restarted.chats.join(restarted.bob, { chatId: chat.chatId, secret: chat.secret })).round,
      1,
    );
  },
);

Deno.test(
  "DirectChats in memory say that a chat is over only when its host has had the time to come back since the start",
  async () => {
    await using world = await World.open(inMemory, { awayMs: 5_000 });
    const { bob, chats } = world;
    const { chatId, secret } = details();
    await world.pass(4_999);
    assert.equal(await codeOf(chats.join(bob, { chatId, secret })), "unavailable");
    assert.equal(
      await codeOf(chats.join(bob, { chatId })),
      "not_found",
      "who was never in it is told at once",
    );
    await world.pass(1);
    assert.equal(await codeOf(chats.join(bob, { chatId, secret })), "not_found");
  },
);

test("DirectChats give no relay ticket for a round that wants none", async (open) => {
  await using world = await open();
  const { ana, bob, chats } = world;
  const { chatId } = await openJoined(world);
  assert.equal((await chats.join(bob, { chatId, wantsRelay: false })).relayTicket, undefined);
  assert.deepEqual(ana.events.at(-1)!.content, { chatId, by: "bob", round: 2 });
});

test("DirectChats refuse another's chat id, and too many chats of one account", async (open) => {
  await using world = await open();
  const { ana, eve, chats } = world;
  const chat = details();
  await chats.open(ana, 2, chat);
  assert.equal(await codeOf(chats.open(eve, 2, chat)), "conflict");
  assert.equal(await codeOf(chats.open(ana, 3, chat)), "conflict");
  for (let count = 1; count < 8; count++) await chats.open(ana, 2, details());
  assert.equal(await codeOf(chats.open(ana, 2, details())), "rate_limited");
  await chats.close(ana, chat.chatId);
  await chats.open(ana, 2, details());
});

test(
  "DirectChats of two servers bring a host and a friend together, who get more time to hear of a punch",
  async (open) => {
    await using world = await open();
    const { ana, chats: first } = world;
    const second = await world.start("second");
    const bob = world.enter("bob", 2, undefined, "second");
    const chat = details();
    const { chatId } = chat;
    await first.open(ana, 2, chat);
    assert.deepEqual((await second.invitationsFor(2)).map(({ from }) => from), ["ana"]);
    const { round, relayTicket } = await second.join(bob, { chatId });
    await first.offerPunch(ana, { chatId, round, endpoints: [] });
    await second.offerPunch(bob, { chatId, round, endpoints: [] });
    assert.deepEqual([ana.told, bob.told], [["chat_joined", "chat_punch"], ["chat_invited", "chat_punch"]]);
    assert.equal((bob.events.at(-1)!.content as { startInMs: number }).startInMs, 150);
    // Bob's server has issued the tickets, so both halves of the relay meet there.
    const hostTicket = (ana.events[0]!.content as { relayTicket: string }).relayTicket;
    assert.deepEqual((await first.redeem(hostTicket))!.owner, { relayAddress: "second.example.org:7667" });
    assert.equal(await first.redeem(hostTicket), null, "it is carried once");
    assert.equal((await second.redeem(hostTicket))!.owner, "here");
    assert.equal((await second.redeem(relayTicket!))!.owner, "here");
    for (const chats of [first, second]) assert.equal(await chats.redeem(hostTicket), null);
  },
);

test(
  "DirectChats miss a host whose server has gone, as one whose connection broke, until it comes back or its time is up",
  async (open) => {
    await using world = await open({ awayMs: 5_000 });
    const { ana, bob, chats } = world;
    const second = await world.start("second");
    const chat = await openJoined(world);
    const { chatId } = chat;
    const other = world.enter("bob", 2, undefined, "second");
    await world.lose("first");
    assert.equal(await codeOf(second.join(other, { chatId })), "unavailable", "and not: on another device");
    await second.lookAfterAll(world);
    // The server was only frozen, and its sessions have lived on.
    await world.revive("first");
    await second.lookAfterAll(world);
    await world.pass(6_000);
    await second.lookAfterAll(world);
    await chats.join(bob, { chatId });
    await world.lose("first");
    await second.lookAfterAll(world);
    await world.pass(4_999);
    await second.lookAfterAll(world);
    const again = world.enter("ana", 1, undefined, "second");
    await second.open(again, 2, { ...chat, isJoined: true });
    assert.deepEqual(other.told, ["chat_reopened"], "the friend's session there was lost as well");
    await second.join(other, { chatId });
    assert.deepEqual(again.told, ["chat_joined"]);
    await world.lose("second");
    await chats.lookAfterAll(world);
    await world.pass(5_000);
    await chats.lookAfterAll(world);
    assert.deepEqual(await world.entries.neglected(), []);
    await world.revive("first");
    assert.equal(await codeOf(chats.join(bob, { chatId })), "not_found");
    assert.equal(ana.told.includes("chat_closed"), false);
  },
);

test("DirectChats take a session out of its chat that ended while it was put in", async (open) => {
  await using world = await open();
  const { ana, bob, chats } = world;
  const chat = details();
  const opening = chats.open(ana, 2, chat);
  ana.hasEnded = true;
  await Promise.all([opening, chats.left(ana)]);
  assert.equal(await codeOf(chats.join(bob, { chatId: chat.chatId })), "unavailable");
});

test("DirectChats of two servers keep every limit when both are asked at once", async (open) => {
  await using world = await open();
  const { ana, bob } = world;
  const both = [world.chats, await world.start("second")];
  const atBoth = <T>(times: number, ask: (chats: DirectChats) => Promise<T>) =>
    Promise.allSettled(Array.from({ length: times }, (_, index) => ask(both[index % 2]!)));
  const reasons = (outcomes: PromiseSettledResult<unknown>[]) =>
    outcomes.filter((outcome) => outcome.status === "rejected").map(({ reason }) => reason.code);
  const chat = details();
  const { chatId } = chat;
  assert.deepEqual(reasons(await atBoth(4, (chats) => chats.open(ana, 2, chat))), []);
  assert.deepEqual(bob.told, ["chat_invited"]);
  const refused = reasons(await atBoth(12, (chats) => chats.open(ana, 2, details())));
  assert.deepEqual(refused, Array(5).fill("rate_limited"));
  const joins = await Promise.all(
    (await atBoth(8, (chats) => chats.join(bob, { chatId }))).map(async (it) => {
      assert.ok(it.status === "fulfilled");
      return await it.value;
    }),
  );
  assert.deepEqual(joins.map(({ round }) => round).sort(), [1, 2, 3, 4, 5, 6, 7, 8]);
  const { relayTicket } = joins.find(({ round }) => round === 8)!;
  const taken = await atBoth(8, (chats) => chats.redeem(relayTicket!));
  const owners = taken.map((it) => it.status === "fulfilled" && it.value?.owner).filter(Boolean);
  assert.equal(owners.filter((owner) => owner === "here").length, 1);
  assert.ok(owners.length <= 2, "and carried once at most");
});

Deno.test("DirectChats note later that a session has ended when the entries could not be reached", async () => {
  const entries = new MemoryEntries();
  let failures = 2;
  const heldBy: ChatEntries["heldBy"] = (party) =>
    failures-- > 0
      ? Promise.reject(new ChatError("unavailable", "Cannot reach the database now"))
      : entries.heldBy(party);
  const unreliable: ChatEntries = {
    heldBy,
    change: (chatId, step) => entries.change(chatId, step),
    waitingFor: (friendId, limit) => entries.waitingFor(friendId, limit),
    count: () => entries.count(),
    ofAccount: (accountId) => entries.ofAccount(accountId),
    parties: () => entries.parties(),
    neglected: () => entries.neglected(),
    redeem: (ticket, here) => entries.redeem(ticket, here),
  };
  using chats = new DirectChats({
    server: "first",
    entries: unreliable,
    hub: { notify: () => {}, tell: () => {} },
    leaveAgainMs: 1,
  });
  const ana = new Party("ana", 1);
  await chats.open(ana, 2, details());
  await chats.left(ana);
  assert.equal((await chats.invitationsFor(2)).length, 1);
  await waitUntil("the host is away", async () => (await chats.invitationsFor(2)).length === 0);
});
