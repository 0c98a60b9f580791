import assert from "node:assert/strict";
import { once } from "node:events";
import { connect as connectNode } from "node:net";
import { UsageError } from "../../lib/errors.ts";
import type { ByteStream } from "../../lib/net/byte_stream.ts";
import type { Connection } from "../../lib/net/connection.ts";
import { CERTIFICATE_NAME } from "../../lib/net/identity.ts";
import { Listener, type ListenerOptions } from "../../lib/net/listener.ts";
import type { RefusedCaller } from "../../lib/net/slots.ts";
import { testWith } from "../helpers/needs.ts";
import { loopbackAddress, SilentCallers } from "../helpers/silent_callers.ts";
import { testIdentity } from "../helpers/socket_pair.ts";
import { waitUntil } from "../helpers/wait_until.ts";
import { Wire } from "../helpers/wire.ts";

/** A listener on a free port, and what became of its callers. */
async function startListener(options: Partial<ListenerOptions> = {}) {
  const connections: Connection[] = [];
  const refused: RefusedCaller[] = [];
  let wake = () => {};
  const listener = Listener.listen({
    port: 0,
    identity: await testIdentity(),
    onConnection: (connection) => {
      connections.push(connection);
      connection.readLines().then(() => connection.close());
      wake();
    },
    onRefused: (caller) => {
      refused.push(caller);
      wake();
    },
    ...options,
  });
  /** Waits until this many callers were taken and refused. */
  async function settle(taken: number, sentAway: number): Promise<void> {
    while (connections.length < taken || refused.length < sentAway) {
      await new Promise<void>((resolve) => wake = resolve);
    }
  }
  return { listener, connections, refused, settle };
}

/** A TLS client of the listener. */
async function call(port: number, hostname = "127.0.0.1", alpnProtocol?: string): Promise<Deno.TlsConn> {
  const { certificatePem } = await testIdentity();
  const socket = await Deno.connect({ hostname, port });
  const tls = await Deno.startTls(socket, {
    hostname: CERTIFICATE_NAME,
    caCerts: [certificatePem],
    ...(alpnProtocol === undefined ? {} : { alpnProtocols: [alpnProtocol] }),
  });
  await tls.handshake();
  return tls;
}

/** Sends back what comes until it ends. */
async function echo(stream: ByteStream): Promise<void> {
  const buffer = new Uint8Array(16_384);
  for (let count = await stream.read(buffer); count !== null; count = await stream.read(buffer)) {
    for (let sent = 0; sent < count;) sent += await stream.write(buffer.subarray(sent, count));
  }
  await stream.closeWrite();
  stream.close();
}

/** Writes all, ends that half, and reads to the end. */
async function sendAndRead(socket: Deno.TlsConn, bytes: Uint8Array): Promise<Uint8Array> {
  const sending = (async () => {
    for (let sent = 0; sent < bytes.length;) sent += await socket.write(bytes.subarray(sent));
    await socket.closeWrite();
  })();
  const back: number[] = [];
  const buffer = new Uint8Array(16_384);
  for (let count = await socket.read(buffer); count !== null; count = await socket.read(buffer)) {
    back.push(...buffer.subarray(0, count));
  }
  await sending;
  return Uint8Array.from(back);
}

Deno.test("Listener takes IPv4 and IPv6 callers on one port, and shows IPv4 addresses in dotted form", async () => {
  const { listener, connections, settle } = await startListener();
  const callers = [await call(listener.port)];
  if (listener.host === "::") callers.push(await call(listener.port, "::1"));
  await settle(callers.length, 0);
  assert.deepEqual(
    connections.map((connection) => connection.remoteAddress).sort(),
    ["127.0.0.1", "::1"].slice(0, callers.length),
  );
  for (const caller of callers) caller.close();
  await Promise.all(connections.map((connection) => connection.closed));
  await listener[Symbol.asyncDispose]();
  assert.equal(listener.connectionCount, 0);
});

