import assert from "node:assert/strict";
import { MemoryEntries } from "../../lib/chat/direct/memory_entries.ts";
import { type ChatSession, DirectChats, type Redeemed } from "../../lib/chat/direct_chats.ts";
import { HouseRules } from "../../lib/chat/moderation/house_rules.ts";
import type { Ban } from "../../lib/chat/store.ts";
import { type ByteStream, writeAll } from "../../lib/net/byte_stream.ts";
import { createEphemeralIdentity, type Identity } from "../../lib/net/identity.ts";
import { Listener } from "../../lib/net/listener.ts";
import { SIDE_ALPN } from "../../lib/protocol/limits.ts";
import { reachServer } from "../../lib/server/relay/reach_server.ts";
import { DEFAULT_RELAY_LIMITS, type RelayLimits } from "../../lib/server/relay/limits.ts";
import { Relay } from "../../lib/server/relay/relay.ts";
import { SideRequests } from "../../lib/server/relay/side_requests.ts";
import { SILENT_LOG } from "../helpers/chat_server.ts";
import { waitUntil } from "../helpers/wait_until.ts";

/** A relay behind its side door, on a plain socket, and the tickets it takes. */
class RelayDesk implements AsyncDisposable {
  readonly relay: Relay;
  readonly tickets = new Map<string, Redeemed>();
  readonly #side: SideRequests;
  readonly #listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  readonly #accepting: Promise<void>;

