import assert from "node:assert/strict";
import { type CloseReason, Connection } from "../../lib/net/connection.ts";
import { CERTIFICATE_NAME } from "../../lib/net/identity.ts";
import { openTcpPair, openTlsPair, testIdentity } from "../helpers/socket_pair.ts";

const encoder = new TextEncoder();

/** Reads until the end, and gives all lines. */
async function readAll(connection: Connection): Promise<string[]> {
  const lines: string[] = [];
  for (let batch = await connection.readLines(); batch; batch = await connection.readLines()) {
    lines.push(...batch);
  }
  await connection.close();
  return lines;
}

Deno.test("send() writes what was queued in one turn at once, in order", async () => {
  const [a, b] = await openTlsPair();
  let writes = 0;
  const counted = {
    read: (buffer: Uint8Array) => a.read(buffer),
    write: (bytes: Uint8Array) => (writes++, a.write(bytes)),
    closeWrite: () => a.closeWrite(),
    close: () => a.close(),
  };
  const near = new Connection(counted);
  const far = new Connection(b);
  const expected = Array.from({ length: 100 }, (_, n) => `${n}`);
  for (const line of expected) near.send(`${line}\n`);
  near.send(encoder.encode("bytes\n"));
  near.send("last\n");
  const [lines] = await Promise.all([readAll(far), near.close()]);
  assert.deepEqual(lines, [...expected, "bytes", "last"]);
  assert.equal(writes, 3, "strings, bytes, strings");
});

Deno.test("readLines() gives all lines of one read together", async () => {
  const [a, b] = await openTcpPair();
  const far = new Connection(b);
  await a.write(encoder.encode("x\n".repeat(50)));
  assert.equal((await far.readLines())?.length, 50);
  a.close();
  assert.equal(await far.readLines(), null);
  assert.equal((await far.close()).kind, "ended");
});

Deno.test("readLines() of a peer that never stops sending lets others have their turn", async () => {
  const frames = encoder.encode(`${"x".repeat(1023)}\n`.repeat(64));
  let left = 100;
  const connection = new Connection({
    read(buffer) {
      if (left-- === 0) return Promise.resolve(null);
      buffer.set(frames.subarray(0, buffer.length));
      return Promise.resolve(Math.min(frames.length, buffer.length));
    },
    write: (bytes) => Promise.resolve(bytes.length),
    closeWrite: () => Promise.resolve(),
    close: () => {},
  });
  let turns = 0;
  const countTurns = () => {
    turns += 1;
    if (left > 0) setImmediate(countTurns);
  };
  setImmediate(countTurns);
  assert.ok((await readAll(connection)).length > 6_000);
  assert.ok(turns >= 90, `others had ${turns} turns while 100 reads brought something at once`);
});

Deno.test("close() flushes 1 MB queued before it, and the peer sees a clean end", async () => {
  for (const open of [openTcpPair, openTlsPair]) {
    const [a, b] = await open();
    const near = new Connection(a);
    const far = new Connection(b);
    const line = "x".repeat(9_999);
    for (let n = 0; n < 100; n++) near.send(`${line}\n`);
    const closed = near.close("done");
    assert.equal(near.close("again"), closed, "closing twice is closing once");
    assert.equal(near.send("late\n"), false);
    const lines = await readAll(far);
    assert.equal(lines.length, 100);
    assert.ok(lines.every((received) => received === line));
    assert.deepEqual(await closed, { kind: "closed", message: "done" });
    assert.equal((await far.closed).kind, "ended");
  }
});

Deno.test("close() takes at most closeTimeoutMs when the peer neither reads nor ends", async () => {
  const [a, b] = await openTcpPair();
  const near = new Connection(a, { closeTimeoutMs: 50, maxQueuedBytes: 64e6 });
  for (let n = 0; n < 2_000; n++) near.send("x".repeat(10_000));
  const startedAt = performance.now();
  assert.equal((await near.close()).kind, "closed");
  assert.ok(performance.now() - startedAt < 5_000);
  b.close();
  await near.released;
});

