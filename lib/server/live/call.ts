// Calls the server of a data folder as a client does, on this machine: TLS to its key, `hello`, and a request that only the
// store can answer. Says how long each took, or throws what went wrong.
import { randomBytes } from "node:crypto";
import { formatHostAndPort } from "../../addresses.ts";
import { ChatError, ConnectionError } from "../../errors.ts";
import { Connection } from "../../net/connection.ts";
import { RpcConnection } from "../../net/rpc_connection.ts";
import { connectPinned } from "../../net/trust.ts";
import { PROTOCOL_VERSION } from "../../protocol/limits.ts";
import { VERSION } from "../../version.ts";
import { Limit } from "../../waiting.ts";

export interface CallOptions {
  readonly hosts: readonly string[]; // tried in this order
  readonly port: number;
  readonly certificatePem: string;
  readonly timeoutMs: number; // for all of it
}

export interface Called {
  readonly host: string; // the one that answered
  readonly version: string; // of the server's program
  readonly helloMs: number; // from dialling to the reply to `hello`
  readonly storeMs: number; // from there to the reply of the store
}

/** Throws a `ConnectionError`, a `TrustError`, or a `ChatError` where the server refuses or its store does not answer. */
export async function callServer(options: CallOptions): Promise<Called> {
  const startedAt = performance.now();
  using limit = new Limit(options.timeoutMs);
  const { signal } = limit;
  const { stream, host } = await connect(options, signal);
  const rpc = new RpcConnection(new Connection(stream));
  try {
    const hello = { protocol: PROTOCOL_VERSION, client: { name: "healthcheck", version: VERSION } };
    const { server } = await rpc.request("hello", hello, { signal }) as { server?: { version?: unknown } };
    const greetedAt = performance.now();
    await askStore(rpc, signal);
    const answeredAt = performance.now();
    await rpc.request("bye", {}, { signal });
    return {
      host,
      version: String(server?.version),
      helloMs: greetedAt - startedAt,
      storeMs: answeredAt - greetedAt,
    };
  } catch (error) {
    throw signal.aborted ? noAnswer(host, options) : error;
  } finally {
    rpc.abort();
  }
}

/** A token that nobody has: it is looked for in the store, found nowhere, and counted against nobody. */
async function askStore(rpc: RpcConnection, signal: AbortSignal): Promise<void> {
  try {
    await rpc.request("resume", { token: randomBytes(32).toString("base64url") }, { signal });
  } catch (error) {
    if (error instanceof ChatError && error.code === "unauthenticated") return;
    throw error;
  }
}

async function connect({ hosts, port, certificatePem, timeoutMs }: CallOptions, signal: AbortSignal) {
  let failure: unknown;
  for (const host of hosts) {
    try {
      return { host, stream: await connectPinned({ host, port, certificatePem, timeoutMs, signal }) };
    } catch (error) {
      if (signal.aborted) throw noAnswer(host, { port, timeoutMs });
      failure ??= error;
      if (!(error instanceof ConnectionError)) break;
    }
  }
  throw failure;
}

function noAnswer(
  host: string,
  { port, timeoutMs }: Pick<CallOptions, "port" | "timeoutMs">,
): ConnectionError {
  const place = formatHostAndPort(host, port);
  return new ConnectionError(`Cannot get an answer from ${place} within ${timeoutMs / 1000} s`);
}