Deno.test("Listener gives the slot of a caller that never speaks TLS to others, and holds up nobody meanwhile", async () => {
  const { listener, connections, refused, settle } = await startListener({ handshakeTimeoutMs: 1_000 });
  const silent = await Deno.connect({ hostname: "127.0.0.1", port: listener.port });
  const caller = await call(listener.port);
  await settle(1, 1);
  assert.deepEqual(refused.map(({ address, reason }) => [address, reason]), [[
    "127.0.0.1",
    "handshake_timeout",
  ]]);
  assert.equal(listener.connectionCount, 1);
  silent.close();
  caller.close();
  await connections[0]!.closed;
  await listener[Symbol.asyncDispose]();
});

Deno.test("Listener sends away a caller that speaks something else", async () => {
  const { listener, refused, settle } = await startListener();
  const caller = await Deno.connect({ hostname: "127.0.0.1", port: listener.port });
  await caller.write(new TextEncoder().encode('{"jsonrpc":"2.0","id":1,"method":"ping"}\n'));
  await settle(0, 1);
  assert.equal(refused[0]?.reason, "handshake_failed");
  caller.close();
  await listener[Symbol.asyncDispose]();
});

Deno.test("Listener holds its caps, counting callers in their handshake, and has room again when they leave", async () => {
  for (
    const [cap, reason] of [["maxConnections", "too_many"], [
      "maxConnectionsPerAddress",
      "too_many_from_address",
    ]]
  ) {
    const { listener, connections, refused, settle } = await startListener({ [cap!]: 2 });
    const silent = await Deno.connect({ hostname: "127.0.0.1", port: listener.port });
    const caller = await call(listener.port);
    const tooMany = await call(listener.port);
    assert.equal(await tooMany.read(new Uint8Array(1)).catch(() => null), null, "is hung up on");
    tooMany.close();
    await settle(1, 1);
    assert.equal(refused[0]?.reason, reason);
    silent.close();
    await settle(1, 2);
    const next = await call(listener.port);
    caller.close();
    next.close();
    await settle(2, 2);
    await Promise.all(connections.map((connection) => connection.closed));
    await listener[Symbol.asyncDispose]();
  }
});

testWith(
  ["linux"],
  "Listener lets newcomers in while callers who are nobody yet hold the places, and puts out those of the greediest",
  async () => {
    // Callers from a hundred addresses who never signed in once kept everybody else out for as long as they liked.
    const { listener, connections, refused, settle } = await startListener({
      maxConnections: 12,
      spareConnections: 2,
    });
    const from = (host: number) => Wire.connect(listener.port, "127.0.0.1", `127.0.0.${host}`);
    const gone = new Set<Wire>();
    const untilGone = (wire: Wire) =>
      waitUntil("the one whose turn it is goes", () => Promise.resolve(gone.has(wire)));
    const others = [await from(2), await from(3)];
    await settle(2, 0);
    connections[1]!.keep();
    const greedy: Wire[] = [];
    while (greedy.length < 8) greedy.push(await from(4));
    for (const wire of [...others, ...greedy]) wire.closed.then(() => gone.add(wire));
    for (const [n, oldest] of greedy.slice(0, 7).entries()) {
      others.push(await from(10 + n));
      await untilGone(oldest);
      assert.equal(gone.size, n + 1, "nobody else goes");
    }
    // Nobody has more than one now: the oldest goes, but for whoever is signed in.
    others.push(await from(20));
    await untilGone(others[0]!);
    others.push(await from(21));
    await untilGone(greedy[7]!);
    assert.deepEqual(refused, []);
    assert.equal(gone.size, 9);
    for (const wire of [...others, ...greedy]) await wire[Symbol.asyncDispose]();
    await Promise.all(connections.map(({ released }) => released));
    await listener[Symbol.asyncDispose]();
    assert.equal(listener.connectionCount, 0);
  },
);