  constructor(
    options: {
      limits?: Partial<RelayLimits>;
      waitMs?: number;
      idleMs?: number;
      admit?: HouseRules["admit"];
    } = {},
  ) {
    const { limits, admit, ...rest } = options;
    this.relay = new Relay({ log: SILENT_LOG, limits: { ...DEFAULT_RELAY_LIMITS, ...limits }, ...rest });
    const redeem = (ticket: string) => {
      const half = this.tickets.get(ticket) ?? null;
      this.tickets.delete(ticket);
      return Promise.resolve(half);
    };
    this.#side = new SideRequests({
      tickets: { redeem },
      relay: this.relay,
      log: SILENT_LOG,
      ...(admit ? { admit } : {}),
      requestWithinMs: 200,
      lingerMs: 200,
    });
    this.#accepting = this.#accept();
  }

  async #accept(): Promise<void> {
    for await (const stream of this.#listener) this.#side.serve(stream as ByteStream);
  }

  /** Two tickets of one chat. */
  issue(a: number, b: number): [string, string] {
    const pair = crypto.randomUUID();
    const names = ["x", "y"].map(() =>
      crypto.getRandomValues(new Uint8Array(16)).toBase64({
        alphabet: "base64url",
        omitPadding: true,
      })
    ) as [string, string];
    this.tickets.set(names[0], { half: { pair, accountId: a, name: `user${a}` }, owner: "here" });
    this.tickets.set(names[1], { half: { pair, accountId: b, name: `user${b}` }, owner: "here" });
    return names;
  }

  connect(): Promise<Deno.TcpConn> {
    return Deno.connect({ hostname: "127.0.0.1", port: this.#listener.addr.port });
  }

  async ask(method: string, params: unknown): Promise<Deno.TcpConn> {
    const stream = await this.connect();
    await say(stream, JSON.stringify({ jsonrpc: "2.0", id: 1, method, params }) + "\n");
    return stream;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#listener.close();
    await this.#side[Symbol.asyncDispose]();
    await this.#accepting;
  }
}

async function say(stream: Deno.TcpConn, text: string): Promise<void> {
  await stream.write(new TextEncoder().encode(text));
}

/** Reads until `length` characters or the end. */
async function hear(stream: ByteStream, length = Infinity): Promise<string> {
  const buffer = new Uint8Array(64 * 1024);
  let text = "";
  try {
    while (text.length < length) {
      const count = await stream.read(buffer);
      if (count === null) break;
      text += new TextDecoder().decode(buffer.subarray(0, count));
    }
  } catch {
    // A reset is an end too.
  }
  return text;
}

/** Reads one line. */
// deno-lint-ignore no-explicit-any -- a reply is looked at field by field
async function hearReply(stream: ByteStream): Promise<any> {
  let line = "";
  while (!line.endsWith("\n")) {
    const piece = await hear(stream, 1);
    if (piece === "") break;
    line += piece;
  }
  return JSON.parse(line);
}

Deno.test("Relay joins the two sides of a pair, whoever comes first, and copies every byte", async () => {
  await using desk = new RelayDesk();
  const [forAna, forBob] = desk.issue(1, 2);
  const ana = await desk.ask("relay", { ticket: forAna });
  const bob = await desk.ask("relay", { ticket: forBob });
  const terms = (await hearReply(ana)).result;
  assert.deepEqual((await hearReply(bob)).result, terms);
  assert.equal(terms.maxBytes, DEFAULT_RELAY_LIMITS.bytesPerDay);
  await say(ana, "to bob");
  await say(bob, "to ana");
  assert.equal(await hear(bob, 6), "to bob");
  assert.equal(await hear(ana, 6), "to ana");
  assert.equal(desk.relay.count, 2);
  ana.close();
  assert.equal(await hear(bob), "");
  bob.close();
});

Deno.test("a ban once left a relayed chat to go on", async () => {
  const bans: Ban[] = [];
  const store = {
    standingOrders: () => Promise.resolve({ bans: [...bans], lockdown: null }),
    haveMet: () => Promise.resolve(true),
  };
  const rules = new HouseRules(store, { all: function* () {} });
  await using desk = new RelayDesk({ admit: rules.admit });
  const pairs = [desk.issue(1, 2), desk.issue(3, 4), desk.issue(2, 5)] as const;
  const sides = await Promise.all(
    pairs.slice(0, 2).flat().map((ticket) => desk.ask("relay", { ticket })),
  );
  const [ana, bob, mia, zoe] = sides as [Deno.TcpConn, Deno.TcpConn, Deno.TcpConn, Deno.TcpConn];
  for (const side of sides) assert.ok((await hearReply(side)).result);
  const [now, endsAt] = [Date.now(), Date.now() + 60_000];
  bans.push({ kind: "account", subject: "user2", createdAt: now, endsAt, reason: "" });
  await rules.refresh();
  assert.equal(await hear(bob), "");
  bob.close(); // a plain socket ends when both sides have
  assert.equal(await hear(ana), "");
  const again = await desk.ask("relay", { ticket: pairs[2][0] });
  const { error } = await hearReply(again);
  assert.equal(error.data.code, "forbidden");
  assert.match(error.message, /banned by the server's operator until/);
  await say(mia, "still here");
  assert.equal(await hear(zoe, 10), "still here");
  bans[0] = { ...bans[0]!, kind: "network", subject: "127.0.0.1/32" };
  await rules.refresh();
  for (const side of [mia, zoe]) assert.equal(await hear(side), "");
  for (const side of [ana, mia, zoe, again]) side.close();
});

Deno.test("Relay refuses a ticket that is unknown or used, and what is no relay request", async () => {
  await using desk = new RelayDesk({ waitMs: 50 });
  const [ticket] = desk.issue(1, 2);
  const first = await desk.ask("relay", { ticket });
  assert.equal((await hearReply(first)).error.data.code, "timeout", "nobody else came");
  first.close();
  for (
    const [method, params, code] of [
      ["relay", { ticket }, "forbidden"],
      ["relay", { ticket: "short" }, "invalid"],
      ["relay", {}, "invalid"],
      ["login", {}, "invalid"],
    ] as const
  ) {
    const stream = await desk.ask(method, params);
    assert.equal((await hearReply(stream)).error.data.code, code);
    assert.equal(await hear(stream), "");
    stream.close();
  }
  for (const text of ["garbage\n", "x".repeat(1_024)]) {
    const stream = await desk.connect();
    await say(stream, text);
    assert.equal((await hearReply(stream)).error.code < 0, true);
    stream.close();
  }
  const silent = await desk.connect();
  assert.equal(await hear(silent), "", "put out after a while");
  silent.close();
  assert.equal(desk.relay.count, 0);
});

Deno.test("Relay ends at its limit of bytes, counts them for both accounts, and says when to come back", async () => {
  await using desk = new RelayDesk({ limits: { bytesPerDay: 100_000 } });
  const [forAna, forBob] = desk.issue(1, 2);
  const [ana, bob] = [
    await desk.ask("relay", { ticket: forAna }),
    await desk.ask("relay", { ticket: forBob }),
  ];
  await Promise.all([hearReply(ana), hearReply(bob)]);
  const heard = hear(bob);
  try {
    for (let times = 0; times < 100; times++) await say(ana, "x".repeat(10_000));
  } catch {
    // Cut, as it should be.
  }
  assert.ok((await heard).length <= 100_000 + 65_536);
  for (const [mine, other] of [[1, 3], [4, 2]] as const) {
    const tickets = desk.issue(mine, other);
    const streams = await Promise.all(tickets.map((ticket) => desk.ask("relay", { ticket })));
    const spent = streams[mine === 1 ? 0 : 1]!;
    const { error } = await hearReply(spent);
    assert.equal(error.data.code, "rate_limited");
    assert.ok(error.data.retryAfterMs > 80_000_000);
    for (const stream of streams) stream.close();
  }
  ana.close();
  bob.close();
});

Deno.test("Relay holds few for one account, ends what stands still or lasts too long, and can be off", async () => {
  {
    await using desk = new RelayDesk({ limits: { perAccount: 1 } });
    const [first] = desk.issue(1, 2);
    const [second] = desk.issue(1, 3);
    const waiting = await desk.ask("relay", { ticket: first });
    await waitUntil("the first side waits", () => desk.relay.count > 0);
    const refused = await desk.ask("relay", { ticket: second });
    assert.equal((await hearReply(refused)).error.data.code, "rate_limited");
    refused.close();
    waiting.close();
  }
  for (const options of [{ idleMs: 40 }, { limits: { maxMs: 40 } }]) {
    await using desk = new RelayDesk(options);
    const streams = await Promise.all(desk.issue(1, 2).map((ticket) => desk.ask("relay", { ticket })));
    await Promise.all(streams.map(hearReply));
    assert.deepEqual(await Promise.all(streams.map((stream) => hear(stream))), ["", ""]);
    for (const stream of streams) stream.close();
  }
  await using desk = new RelayDesk({ limits: { bytesPerDay: 0 } });
  const stream = await desk.ask("relay", { ticket: desk.issue(1, 2)[0] });
  assert.equal((await hearReply(stream)).error.data.code, "forbidden");
  stream.close();
});

Deno.test("Relay once cut every relayed chat when the first side's wait was up: a wait ends when the other side comes", async () => {
  await using desk = new RelayDesk({ waitMs: 1_000 });
  const [first, second] = desk.issue(1, 2);
  using a = await desk.ask("relay", { ticket: first });
  using b = await desk.ask("relay", { ticket: second });
  await Promise.all([hearReply(a), hearReply(b)]);
  const { promise: waitIsOver, resolve } = Promise.withResolvers<void>();
  setTimeout(resolve, 1_500);
  await waitIsOver;
  await say(a, "still here");
  assert.equal(await hear(b, 10), "still here");
  await say(b, "me too");
  assert.equal(await hear(a, 6), "me too");
});

Deno.test("Relay gives a slot back when the side that waits hangs up", async () => {
  await using desk = new RelayDesk({ limits: { perAccount: 1 } });
  const [first] = desk.issue(1, 2);
  const a = await desk.ask("relay", { ticket: first });
  await waitUntil("the slot is taken", () => Promise.resolve(desk.relay.count === 1));
  a.close();
  await waitUntil("the slot is free", () => Promise.resolve(desk.relay.count === 0), 10_000);
});

Deno.test("SideRequests tell a caller its address, and let it stay a while", async () => {
  await using desk = new RelayDesk();
  const stream = await desk.ask("find_address", {});
  assert.deepEqual((await hearReply(stream)).result, { address: "127.0.0.1", port: stream.localAddr.port });
  assert.equal(await hear(stream), "");
  stream.close();
});

Deno.test("SideRequests say in a person's words why a caller is lost", async () => {
  const cut = new Deno.errors.UnexpectedEof(
    "peer closed connection without sending TLS close_notify: https://…",
  );
  const stream: ByteStream = {
    read: () => Promise.reject(cut),
    write: () => Promise.reject(cut),
    closeWrite: () => Promise.reject(cut),
    close() {},
  };
  const reasons: string[] = [];
  await using side = new SideRequests({
    tickets: { redeem: () => Promise.reject(new Error("nobody asks")) },
    relay: new Relay({ log: SILENT_LOG }),
    log: SILENT_LOG,
    onLost: ({ reason }) => reasons.push(reason),
  });
  await side.serve(stream, { transport: "tcp", hostname: "192.0.2.1", port: 1 });
  assert.deepEqual(reasons, ["the other end was gone without closing the connection"]);
});

Deno.test("SideRequests refuse a field that they do not know", async () => {
  await using desk = new RelayDesk();
  for (const params of [{ more: 1 }, { ticket: "x".repeat(22), more: 1 }]) {
    using stream = await desk.ask("ticket" in params ? "relay" : "find_address", params);
    assert.equal((await hearReply(stream)).error?.data?.code, "invalid");
  }
});

const SERVERS = ["first", "second"];

/** Two servers of a community, on real sockets with TLS, whose tickets are the same. */
class TwoServers implements AsyncDisposable {
  readonly entries = new MemoryEntries();
  readonly relays: Relay[] = [];
  readonly identity: Identity;
  readonly #listeners: Listener[] = [];
  readonly #opened = new AsyncDisposableStack();

  constructor(identity: Identity) {
    this.identity = identity;
    for (const server of SERVERS) {
      const relay = new Relay({ log: SILENT_LOG });
      const side = new SideRequests({
        tickets: this.#chatsAt(server),
        relay,
        log: SILENT_LOG,
        reach: (where, signal) => reachServer(identity, where, signal),
      });
      const listener = Listener.listen({
        host: "127.0.0.1",
        port: 0,
        identity,
        maxConnectionsPerAddress: 2,
        onConnection: () => assert.fail("it asked for a session"),
        sideDoor: { alpnProtocol: SIDE_ALPN, onSocket: (...caller) => side.serve(...caller) },
      });
      this.relays.push(relay);
      this.#listeners.push(listener);
      this.#opened.defer(() => listener.finished);
      this.#opened.use(side);
      this.#opened.defer(listener.close);
    }
  }

  #chatsAt(server: string, relayAddress?: string, tell: (event: unknown) => void = () => {}): DirectChats {
    return new DirectChats({
      server,
      entries: this.entries,
      hub: { notify: () => {}, tell: (_to, _event, content) => tell(content) },
      ...(relayAddress === undefined ? {} : { relayAddress }),
    });
  }

  /** Address of a server's side door. */
  addressOf(index: number): string {
    return `127.0.0.1:${this.#listeners[index]!.port}`;
  }

  /** Tickets of a chat that a server has issued: the joiner's and the host's. */
  async issue(server: string, relayAddress?: string): Promise<{ joiner: string; host: string }> {
    let host = "";
    const chats = this.#chatsAt(server, relayAddress, (content) => {
      host = (content as { relayTicket: string }).relayTicket;
    });
    const session = (accountId: number): ChatSession => ({
      address: { server, session: crypto.randomUUID() },
      accountId,
      identity: { name: `user${accountId}`, deviceId: crypto.randomUUID() },
      peer: { connection: { remoteAddress: "192.0.2.1" } },
      hasEnded: false,
      isOut: false,
    });
    const chatId = crypto.randomUUID();
    const secret = "s".repeat(22);
    await chats.open(session(1), 2, { chatId, to: "user2", port: 1, places: [], certificate: "", secret });
    return { joiner: (await chats.join(session(2), { chatId })).relayTicket!, host };
  }

  async ask(index: number, ticket: string): Promise<Deno.TlsConn> {
    const stream = await reachServer(this.identity, this.addressOf(index), new AbortController().signal);
    const request = { jsonrpc: "2.0", id: "mine", method: "relay", params: { ticket } };
    await writeAll(stream, new TextEncoder().encode(JSON.stringify(request) + "\n"));
    return stream as Deno.TlsConn;
  }

  /** Bytes that a server's own relay would still copy for the two. */
  async leftToday(index: number): Promise<number> {
    const { host, joiner } = await this.issue(SERVERS[index]!);
    const sides = await Promise.all([host, joiner].map((ticket) => this.ask(index, ticket)));
    const [{ result }] = await Promise.all(sides.map(hearReply));
    for (const side of sides) side.close();
    return result.maxBytes;
  }

  async refusal(index: number, ticket: string): Promise<string> {
    using stream = await this.ask(index, ticket);
    return (await hearReply(stream)).error.data.code;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#opened.disposeAsync();
  }
}

