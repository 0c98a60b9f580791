// Punching: a TCP connection between two machines that both drop what they did not ask for.
// Both connect to each other at the same moment, from a port whose outside address the server has told; each router
// then takes the other's packet for an answer (RFC 5128 §3.4). `Deno.connect` cannot choose its own port, so this uses
// `node:net`. A port that listens cannot dial, so punching has a port of its own.
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { ConnectionError, messageOf } from "../../errors.ts";
import { type ByteStream, closeQuietly } from "../../net/byte_stream.ts";
import { SocketStream, throughLoopback } from "../../net/streams.ts";
import { type Endpoint, MAX_CHAT_ADDRESSES } from "../../protocol/chat_messages.ts";
import { Limit, sleep, unlessAborted } from "../../waiting.ts";
import type { Rendezvous, ServerDoor } from "../rendezvous.ts";
import { ownAddresses, usableEndpoints } from "./addresses.ts";
import { findAddress } from "./side_client.ts";

const ATTEMPT_MS = 1_500; // how long one attempt may hang in silence before the next
const PROBE_MS = 3_000; // how long asking the server for the outside address may take
/** Attempts on one endpoint; where refusals come back within a millisecond, they go quickly. */
const MAX_ATTEMPTS = 1_500;
/** Attempts that follow a refusal at once; after that each waits a little longer. */
const HASTY_ATTEMPTS = 600;

export interface PunchOptions {
  readonly onBegin?: () => void; // told when both begin
  /** Gets every connection that came about; both sides may have several, and agree later. */
  readonly onStream: (stream: SocketStream) => void;
  readonly signal: AbortSignal;
}

/** Punches when the server says so, until nothing is tried any more; throws when it cannot be asked or does not agree. */
export async function punch(
  rendezvous: Rendezvous,
  { chatId, round }: { readonly chatId: string; readonly round: number },
  { onBegin, onStream, signal }: PunchOptions,
): Promise<void> {
  const told = Promise.withResolvers<{ endpoints: readonly Endpoint[]; startInMs: number }>();
  const stop = rendezvous.onEvent(({ name, content }) => {
    if (name === "chat_punch" && content.chatId === chatId && content.round === round) told.resolve(content);
  });
  const port = findFreePort();
  const own = ownAddresses();
  let probe: ByteStream | undefined;
  try {
    const endpoints = own.map((address) => ({ address, port }));
    const outside = await askOutside(rendezvous.server, port, signal);
    if (outside) endpoints.unshift(outside.seen);
    probe = outside?.stream;
    const offer = { chatId, round, endpoints: endpoints.slice(0, MAX_CHAT_ADDRESSES) };
    await unlessAborted(signal, rendezvous.request("offer_punch", offer));
    const { endpoints: theirs, startInMs } = await unlessAborted(signal, told.promise);
    await sleep(startInMs, signal);
    onBegin?.();
    // To our own address a connection from the same port could meet itself.
    const others = usableEndpoints(theirs, rendezvous.server.address)
      .filter(({ address }) => !own.includes(address));
    await Promise.all(others.map(async (endpoint) => {
      const socket = await knock(port, endpoint, signal);
      if (socket) onStream(new SocketStream(socket));
    }));
  } catch (error) {
    signal.throwIfAborted();
    throw new ConnectionError(`Cannot punch: ${messageOf(error)}`, { cause: error });
  } finally {
    stop();
    if (probe) closeQuietly(probe); // it has kept the router's mapping alive until now
  }
}

/** Where the port appears from outside, and the connection that the server sees it on; undefined when it cannot say. */
export async function askOutside(
  server: ServerDoor,
  port: number,
  signal: AbortSignal,
): Promise<{ stream: ByteStream; seen: Endpoint } | undefined> {
  using limit = new Limit(PROBE_MS, signal);
  try {
    const socket = await dialFrom(port, server, limit.signal);
    return await findAddress(server, await throughLoopback(new SocketStream(socket)), limit.signal);
  } catch {
    signal.throwIfAborted();
  }
}

/** Connects again and again until it works; undefined when it never does, or the signal says stop. */
async function knock(port: number, endpoint: Endpoint, signal: AbortSignal): Promise<Socket | undefined> {
  for (let attempt = 1; attempt <= MAX_ATTEMPTS && !signal.aborted; attempt++) {
    const startedAt = performance.now();
    try {
      using limit = new Limit(ATTEMPT_MS, signal);
      return await dialFrom(port, endpoint, limit.signal);
    } catch (error) {
      if (signal.aborted || isHopeless(error)) return;
    }
    const waitMs = waitAfter(attempt, performance.now() - startedAt);
    if (waitMs > 0) await sleep(waitMs, signal).catch(() => {});
  }
}

/**
 * How long to wait after a refusal. Two packets must cross on their way, so what counts is the part of the time in
 * which one of ours is under way: a refusal that was quick to come is followed quickly. A little chance keeps two sides
 * from always missing each other in step. (Measured between namespaces, where a packet is under way for 0.05 ms: links
 * within 10 to 170 ms; with pauses as long as the attempts, after up to 1.5 s.)
 */
function waitAfter(attempt: number, attemptMs: number): number {
  if (attempt > HASTY_ATTEMPTS) return 5 + Math.random() * 20;
  if (attemptMs < 3) return Math.random() < 0.2 ? 1 : 0;
  return Math.random() * Math.min(attemptMs, 50);
}

/** Whether no further attempt can help: this machine has no such family of addresses, or no way there. */
function isHopeless(error: unknown): boolean {
  const code = error instanceof Error && "code" in error ? error.code : undefined;
  return code === "EADDRNOTAVAIL" || code === "EAFNOSUPPORT" || code === "EADDRINUSE" || code === "EACCES";
}

export function findFreePort(): number {
  try {
    using listener = Deno.listen({ hostname: "::", port: 0 });
    return listener.addr.port;
  } catch {
    using listener = Deno.listen({ hostname: "0.0.0.0", port: 0 });
    return listener.addr.port;
  }
}

async function dialFrom(localPort: number, to: Endpoint, signal: AbortSignal): Promise<Socket> {
  signal.throwIfAborted();
  const socket = connect({
    host: to.address,
    port: to.port,
    localAddress: to.address.includes(":") ? "::" : "0.0.0.0",
    localPort,
    noDelay: true,
    allowHalfOpen: true, // otherwise the end of the other half would end ours, with bytes still to be sent
  });
  try {
    await once(socket, "connect", { signal });
    return socket;
  } catch (error) {
    socket.destroy();
    throw error;
  }
}
