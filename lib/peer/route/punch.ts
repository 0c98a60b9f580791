/**
 * Punching: a TCP connection between two machines that both drop what they did not ask for.
 *
 * Both connect to each other at the same moment, from a port whose outside address the server has told; each router
 * then takes the other's packet for an answer (RFC 5128 §3.4). `Deno.connect` cannot choose its own port, so this uses
 * `node:net`. A port that listens cannot dial, so punching has a port of its own.
 * @module
 */
import { connect, type Socket } from "node:net";
import { ConnectionError, messageOf } from "../../errors.ts";
import { type Endpoint, MAX_CHAT_ADDRESSES } from "../../protocol/chat_messages.ts";
import { ownAddresses, scopeOf, usableEndpoints } from "./addresses.ts";
import { limit, pause } from "../pause.ts";
import { nextEvent, type Rendezvous, type ServerDoor } from "../rendezvous.ts";
import { findAddress } from "./side_client.ts";
import { type ByteStream, closeQuietly } from "../../net/byte_stream.ts";
import { SocketStream, throughLoopback } from "../../net/streams.ts";

const ATTEMPT_MS = 1_500; // how long one attempt may hang in silence before the next, in milliseconds
const PROBE_MS = 3_000; // how long asking the server for the outside address may take
/** Attempts on one endpoint; where refusals come back within a millisecond, they go quickly. */
const MAX_ATTEMPTS = 1_500;
/** Attempts that follow a refusal at once; after that each waits a little longer. */
const HASTY_ATTEMPTS = 600;

export interface PunchRound {
  readonly rendezvous: Rendezvous;
  readonly chatId: string;
  readonly round: number;
  readonly onBegin?: () => void; // told when both begin
  /** Gets every connection that came about; both sides may have several, and agree later. */
  readonly onStream: (stream: SocketStream) => void;
  readonly signal: AbortSignal;
}

/**
 * Punches when the server says so.
 *
 * @returns Resolves when nothing is tried any more.
 * @throws {ConnectionError} When the server cannot be asked, or does not agree.
 */
export async function punch(
  { rendezvous, chatId, round, onBegin, onStream, signal }: PunchRound,
): Promise<void> {
  const told = nextEvent(
    rendezvous,
    ({ name, content }) =>
      name === "chat_punch" && content.chatId === chatId && content.round === round ? content : undefined,
    signal,
  );
  told.catch(() => {}); // awaited below, unless something fails first
  const port = await PunchPort.open(rendezvous.server, signal);
  try {
    await rendezvous.request("offer_punch", { chatId, round, endpoints: [...port.endpoints] });
    const { endpoints, startInMs } = await told;
    await pause(startInMs, signal);
    onBegin?.();
    const isLoopbackFine = scopeOf(rendezvous.server.address) === "loopback";
    await port.punch(usableEndpoints(endpoints, { isLoopbackFine }), onStream, signal);
  } catch (error) {
    signal.throwIfAborted();
    throw new ConnectionError(`Cannot punch: ${messageOf(error)}`, { cause: error });
  } finally {
    port.close();
  }
}

class PunchPort {
  /** Where this port appears, from outside and on this machine. */
  readonly endpoints: readonly Endpoint[];
  readonly #port: number;
  readonly #probe: ByteStream | undefined;

  private constructor(port: number, endpoints: readonly Endpoint[], probe: ByteStream | undefined) {
    this.#port = port;
    this.endpoints = endpoints;
    this.#probe = probe;
  }

  static async open(server: ServerDoor, signal: AbortSignal): Promise<PunchPort> {
    const port = findFreePort();
    const own = ownAddresses().map((address) => ({ address, port }));
    const limited = limit(signal, PROBE_MS);
    try {
      const { stream, seen } = await askOutside(server, port, limited.signal);
      const endpoints = [seen, ...own].slice(0, MAX_CHAT_ADDRESSES);
      return new PunchPort(port, endpoints, stream);
    } catch {
      signal.throwIfAborted();
      return new PunchPort(port, own, undefined);
    } finally {
      limited.end();
    }
  }

  /** Connects to all of the other side's endpoints, again and again until it works or the signal says stop. */
  async punch(
    endpoints: readonly Endpoint[],
    onStream: (stream: SocketStream) => void,
    signal: AbortSignal,
  ): Promise<void> {
    // To our own address a connection from the same port could meet itself.
    const own = new Set(ownAddresses());
    const others = endpoints.filter((endpoint) => !own.has(endpoint.address));
    await Promise.all(others.map(async (endpoint) => {
      const socket = await this.#knock(endpoint, signal);
      if (socket) onStream(new SocketStream(socket));
    }));
  }

  close(): void {
    // The connection to the server has kept the router's mapping alive until now.
    if (this.#probe) closeQuietly(this.#probe);
  }

  async #knock(endpoint: Endpoint, signal: AbortSignal): Promise<Socket | undefined> {
    for (let attempt = 1; attempt <= MAX_ATTEMPTS && !signal.aborted; attempt++) {
      const startedAt = performance.now();
      const limited = limit(signal, ATTEMPT_MS);
      try {
        return await dialFrom(this.#port, endpoint, limited.signal);
      } catch (error) {
        if (signal.aborted) return undefined;
        if (isHopeless(error)) return undefined;
      } finally {
        limited.end();
      }
      const waitMs = waitAfter(attempt, performance.now() - startedAt);
      if (waitMs > 0) await pause(waitMs, signal).catch(() => {});
    }
    return undefined;
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

/** A port that was free a moment ago. */
function findFreePort(): number {
  try {
    using listener = Deno.listen({ hostname: "::", port: 0 });
    return listener.addr.port;
  } catch {
    using listener = Deno.listen({ hostname: "0.0.0.0", port: 0 });
    return listener.addr.port;
  }
}

async function askOutside(
  server: ServerDoor,
  port: number,
  signal: AbortSignal,
): Promise<{ stream: ByteStream; seen: Endpoint }> {
  const socket = await dialFrom(port, server, signal);
  return await findAddress(server, await throughLoopback(new SocketStream(socket)), signal);
}

function dialFrom(localPort: number, to: Endpoint, signal: AbortSignal): Promise<Socket> {
  return new Promise((resolve, reject) => {
    signal.throwIfAborted();
    const socket = connect({
      host: to.address,
      port: to.port,
      localAddress: to.address.includes(":") ? "::" : "0.0.0.0",
      localPort,
      noDelay: true,
      allowHalfOpen: true, // otherwise the end of the other half would end ours, with bytes still to be sent
    });
    const fail = (error: unknown) => {
      signal.removeEventListener("abort", onAbort);
      socket.destroy();
      reject(error);
    };
    const onAbort = () => fail(signal.reason ?? new ConnectionError("Connecting was called off"));
    signal.addEventListener("abort", onAbort, { once: true });
    socket.once("error", fail);
    socket.once("connect", () => {
      signal.removeEventListener("abort", onAbort);
      socket.off("error", fail);
      resolve(socket);
    });
  });
}
