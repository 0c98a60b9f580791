import assert from "node:assert/strict";
import { ChatError, ConnectionError, ProtocolError } from "../../lib/errors.ts";
import { Connection, type ConnectionOptions } from "../../lib/net/connection.ts";
import { RpcConnection, type RpcOptions } from "../../lib/net/rpc_connection.ts";
import { openTcpPair, openTlsPair } from "../helpers/socket_pair.ts";
import { waitUntil } from "../helpers/wait_until.ts";

/** Two RPC ends of one TLS connection. */
async function openRpcPair(
  near: RpcOptions,
  far: RpcOptions,
  connection: ConnectionOptions = {},
): Promise<[RpcConnection, RpcConnection]> {
  const [a, b] = await openTlsPair();
  return [
    new RpcConnection(new Connection(a, connection), near),
    new RpcConnection(new Connection(b, connection), far),
  ];
}

const echo: RpcOptions = { onRequest: (_method, params) => params };

Deno.test("request() resolves with the result of the other end, both ways at once", async () => {
  const [near, far] = await openRpcPair(
    { onRequest: (method) => ({ from: "near", method }) },
    { onRequest: (method) => Promise.resolve({ from: "far", method }) },
  );
  const replies = await Promise.all([near.request("one"), far.request("two"), near.request("ping")]);
  assert.deepEqual(replies, [{ from: "far", method: "one" }, { from: "near", method: "two" }, {}]);
  await near.close();
  assert.equal((await far.closed).kind, "ended");
});

Deno.test("request() keeps 1,000 pipelined requests in order", async () => {
  const served: number[] = [];
  const [near, far] = await openRpcPair({}, {
    onRequest: (_method, params) => {
      const { n } = params as { n: number };
      served.push(n);
      return n % 2 ? { n } : Promise.resolve({ n });
    },
  });
  const numbers = Array.from({ length: 1000 }, (_, n) => n);
  const replies = await Promise.all(numbers.map((n) => near.request("count", { n })));
  assert.deepEqual(served, numbers);
  assert.deepEqual(replies, numbers.map((n) => ({ n })));
  await Promise.all([near.close(), far.closed]);
});

Deno.test("request() rejects with the ChatError that the other end threw", async () => {
  const [near, far] = await openRpcPair({}, {
    onRequest: () => {
      throw new ChatError("rate_limited", "Cannot send more now: wait", { retryAfterMs: 1500.2 });
    },
  });
  await assert.rejects(near.request("send_message"), (error: ChatError) => {
    return error.code === "rate_limited" && error.retryAfterMs === 1501 &&
      error.message.startsWith("Cannot send");
  });
  await assert.rejects(near.request("send_message"), ChatError, "the connection goes on");
  await Promise.all([near.close(), far.closed]);
});

Deno.test("request() learns nothing of a fault of ours but a reference, which the log has too", async () => {
  const faults: string[] = [];
  const [near, far] = await openRpcPair({}, {
    onRequest: () => Promise.reject(new Error("SELECT secret")),
    onFault: (error, { method, reference }) => faults.push(`${method} ${reference} ${error}`),
  });
  const refused = await near.request("list_users").then(() => undefined, (error: unknown) => error);
  assert.ok(refused instanceof ChatError);
  assert.equal(refused.code, "internal");
  assert.doesNotMatch(refused.message, /SELECT/);
  assert.match(faults[0]!, /^list_users ([0-9a-f]{8}) Error: SELECT secret$/);
  assert.ok(refused.message.includes(faults[0]!.split(" ")[1]!));
  await Promise.all([near.close(), far.closed]);
});

Deno.test("request() is refused with internal when the reply would be longer than a frame", async () => {
  const [near, far] = await openRpcPair({}, { onRequest: () => "x".repeat(70_000) });
  await assert.rejects(near.request("fetch_history"), { code: "internal" });
  await assert.rejects(near.request("echo", { text: "x".repeat(70_000) }), RangeError);
  assert.deepEqual(await near.request("ping"), {});
  await Promise.all([near.close(), far.closed]);
});