Deno.test("closed tells how the peer ended", async () => {
  const cases: [string, (peer: Deno.Conn) => Promise<void>, CloseReason["kind"]][] = [
    ["between frames", (peer) => peer.closeWrite(), "ended"],
    ["in the middle of a frame", async (peer) => {
      await peer.write(encoder.encode('{"jsonrpc"'));
      await peer.closeWrite();
    }, "cut"],
    [
      "with a frame too long",
      async (peer) => void await peer.write(encoder.encode("x".repeat(200))),
      "protocol",
    ],
    [
      "with bytes that are not UTF-8",
      async (peer) => void await peer.write(new Uint8Array([0xc0, 10])),
      "protocol",
    ],
  ];
  for (const [name, end, kind] of cases) {
    for (const open of [openTcpPair, openTlsPair]) {
      const [peer, ours] = await open();
      const connection = new Connection(ours, { maxFrameBytes: 100, closeTimeoutMs: 50 });
      await end(peer);
      assert.deepEqual(await readAll(connection).catch(() => "thrown"), [], name);
      assert.equal((await connection.closed).kind, kind, name);
      peer.close();
    }
  }
});

/** Copies bytes one way until either end is gone. */
async function copy(from: Deno.Conn, to: Deno.Conn): Promise<void> {
  const buffer = new Uint8Array(16_384);
  try {
    for (let count = await from.read(buffer); count !== null; count = await from.read(buffer)) {
      await to.write(buffer.subarray(0, count));
    }
  } catch {
    // The test cut it.
  }
}

Deno.test("closed is `lost` when TCP ends without TLS's goodbye, as after SIGKILL", async () => {
  const { certificatePem, privateKeyPem } = await testIdentity();
  using server = Deno.listenTls({ hostname: "127.0.0.1", port: 0, cert: certificatePem, key: privateKeyPem });
  const [client, front] = await openTcpPair();
  const accepted = server.accept();
  const back = await Deno.connect({ hostname: "127.0.0.1", port: (server.addr as Deno.NetAddr).port });
  const copies = [copy(front, back), copy(back, front)];
  const dialled = await Deno.startTls(client, { hostname: CERTIFICATE_NAME, caCerts: [certificatePem] });
  const [ours] = await Promise.all([accepted, dialled.handshake()]);
  const connection = new Connection(ours);
  const reading = connection.readLines();
  await back.closeWrite();
  assert.equal(await reading, null);
  assert.deepEqual((await connection.close()).kind, "lost");
  await front.closeWrite();
  dialled.close();
  await Promise.all(copies);
  front.close();
  back.close();
});

Deno.test("a slow reader is cut when it takes nothing for stallTimeoutMs", async () => {
  const [a, b] = await openTlsPair();
  const near = new Connection(a, { stallTimeoutMs: 100, maxQueuedBytes: 64e6 });
  for (let n = 0; n < 1_000; n++) near.send("x".repeat(20_000));
  assert.ok(near.isBacklogged);
  const drained = near.drained();
  assert.equal((await near.closed).kind, "slow_consumer");
  await drained;
  assert.equal(near.queuedBytes, 0);
  b.close();
  await near.released;
});

Deno.test("a slow reader is cut when more than maxQueuedBytes wait for it", async () => {
  const [a, b] = await openTcpPair();
  const near = new Connection(a, { maxQueuedBytes: 1_000 });
  assert.equal(near.send("x".repeat(1_000)), true);
  assert.equal(near.send("x"), false);
  assert.equal((await near.closed).kind, "slow_consumer");
  b.close();
  await near.released;
});

Deno.test("drained() resolves when the peer has read on", async () => {
  const [a, b] = await openTlsPair();
  const near = new Connection(a, { backlogBytes: 100_000, maxQueuedBytes: 64e6 });
  const far = new Connection(b);
  for (let n = 0; n < 1_000; n++) near.send("x".repeat(19_999) + "\n");
  assert.ok(near.isBacklogged);
  const reading = readAll(far);
  await near.drained();
  assert.ok(near.queuedBytes <= 50_000);
  await near.close();
  assert.equal((await reading).length, 1_000);
});

Deno.test("abort() ends a read that waits, and drops what is queued", async () => {
  const [a, b] = await openTlsPair();
  const near = new Connection(a);
  const far = new Connection(b);
  const reading = near.readLines();
  near.abort("enough");
  near.abort("again");
  assert.equal(await reading, null);
  assert.deepEqual(await near.closed, { kind: "closed", message: "enough" });
  assert.deepEqual(await readAll(far), []);
});

Deno.test("abort() ends a plain TCP connection too while a read waits", async () => {
  const [a, b] = await openTcpPair();
  const near = new Connection(a);
  const far = new Connection(b);
  const reading = near.readLines();
  near.abort("enough");
  assert.equal(await far.readLines(), null);
  assert.equal((await far.close()).kind, "ended");
  assert.equal(await reading, null);
  await near.released;
});
