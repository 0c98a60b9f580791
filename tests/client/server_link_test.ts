import assert from "node:assert/strict";
import { type LinkState, ServerLink, type ServerLinkOptions } from "../../lib/client/server_link.ts";
import { ChatError, ConnectionError, TrustError } from "../../lib/errors.ts";
import { Connection } from "../../lib/net/connection.ts";
import { createEphemeralIdentity, type Identity } from "../../lib/net/identity.ts";
import { Listener } from "../../lib/net/listener.ts";
import { RpcConnection } from "../../lib/net/rpc_connection.ts";
import { connectPinned } from "../../lib/net/trust.ts";
import { testIdentity } from "../helpers/socket_pair.ts";
import { CuttableProxy } from "../helpers/cuttable_proxy.ts";
import { waitUntil } from "../helpers/wait_until.ts";
import { sleep } from "../../lib/waiting.ts";

const HELLO = {
  protocol: 1,
  server: { name: "test", version: "1" },
  time: 1_700_000_000_000,
  registration: "open",
  limits: {
    frameBytes: 65_536,
    textBytes: 16_384,
    nameChars: 32,
    pendingRequests: 256,
    pingAfterMs: 15_000,
    deadAfterMs: 45_000,
  },
};

/** A server that greets, signs anyone in, and answers what its test wants. */
class TestServer {
  readonly sessions: RpcConnection[] = [];
  readonly requests: string[] = [];
  readonly port: number;
  answer: (method: string) => unknown = (method) => method === "hello" ? HELLO : { method };
  #listener: Listener | undefined;
  #identity: Identity;

  private constructor(identity: Identity) {
    this.#identity = identity;
    this.#listener = this.#listen(0);
    this.port = this.#listener.port;
  }

  static async start(): Promise<TestServer> {
    return new TestServer(await testIdentity());
  }

  async stop(): Promise<void> {
    await this.#listener?.[Symbol.asyncDispose]();
    this.#listener = undefined;
    await Promise.all(this.sessions.splice(0).map((session) => session.close("stopping")));
  }

  restart(identity = this.#identity): void {
    this.#identity = identity;
    this.#listener = this.#listen(this.port);
  }

  #listen(port: number): Listener {
    return Listener.listen({
      host: "127.0.0.1",
      port,
      identity: this.#identity,
      onConnection: (connection) => {
        this.sessions.push(
          new RpcConnection(connection, {
            onRequest: (method) => {
              this.requests.push(method);
              return this.answer(method);
            },
          }),
        );
      },
    });
  }
}

/** A link to the server that tries again within milliseconds, and the states it went through. */
async function openLink(server: TestServer, options: Partial<ServerLinkOptions> = {}, port = server.port) {
  const { certificatePem } = await testIdentity();
  const states: LinkState[] = [];
  const waiters: [(state: LinkState) => boolean, (state: LinkState) => void][] = [];
  const link = new ServerLink({
    connect: async (rpc, signal) => {
      const stream = await connectPinned({ host: "127.0.0.1", port, certificatePem, signal });
      return new RpcConnection(new Connection(stream), { quietMs: 1e6, deadMs: 2e6, ...rpc });
    },
    authenticate: async (rpc) => void await rpc.request("resume", { token: "t" }),
    firstPauseMs: 20,
    longestPauseMs: 40,
    onState: (state) => {
      states.push(state);
      for (const [index, [wants, resolve]] of [...waiters.entries()].reverse()) {
        if (!wants(state)) continue;
        waiters.splice(index, 1);
        resolve(state);
      }
    },
    ...options,
  });
  /** The next state of this kind. */
  function next<K extends LinkState["kind"]>(kind: K): Promise<Extract<LinkState, { kind: K }>> {
    return new Promise((resolve) => {
      waiters.push([
        (state) => state.kind === kind,
        (state) => resolve(state as Extract<LinkState, { kind: K }>),
      ]);
    });
  }
  link.start();
  return { link, states, next };
}

/** Waits until requests go through; throws the error that the link has stopped with. */
async function ready(link: ServerLink): Promise<void> {
  await waitUntil(
    "the link is online, or has stopped",
    () => ["online", "stopped"].includes(link.state.kind),
  );
  if (link.state.kind === "stopped") throw link.state.error ?? new ConnectionError(link.state.reason);
}

Deno.test("ServerLink greets, signs in, and then lets requests through", async () => {
  const server = await TestServer.start();
  const { link, states } = await openLink(server);
  await assert.rejects(link.request("list_users"), ConnectionError, "not before it is online");
  await ready(link);
  assert.deepEqual(await link.request("list_users"), { method: "list_users" });
  await link.close("done");
  assert.deepEqual(server.requests, ["hello", "resume", "list_users", "bye"]);
  assert.deepEqual(states.map(({ kind }) => kind), ["connecting", "online", "stopped"]);
  await assert.rejects(link.request("list_users"), ConnectionError);
  await assert.rejects(ready(link), ConnectionError);
  await link.close("again");
  await server.stop();
});