Deno.test("request() gives up after timeoutMs and ignores the late reply", async () => {
  const late = Promise.withResolvers<unknown>();
  const [near, far] = await openRpcPair({}, { onRequest: () => late.promise });
  // People read it, so it names no request: that was "the reply to list_users".
  await assert.rejects(near.request("slow", {}, { timeoutMs: 20 }), {
    code: "timeout",
    message:
      "Cannot wait longer: no answer came within 0.02 s, as the network is slow or the other side is busy",
  });
  late.resolve("too late");
  assert.deepEqual(await near.request("ping"), {});
  await Promise.all([near.close(), far.closed]);
});

Deno.test("request() gives up when its signal is aborted, before or after", async () => {
  const late = Promise.withResolvers<unknown>();
  const [near, far] = await openRpcPair({}, { onRequest: () => late.promise });
  const stop = new AbortController();
  const waiting = near.request("slow", {}, { signal: stop.signal });
  stop.abort(new Error("enough"));
  await assert.rejects(waiting, { message: "enough" });
  await assert.rejects(near.request("slow", {}, { signal: stop.signal }), { message: "enough" });
  late.resolve("too late");
  await Promise.all([near.close(), far.closed]);
});

Deno.test("request() rejects with ConnectionError when the connection is lost, and afterwards", async () => {
  const [near, far] = await openRpcPair({}, { onRequest: () => new Promise(() => {}) });
  const waiting = near.request("slow");
  await near.request("ping");
  far.abort();
  await assert.rejects(waiting, ConnectionError);
  await near.closed;
  await assert.rejects(near.request("slow"), ConnectionError);
  assert.equal(near.notify("event"), false);
});

Deno.test("notify() delivers events in order, and a fault in their handler harms nobody", async () => {
  const seen: unknown[] = [];
  const faults: string[] = [];
  const [near, far] = await openRpcPair({
    onNotification: (method, params) => {
      seen.push([method, params]);
      if (seen.length === 1) throw new Error("broken handler");
    },
    onFault: (_error, { method }) => faults.push(method),
  }, echo);
  for (let n = 0; n < 3; n++) far.notify("counted", { n });
  await near.request("ping");
  assert.deepEqual(seen, [["counted", { n: 0 }], ["counted", { n: 1 }], ["counted", { n: 2 }]]);
  assert.deepEqual(faults, ["counted"]);
  await Promise.all([near.close(), far.closed]);
});

Deno.test("onRequest() is paused at maxPendingRequests and goes on as replies leave", async () => {
  let underWay = 0;
  let most = 0;
  const [near, far] = await openRpcPair({}, {
    maxPendingRequests: 4,
    onRequest: async () => {
      most = Math.max(most, ++underWay);
      await new Promise((resolve) => setTimeout(resolve, 1));
      underWay -= 1;
    },
  });
  await Promise.all(Array.from({ length: 40 }, () => near.request("work")));
  assert.equal(most, 4);
  await Promise.all([near.close(), far.closed]);
});

Deno.test("heartbeat pings a quiet peer, which stays connected", async () => {
  const [near, far] = await openRpcPair({ quietMs: 20, deadMs: 2000 }, { quietMs: 1e6, deadMs: 2e6 });
  const before = near.connection.heardAt;
  await waitUntil("the peer has answered a ping", () => near.connection.heardAt !== before);
  assert.equal(near.closeReason, undefined);
  await Promise.all([near.close(), far.closed]);
});

Deno.test("heartbeat ends a connection whose peer says nothing any more", async () => {
  const [near, silent] = await openTcpPair();
  const rpc = new RpcConnection(new Connection(near), { quietMs: 20, deadMs: 80 });
  const waiting = assert.rejects(rpc.request("hello"), ConnectionError);
  const reason = await rpc.closed;
  assert.equal(reason.kind, "silent");
  await waiting;
  silent.close();
});