for (const addresses of [1, 20]) {
  testWith(
    addresses > 1 ? ["linux"] : [],
    `Listener serves others while 60 callers from ${
      addresses === 1 ? "one address" : `${addresses} addresses`
    } stay silent in their handshake, and holds few of them`,
    async () => {
      const guarded: boolean[] = [];
      const served: Promise<void>[] = [];
      const { listener, connections } = await startListener({
        maxConnectionsPerAddress: 10,
        maxUnfinished: 8,
        quietMs: 50,
        onGuarded: (isGuarded) => guarded.push(isGuarded),
        sideDoor: {
          alpnProtocol: "side",
          onSocket: (stream) => {
            const serving = echo(stream);
            served.push(serving);
            return serving;
          },
        },
      });
      const silent = await SilentCallers.call(listener.port, 60, (n) => loopbackAddress(n % addresses));
      // Eight at the usual entrance, and as many at the guarded one.
      await silent.untilGone(60 - 2 * 8);
      assert.deepEqual(guarded, [true]);
      const caller = await call(listener.port);
      const side = await call(listener.port, "127.0.0.1", "side");
      const text = new TextEncoder().encode("there and back".repeat(10_000));
      assert.deepEqual(await sendAndRead(side, text), text);
      await caller.write(new TextEncoder().encode("a line\n"));
      assert.equal(
        await caller.read(new Uint8Array(1)).catch(() => null),
        null,
        "the listener's owner closes it",
      );
      assert.deepEqual(
        connections.map(({ remoteAddress, remotePort }) => [remoteAddress, remotePort]),
        [["127.0.0.1", (caller.localAddr as Deno.NetAddr).port]],
      );
      caller.close();
      side.close();
      await silent.leave();
      await waitUntil("the usual entrance is open again", () => Promise.resolve(guarded.length === 2));
      assert.deepEqual(guarded, [true, false]);
      (await call(listener.port)).close();
      await listener[Symbol.asyncDispose]();
      await Promise.all(served);
      await waitUntil("all places are free", () => Promise.resolve(listener.connectionCount === 0));
    },
  );
}

Deno.test("Listener goes on after a caller that is gone before its handshake", async () => {
  const { listener, connections, settle } = await startListener();
  for (let n = 0; n < 20; n++) {
    const socket = connectNode(listener.port, "127.0.0.1");
    await once(socket, "connect");
    socket.resetAndDestroy();
  }
  const caller = await call(listener.port);
  await settle(1, 20);
  caller.close();
  await connections[0]!.closed;
  await listener[Symbol.asyncDispose]();
});

Deno.test("Listener stops when its signal is aborted, and keeps the connections it made", async () => {
  const stop = new AbortController();
  const { listener, connections, settle } = await startListener({ signal: stop.signal });
  const caller = await call(listener.port);
  await settle(1, 0);
  stop.abort();
  await listener.finished;
  await assert.rejects(call(listener.port), Deno.errors.ConnectionRefused);
  assert.equal(connections[0]!.closeReason, undefined);
  caller.close();
  await connections[0]!.closed;
});

Deno.test("listen() says in one sentence why it cannot", async () => {
  const { listener } = await startListener();
  const identity = await testIdentity();
  const onConnection = () => {};
  const cases: [Partial<ListenerOptions>, RegExp][] = [
    [
      { port: listener.port },
      new RegExp(`^Cannot listen on port ${listener.port} of every address as another program`),
    ],
    [{ port: 0, host: "192.0.2.1" }, /^Cannot listen on 192\.0\.2\.1:0 as this machine has no such address$/],
    [{ port: 0, host: "no-such-host.invalid" }, /^Cannot listen on no-such-host\.invalid:0/],
    [{ port: 0, identity: { ...identity, privateKeyPem: "junk" } }, /^Cannot listen on/],
  ];
  for (const [options, message] of cases) {
    assert.throws(() => Listener.listen({ port: 0, identity, onConnection, ...options }), (error: Error) => {
      assert.ok(error instanceof UsageError);
      assert.match(error.message, message);
      return true;
    });
  }
  await listener[Symbol.asyncDispose]();
});
