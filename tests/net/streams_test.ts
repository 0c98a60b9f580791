import assert from "node:assert/strict";
import { connect, type Socket } from "node:net";
import { joinStreams, prefixed, SocketStream, throughLoopback } from "../../lib/net/streams.ts";
import { writeAll } from "../../lib/net/byte_stream.ts";
import { waitUntil } from "../helpers/wait_until.ts";

/** A `node:net` socket as a stream, and its other end. */
async function connectSocket(): Promise<{ stream: SocketStream; socket: Socket; far: Deno.TcpConn }> {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const accepting = listener.accept();
  const socket = await new Promise<Socket>((resolve) => {
    const dialled = connect(
      { host: "127.0.0.1", port: listener.addr.port, allowHalfOpen: true },
      () => resolve(dialled),
    );
  });
  return { stream: new SocketStream(socket), socket, far: await accepting };
}

async function readText(
  stream: { read(buffer: Uint8Array): Promise<number | null> },
): Promise<string | null> {
  const buffer = new Uint8Array(64);
  const count = await stream.read(buffer);
  return count === null ? null : new TextDecoder().decode(buffer.subarray(0, count));
}

const bytes = (text: string) => new TextEncoder().encode(text);

Deno.test("SocketStream reads and writes whether the read or the bytes come first, and sees the end", async () => {
  const { stream, socket, far } = await connectSocket();
  const waiting = readText(stream);
  await far.write(bytes("late"));
  assert.equal(await waiting, "late");
  await far.write(bytes("early"));
  await waitUntil("the bytes have come", () => socket.readableLength === 5);
  assert.equal(await readText(stream), "early");
  assert.equal(await stream.write(bytes("answer")), 6);
  assert.equal(await readText(far), "answer");
  far.close();
  assert.equal(await readText(stream), null);
  stream.close();
});

Deno.test("SocketStream rejects a read that waits when it is closed", async () => {
  const { stream, far } = await connectSocket();
  const waiting = stream.read(new Uint8Array(8));
  stream.close();
  await assert.rejects(waiting, /closed/);
  assert.equal(await readText(far), null);
  far.close();
});

Deno.test("throughLoopback() carries a megabyte both ways unchanged, and ends with its stream", async () => {
  const { stream, far } = await connectSocket();
  const { tcp } = await throughLoopback(stream);
  const data = crypto.getRandomValues(new Uint8Array(60_000));
  const send = async (to: Deno.TcpConn) => {
    for (let times = 0; times < 18; times++) await writeAll(to, data);
    await to.closeWrite();
  };
  const receive = async (from: Deno.TcpConn) => {
    let total = 0;
    const buffer = new Uint8Array(30_000);
    for (let count = await from.read(buffer); count !== null; count = await from.read(buffer)) {
      for (let index = 0; index < count; index += 997) {
        assert.equal(buffer[index], data[(total + index) % data.length]);
      }
      total += count;
    }
    return total;
  };
  const [atFar, atNear] = await Promise.all([receive(far), receive(tcp), send(far), send(tcp)]);
  assert.deepEqual([atFar, atNear], [18 * 60_000, 18 * 60_000]);
  tcp.close();
  far.close();
});

Deno.test("Bridge.cut() ends both sides", async () => {
  const { stream, far } = await connectSocket();
  const bridge = await throughLoopback(stream);
  bridge.cut();
  assert.equal(await readText(far), null);
  assert.equal(await readText(bridge.tcp), null);
  far.close();
  bridge.tcp.close();
});

Deno.test("joinStreams() tells how much it copied, and hands on what was read ahead", async () => {
  const one = await connectSocket();
  const two = await connectSocket();
  let copied = 0;
  const joined = joinStreams(
    prefixed(bytes("ahead "), one.stream),
    two.stream,
    (count) => copied += count,
  );
  await one.far.write(bytes("behind"));
  await one.far.closeWrite();
  let text = "";
  for (let piece = await readText(two.far); piece !== null; piece = await readText(two.far)) text += piece;
  assert.equal(text, "ahead behind");
  await two.far.closeWrite();
  await joined;
  assert.equal(copied, 12);
  one.far.close();
  two.far.close();
});

Deno.test("joinStreams() of sides that always have something to send lets others have their turn", async () => {
  let left = 200;
  const busy = () => ({
    read: (buffer: Uint8Array) => Promise.resolve(left-- > 0 ? buffer.length : null),
    write: (bytes: Uint8Array) => Promise.resolve(bytes.length),
    closeWrite: () => Promise.resolve(),
    close: () => {},
  });
  let turns = 0;
  const countTurns = () => {
    turns += 1;
    if (left > 0) setImmediate(countTurns);
  };
  setImmediate(countTurns);
  await joinStreams(busy(), busy());
  assert.ok(turns >= 90, `others had ${turns} turns while 200 pieces were copied`);
});