Deno.test("ServerLink hands on events in order, those before it is online too", async () => {
  const server = await TestServer.start();
  const events: unknown[] = [];
  server.answer = (method) => {
    if (method === "resume") server.sessions[0]!.notify("early", { n: 0 });
    return method === "hello" ? HELLO : {};
  };
  const { link } = await openLink(server, { onEvent: (method, params) => events.push([method, params]) });
  await ready(link);
  server.sessions[0]!.notify("late", { n: 1 });
  server.sessions[0]!.notify("late", { n: 2 });
  await server.sessions[0]!.request("ping");
  assert.deepEqual(events, [["early", { n: 0 }], ["late", { n: 1 }], ["late", { n: 2 }]]);
  await link.close();
  await server.stop();
});

Deno.test("ServerLink comes back by itself after a lost connection, and after a restart of the server", async () => {
  const server = await TestServer.start();
  server.answer = (method) => method === "slow" ? new Promise(() => {}) : HELLO;
  const { link, states, next } = await openLink(server);
  await ready(link);
  let online = next("online");
  const lost = link.request("slow", {}, { timeoutMs: 5_000 });
  server.sessions[0]!.abort();
  await assert.rejects(lost, ConnectionError);
  await online;

  online = next("online");
  const waiting = next("waiting");
  await server.stop();
  assert.match((await waiting).reason, /^Connection to the server was lost: the other end hung up/);
  assert.match((await next("waiting")).reason, /^Cannot reach 127\.0\.0\.1:\d+: nothing listens there/);
  server.restart();
  await online;
  await ready(link);
  assert.equal(link.isOnline, true);
  assert.equal(states.some(({ kind }) => kind === "stopped"), false);
  await link.close();
  await server.stop();
});

Deno.test("ServerLink says in words of ours that something on the way changed what was sent, or that the other end says so", async () => {
  const server = await TestServer.start();
  await using cable = new CuttableProxy(server.port);
  const { link, next } = await openLink(server, {}, cable.port);
  await ready(link);
  const lost = next("waiting");
  // A record of TLS (RFC 8446 §5.1) with nothing in it that was encrypted.
  await cable.interfere(Uint8Array.of(23, 3, 3, 0, 32, ...new Uint8Array(32)));
  assert.equal(
    (await lost).reason,
    "Connection to the server was lost: what was sent was changed on the way",
  );
  await link.close();
  await server.stop();
});

Deno.test("ServerLink waits longer with each failure, at random up to the limit", async () => {
  const server = await TestServer.start();
  await server.stop();
  const pauses: number[] = [];
  const { link } = await openLink(server, {
    firstPauseMs: 8,
    longestPauseMs: 30,
    random: () => 0.5,
    now: () => 1_000_000,
    onState: (state) => {
      if (state.kind === "waiting") pauses.push(state.retryAtMs - 1_000_000);
      if (pauses.length === 5) queueMicrotask(() => link.close());
    },
  });
  await assert.rejects(ready(link), ConnectionError);
  await link.close();
  assert.deepEqual(pauses, [4, 8, 15, 15, 15]);
});

Deno.test("ServerLink stops for good when trying again cannot help", async () => {
  const cases: [string, Error][] = [
    ["hello", new ChatError("unsupported_version", "Cannot talk to this client: upgrade it")],
    ["resume", new ChatError("unauthenticated", "Cannot resume as the token is not known")],
  ];
  for (const [method, error] of cases) {
    const server = await TestServer.start();
    server.answer = (asked) => {
      if (asked === method) throw error;
      return HELLO;
    };
    const { link, states } = await openLink(server);
    await assert.rejects(ready(link), { message: error.message });
    await link.close();
    assert.deepEqual(states.map(({ kind }) => kind), ["connecting", "stopped"]);
    await server.stop();
  }
});

Deno.test("ServerLink stops for good when the server's key has changed", async () => {
  const server = await TestServer.start();
  const { link, next } = await openLink(server);
  await ready(link);
  const stopped = next("stopped");
  await server.stop();
  server.restart(await createEphemeralIdentity());
  assert.ok((await stopped).error instanceof TrustError);
  await server.stop();
});

Deno.test("ServerLink tries again after a passing refusal, no sooner than the server says", async () => {
  const server = await TestServer.start();
  let refusals = 0;
  server.answer = (method) => {
    if (method === "resume" && refusals++ === 0) {
      throw new ChatError("unavailable", "Cannot sign in now: the disk is full", { retryAfterMs: 70 });
    }
    return HELLO;
  };
  const startedAt = performance.now();
  const { link } = await openLink(server);
  await ready(link);
  assert.ok(performance.now() - startedAt >= 70);
  await link.close();
  await server.stop();
});

