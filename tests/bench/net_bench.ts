/**
 * How much of Deno's own TLS speed is left after frames and JSON-RPC: `deno run --allow-net --allow-read --allow-env
 * --allow-run tests/bench/net_bench.ts`.
 *
 * A server process answers each request either with the same bytes (raw: the limit) or through `RpcConnection`; the load
 * comes from this process as bytes made beforehand, so that the server is what is measured. Figures are ratios to the
 * limit in the same run, as times alone mean nothing on a busy machine.
 * @module
 */
// deno-lint-ignore-file no-console -- prints its table
import { Connection } from "../../lib/net/connection.ts";
import { CERTIFICATE_NAME } from "../../lib/net/identity.ts";
import { Listener } from "../../lib/net/listener.ts";
import { RpcConnection } from "../../lib/net/rpc_connection.ts";
import { encodeNotification, encodeRequest } from "../../lib/protocol/rpc.ts";
import { testIdentity } from "../helpers/socket_pair.ts";

const RUN_MS = 2_000;
const EVENTS = 200_000;
const TEXT = "x".repeat(100);

if (Deno.args[0] === "raw") await serveRaw();
else if (Deno.args[0] === "rpc") await serveRpc();
else await measure();

async function announce(port: number, certificatePem: string): Promise<void> {
  await Deno.stdout.write(new TextEncoder().encode(JSON.stringify({ port, certificatePem }) + "\n"));
}

async function serveRaw(): Promise<void> {
  const { certificatePem, privateKeyPem } = await testIdentity();
  const listener = Deno.listenTls({
    hostname: "127.0.0.1",
    port: 0,
    cert: certificatePem,
    key: privateKeyPem,
  });
  await announce((listener.addr as Deno.NetAddr).port, certificatePem);
  for await (const socket of listener) {
    (async () => {
      const buffer = new Uint8Array(64 * 1024);
      for (let count = await socket.read(buffer); count !== null; count = await socket.read(buffer)) {
        for (let sent = 0; sent < count;) sent += await socket.write(buffer.subarray(sent, count));
      }
      socket.close();
    })().catch(() => {});
  }
}

async function serveRpc(): Promise<void> {
  const identity = await testIdentity();
  const event = encodeNotification("message_received", { text: TEXT });
  const listener = Listener.listen({
    host: "127.0.0.1",
    port: 0,
    identity,
    onConnection: (connection) => {
      new RpcConnection(connection, {
        onRequest: (method, params) =>
          method === "echo" ? params : method === "later" ? Promise.resolve(params) : {},
        onNotification: async (_method, _params, rpc) => {
          for (let count = 0; count < EVENTS; count++) {
            if (rpc.connection.isBacklogged) await rpc.connection.drained();
            rpc.send(event);
          }
        },
      });
    },
  });
  await announce(listener.port, identity.certificatePem);
}

async function measure(): Promise<void> {
  await using raw = await start("raw");
  await using rpc = await start("rpc");
  const rows: [string, number, number][] = [];
  for (const [connections, depth] of [[1, 1], [8, 1], [1, 50], [8, 50]] as const) {
    for (const method of ["echo", "later"]) {
      const limit = await load(raw, method, connections, depth);
      rows.push([`${method} ${connections} x ${depth}`, await load(rpc, method, connections, depth), limit]);
    }
  }
  console.log("requests               RpcConnection/s   raw TLS echo/s   ratio");
  for (const [name, rate, limit] of rows) {
    const figures = [
      rate.toFixed(0).padStart(15),
      limit.toFixed(0).padStart(16),
      (rate / limit).toFixed(2).padStart(7),
    ];
    console.log(name.padEnd(22), ...figures);
  }
  console.log(`events pushed to one reader: ${(await pushed(rpc)).toFixed(0)}/s`);
  console.log(`RpcConnection on both ends, 1 x 50: ${(await bothEnds(rpc)).toFixed(0)} requests/s`);
}

interface Target extends AsyncDisposable {
  readonly port: number;
  readonly certificatePem: string;
}

async function start(kind: string): Promise<Target> {
  const process = new Deno.Command(Deno.execPath(), {
    args: ["run", "--quiet", "--allow-net", "--allow-read", "--allow-env", import.meta.filename!, kind],
    stdout: "piped",
  }).spawn();
  const reader = process.stdout.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  while (!text.endsWith("\n")) text += (await reader.read()).value ?? "";
  return {
    ...JSON.parse(text),
    async [Symbol.asyncDispose]() {
      process.kill("SIGKILL");
      await process.status;
      await reader.cancel();
    },
  };
}

async function open({ port, certificatePem }: Target): Promise<Deno.TlsConn> {
  const socket = await Deno.connect({ hostname: "127.0.0.1", port });
  return await Deno.startTls(socket, { hostname: CERTIFICATE_NAME, caCerts: [certificatePem] });
}

/** Requests answered in a second, with `depth` of them under way on each connection. */
async function load(target: Target, method: string, connections: number, depth: number): Promise<number> {
  const batch = new TextEncoder().encode(encodeRequest(1, method, { text: TEXT }).repeat(depth));
  let answered = 0;
  const startedAt = performance.now();
  await Promise.all(Array.from({ length: connections }, async () => {
    const socket = await open(target);
    const buffer = new Uint8Array(64 * 1024);
    while (performance.now() - startedAt < RUN_MS) {
      for (let sent = 0; sent < batch.length;) sent += await socket.write(batch.subarray(sent));
      for (let lines = 0; lines < depth;) {
        const count = await socket.read(buffer) ?? 0;
        for (let at = buffer.indexOf(10); at !== -1 && at < count; at = buffer.indexOf(10, at + 1)) {
          lines += 1;
        }
      }
      answered += depth;
    }
    socket.close();
  }));
  return answered / (performance.now() - startedAt) * 1000;
}

async function pushed(target: Target): Promise<number> {
  const socket = await open(target);
  await socket.write(new TextEncoder().encode(encodeNotification("go")));
  const buffer = new Uint8Array(64 * 1024);
  let lines = 0;
  const startedAt = performance.now();
  while (lines < EVENTS) {
    const count = await socket.read(buffer) ?? 0;
    for (let at = buffer.indexOf(10); at !== -1 && at < count; at = buffer.indexOf(10, at + 1)) lines += 1;
  }
  socket.close();
  return EVENTS / (performance.now() - startedAt) * 1000;
}

async function bothEnds(target: Target): Promise<number> {
  const rpc = new RpcConnection(new Connection(await open(target)));
  let answered = 0;
  const startedAt = performance.now();
  await Promise.all(Array.from({ length: 50 }, async () => {
    while (performance.now() - startedAt < RUN_MS) {
      await rpc.request("echo", { text: TEXT });
      answered += 1;
    }
  }));
  await rpc.close();
  return answered / (performance.now() - startedAt) * 1000;
}