Deno.test("Relay takes a side that came to another server: ten MiB pass unchanged, and are counted once, where they meet", async () => {
  await using servers = new TwoServers(await createEphemeralIdentity());
  const { joiner, host } = await servers.issue("second", servers.addressOf(1));
  using ana = await servers.ask(0, host);
  using bob = await servers.ask(1, joiner);
  const [atAna, atBob] = [await hearReply(ana), await hearReply(bob)];
  assert.deepEqual(
    atAna,
    atBob,
    "the answer has the caller's id, and the terms of the server where they meet",
  );
  const file = new Uint8Array(10 * 1024 * 1024);
  for (let at = 0; at < file.length; at += 65_536) crypto.getRandomValues(file.subarray(at, at + 65_536));
  const [, arrived] = await Promise.all([
    writeAll(ana, file).then(() => ana.closeWrite()),
    readAll(bob),
  ]);
  assert.deepEqual(await digest(arrived), await digest(file));
  await writeAll(bob, new TextEncoder().encode("thanks"));
  assert.equal(await hear(ana, 6), "thanks");
  await bob.closeWrite();
  assert.equal(await hear(ana), "");
  await waitUntil("both relays are over", () => servers.relays.every(({ count }) => count === 0));
  const left = [await servers.leftToday(0), await servers.leftToday(1)];
  const { bytesPerDay } = DEFAULT_RELAY_LIMITS;
  assert.deepEqual(left, [bytesPerDay, bytesPerDay - file.length - 6]);
});