Deno.test("ServerLink stays away for as long as a stopping server asks, unless a person is impatient", async () => {
  const server = await TestServer.start();
  const { link, next } = await openLink(server);
  await ready(link);
  const waiting = next("waiting");
  server.sessions[0]!.notify("server_stopping", { retryAfterMs: 60_000 });
  await server.sessions[0]!.close();
  const { retryAtMs, announced } = await waiting;
  assert.ok(retryAtMs >= Date.now() + 50_000);
  assert.equal(announced, "restart");
  link.retryNow();
  await ready(link);
  for (
    const [reason, expected] of [["no_database", "no_database"], ["of a later version", "restart"]] as const
  ) {
    const waitingAgain = next("waiting");
    server.sessions.at(-1)!.notify("server_stopping", { retryAfterMs: 60_000, reason });
    await server.sessions.at(-1)!.close();
    assert.equal((await waitingAgain).announced, expected);
    link.retryNow();
    await ready(link);
  }
  await link.close();
  await server.stop();
});

Deno.test("ServerLink comes back when a stopping server asks for it, however often: restarts once kept clients away for half a minute", async () => {
  const server = await TestServer.start();
  const { link, next } = await openLink(server, {
    firstPauseMs: 60_000,
    longestPauseMs: 60_000,
    random: () => 0.9,
  });
  await ready(link);
  for (let restart = 0; restart < 5; restart++) {
    const waiting = next("waiting");
    const online = next("online");
    server.sessions[0]!.notify("server_stopping", { retryAfterMs: 40 });
    await server.stop();
    server.restart();
    const { retryAtMs } = await waiting;
    assert.ok(retryAtMs <= Date.now() + 40, `${retryAtMs - Date.now()} ms`);
    await online;
  }
  await link.close();
  await server.stop();
});

Deno.test("ServerLink looks soon, then ever later, for a server that is not back when it said", async () => {
  const server = await TestServer.start();
  const { link, states, next } = await openLink(server, { firstPauseMs: 60_000, random: () => 0.5 });
  await ready(link);
  const first = next("waiting");
  server.sessions[0]!.notify("server_stopping", { retryAfterMs: 40 });
  await server.stop();
  await first;
  const pauses = () => states.filter((state) => state.kind === "waiting").length;
  await waitUntil("it has tried three times in vain", () => pauses() >= 4);
  server.restart();
  await ready(link);
  const waits = states.filter((state) => state.kind === "waiting");
  assert.ok(waits[3]!.retryAtMs - waits[0]!.retryAtMs < 5_000, "and not after half a minute");
  await link.close();
  await server.stop();
});

Deno.test("ServerLink stays away for a day at most, whatever the server asks for", async () => {
  // A timer of more than 2^31 ms fires at once: such a server once had its client call it without a pause.
  const server = await TestServer.start();
  const { link, next } = await openLink(server);
  await ready(link);
  const waiting = next("waiting");
  server.sessions[0]!.notify("server_stopping", { retryAfterMs: 2 ** 40 });
  await server.sessions[0]!.close();
  const { retryAtMs } = await waiting;
  assert.ok(
    Math.abs(retryAtMs - Date.now() - 24 * 60 * 60 * 1000) < 60_000,
    new Date(retryAtMs).toISOString(),
  );
  await link.close();
  await server.stop();
});

Deno.test("ServerLink notices that the machine slept: it retries at once, or asks for a sign of life", async () => {
  const server = await TestServer.start();
  let offsetMs = 0;
  const { link, next } = await openLink(server, { now: () => Date.now() + offsetMs, watchMs: 10 });
  await ready(link);
  offsetMs += 600_000;
  // The connection still works, so it is kept: a clock that was set forward costs nothing.
  const { connection } = server.sessions[0]!;
  const heardAt = connection.heardAt;
  await waitUntil("the server hears a sign of life", () => connection.heardAt !== heardAt);
  assert.equal(link.isOnline, true);

  const waiting = next("waiting");
  server.sessions[0]!.notify("server_stopping", { retryAfterMs: 60_000 });
  await server.sessions[0]!.close();
  await waiting;
  offsetMs += 600_000;
  await ready(link);
  await link.close();
  await server.stop();
});