/** What a raw peer gets back for its bytes, up to the end of the connection. */
async function converse(
  bytes: string | Uint8Array<ArrayBuffer>,
  options: RpcOptions = echo,
): Promise<[string[], string]> {
  const [peer, ours] = await openTcpPair();
  const rpc = new RpcConnection(new Connection(ours), options);
  await peer.write(typeof bytes === "string" ? new TextEncoder().encode(bytes) : bytes);
  await peer.closeWrite();
  const text = await new Response(peer.readable).text();
  const { kind } = await rpc.closed;
  return [text.split("\n").filter((line) => line !== ""), kind];
}

Deno.test("a request-level fault is answered and the connection goes on", async () => {
  const [lines, kind] = await converse(
    '{"jsonrpc":"2.0","id":1,"method":"nope"}\n{"jsonrpc":"2.0","id":"b","method":"ping"}\n',
    {
      onRequest: () => {
        throw new ProtocolError(-32601, "Unknown method nope");
      },
    },
  );
  assert.deepEqual(lines.map((line) => JSON.parse(line)), [
    {
      jsonrpc: "2.0",
      id: 1,
      error: { code: -32601, message: "Unknown method nope", data: { code: "invalid" } },
    },
    { jsonrpc: "2.0", id: "b", result: {} },
  ]);
  assert.equal(kind, "ended");
});

Deno.test("a frame-level fault is answered with its code and ends the connection", async () => {
  const cases: [string | Uint8Array<ArrayBuffer>, number][] = [
    ["junk\n", -32700],
    ["[]\n", -32600],
    ["7\n", -32600],
    ['{"id":1,"method":"ping"}\n', -32600],
    ['{"jsonrpc":"2.0","id":1.5,"method":"ping"}\n', -32600],
    [new Uint8Array([0xff, 0x0a]), -32700],
    ["x".repeat(65_536), -32008],
  ];
  for (const [bytes, code] of cases) {
    const [lines, kind] = await converse(bytes);
    assert.equal(lines.length, 1, String(bytes).slice(0, 50));
    const reply = JSON.parse(lines[0]!);
    assert.deepEqual([reply.id, reply.error.code, kind], [null, code, "protocol"]);
  }
});

Deno.test("what came before a fault is still answered, and the fault's reply survives more junk behind it", async () => {
  const good = '{"jsonrpc":"2.0","id":1,"method":"ping"}\n';
  const [lines, kind] = await converse(`${good}junk\n${good.repeat(20_000)}`);
  assert.equal(lines.length, 2);
  assert.deepEqual(JSON.parse(lines[0]!).result, {});
  assert.equal(JSON.parse(lines[1]!).error.code, -32700);
  assert.equal(kind, "protocol");
});

Deno.test("a peer that ended its half still gets the replies to what it asked", async () => {
  const [lines, kind] = await converse('{"jsonrpc":"2.0","id":1,"method":"work"}\n', {
    onRequest: () => new Promise((resolve) => setTimeout(() => resolve("done"), 20)),
  });
  assert.deepEqual(lines.map((line) => JSON.parse(line).result), ["done"]);
  assert.equal(kind, "ended");
});

Deno.test("a peer that reads no replies is not read either, and then cut, with memory bounded", async () => {
  const [peer, ours] = await openTcpPair();
  const connection = new Connection(ours, { stallTimeoutMs: 200, backlogBytes: 32 * 1024 });
  let served = 0;
  let mostBytes = 0;
  const rpc = new RpcConnection(connection, {
    onRequest: () => {
      served += 1;
      mostBytes = Math.max(mostBytes, connection.queuedBytes);
      return "x".repeat(10_000);
    },
  });
  await peer.write(new TextEncoder().encode('{"jsonrpc":"2.0","id":1,"method":"work"}\n'.repeat(1500)));
  assert.equal((await rpc.closed).kind, "slow_consumer");
  assert.ok(mostBytes < 64 * 1024, `${mostBytes} bytes waited`);
  assert.ok(served < 1500, `served ${served}`);
  peer.close();
  await connection.released;
});