Deno.test("Relay refuses a ticket that was used at either server, and says so when the other server cannot be reached", async () => {
  await using servers = new TwoServers(await createEphemeralIdentity());
  {
    const { joiner, host } = await servers.issue("second", servers.addressOf(1));
    using ana = await servers.ask(0, host);
    using bob = await servers.ask(1, joiner);
    await Promise.all([hearReply(ana), hearReply(bob)]);
    for (const ticket of [host, joiner]) {
      assert.deepEqual([await servers.refusal(0, ticket), await servers.refusal(1, ticket)], [
        "forbidden",
        "forbidden",
      ]);
    }
  }
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const nobody = `127.0.0.1:${listener.addr.port}`;
  listener.close();
  const stranger = await createEphemeralIdentity();
  using impostor = Deno.listenTls({
    hostname: "127.0.0.1",
    port: 0,
    cert: stranger.certificatePem,
    key: stranger.privateKeyPem,
  });
  const refusing = (async () => {
    for await (const socket of impostor) socket.handshake().catch(() => {}).finally(() => socket.close());
  })();
  for (const address of [nobody, `127.0.0.1:${impostor.addr.port}`, "nonsense", undefined]) {
    const { host } = await servers.issue("third", address);
    assert.equal(await servers.refusal(0, host), "unavailable");
    assert.equal(await servers.refusal(0, host), "forbidden");
  }
  // A ticket that leads to a server that has not issued it is not sent on: that could go on for ever.
  const { host } = await servers.issue("third", servers.addressOf(1));
  assert.equal(await servers.refusal(0, host), "forbidden");
  impostor.close();
  await refusing;
});