Deno.test("ServerLink once held on to a connection from an address that the machine has no more", async () => {
  const server = await TestServer.start();
  let addresses = ["127.0.0.1", "192.0.2.1"];
  const { link } = await openLink(server, {
    listAddresses: () => addresses,
    watchMs: 10,
    firstPauseMs: 60_000,
    longestPauseMs: 60_000,
  });
  await ready(link);
  const { connection } = server.sessions[0]!;
  const heardAt = connection.heardAt;
  addresses = ["127.0.0.1"];
  await waitUntil("it asks for a sign of life", () => connection.heardAt !== heardAt);
  assert.equal(server.sessions.length, 1, "the connection works, so it is kept");
  addresses = ["198.51.100.7"];
  await waitUntil("it has connected again", async () => await server.sessions.length === 2);
  await ready(link);
  await link.close();
  await server.stop();
});

Deno.test("ServerLink.check() replaces a connection that answers nothing, and tries at once what waits", async () => {
  const server = await TestServer.start();
  await using cable = new CuttableProxy(server.port);
  const { link, next } = await openLink(server, {
    random: () => 0.9,
    firstPauseMs: 60_000,
    longestPauseMs: 60_000,
  }, cable.port);
  await ready(link);
  const [first] = server.sessions;
  cable.clog();
  const startedAt = performance.now();
  link.check();
  const again = next("connecting");
  await again;
  assert.ok(performance.now() - startedAt < 15_000);
  cable.unclog();
  await ready(link);
  const waiting = next("waiting");
  await first!.close();
  cable.leadTo(null);
  cable.cut();
  await waiting;
  cable.leadTo(server.port);
  link.check();
  await ready(link);
  await link.close();
  await server.stop();
});

Deno.test("ServerLink.check() once dropped a good connection whose answers take longer than its patience", async () => {
  const server = await TestServer.start();
  await using cable = new CuttableProxy(server.port);
  server.answer = (method) => method === "hello" ? sleep(400).then(() => HELLO) : {};
  const { link } = await openLink(server, { patienceMs: 20 }, cable.port);
  await ready(link);
  cable.clog();
  link.check();
  await sleep(60);
  cable.unclog();
  await link.request("list_users");
  assert.equal(server.sessions.length, 1);
  await link.close();
  await server.stop();
});

Deno.test("ServerLink.check() takes whatever arrives for a sign of life: the answer may stand behind a long mailbox", async () => {
  const identity = await testIdentity();
  let calls = 0;
  const asked = Promise.withResolvers<void>();
  /** Answers everything but a ping, in whose place something else arrives. */
  async function serve(connection: Connection): Promise<void> {
    calls += 1;
    for (let lines = await connection.readLines(); lines; lines = await connection.readLines()) {
      for (const { id, method } of lines.map((line) => JSON.parse(line))) {
        const reply = method === "ping"
          ? { jsonrpc: "2.0", method: "message_received", params: {} }
          : { jsonrpc: "2.0", id, result: method === "hello" ? HELLO : {} };
        connection.send(`${JSON.stringify(reply)}\n`);
        if (method === "ping") asked.resolve();
      }
    }
    await connection.close();
  }
  await using listener = Listener.listen({ host: "127.0.0.1", port: 0, identity, onConnection: serve });
  const heard = Promise.withResolvers<void>();
  const server = await TestServer.start();
  const { link } = await openLink(
    server,
    { patienceMs: 750, onEvent: () => heard.resolve() },
    listener.port,
  );
  await ready(link);
  link.check();
  await Promise.all([asked.promise, heard.promise]);
  await sleep(1_000);
  await link.request("list_users");
  assert.equal(calls, 1);
  await link.close();
  await server.stop();
});

Deno.test("ServerLink gets through a network on which an attempt takes longer than check() waits, however often it is asked", async () => {
  const server = await TestServer.start();
  const { certificatePem } = await testIdentity();
  const { link } = await openLink(server, {
    patienceMs: 10,
    connect: async (rpc, signal) => {
      await sleep(150, signal);
      const { port } = server;
      const stream = await connectPinned({ host: "127.0.0.1", port, certificatePem, signal });
      return new RpcConnection(new Connection(stream), rpc);
    },
  });
  const checking = setInterval(() => link.check(), 5);
  await ready(link).finally(() => clearInterval(checking));
  await link.close();
  await server.stop();
});

Deno.test("close() ends a link that is still connecting, greeting or waiting", async () => {
  const server = await TestServer.start();
  const late = Promise.withResolvers<unknown>();
  server.answer = () => late.promise;
  const greeting = await openLink(server);
  await waitUntil("the server is greeted", () => server.requests.length > 0);
  await greeting.link.close();
  late.resolve(HELLO);
  await Promise.all(server.sessions.map((session) => session.closed));
  await server.stop();

  const waiting = await openLink(server, { firstPauseMs: 60_000, longestPauseMs: 60_000, random: () => 0.9 });
  await waiting.next("waiting");
  await waiting.link.close();

  using silent = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const connecting = await openLink({ port: silent.addr.port } as TestServer);
  const socket = await silent.accept();
  await connecting.link.close();
  socket.close();
});