Deno.test("Relay counts the sides that another server carries by their accounts, and not as callers from its address", async () => {
  await using servers = new TwoServers(await createEphemeralIdentity());
  const sides: Deno.TlsConn[] = [];
  for (let pairs = 0; pairs < 4; pairs++) {
    const { joiner, host } = await servers.issue("second", servers.addressOf(1));
    sides.push(await servers.ask(0, host), await servers.ask(1, joiner));
    for (const side of sides.slice(-2)) assert.ok((await hearReply(side)).result);
  }
  const { joiner, host } = await servers.issue("second", servers.addressOf(1));
  assert.deepEqual([await servers.refusal(0, host), await servers.refusal(1, joiner)], [
    "rate_limited",
    "rate_limited",
  ]);
  for (const side of sides) side.close();
});

async function readAll(stream: ByteStream): Promise<Uint8Array<ArrayBuffer>> {
  const pieces: Uint8Array<ArrayBuffer>[] = [];
  const buffer = new Uint8Array(65_536);
  for (let count = await stream.read(buffer); count !== null; count = await stream.read(buffer)) {
    pieces.push(buffer.slice(0, count));
  }
  return await new Blob(pieces).bytes();
}

async function digest(bytes: Uint8Array<ArrayBuffer>): Promise<string> {
  return new Uint8Array(await crypto.subtle.digest("SHA-256", bytes)).toHex();
}
