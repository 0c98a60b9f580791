/**
 * The accept loop: callers in, connections out.
 *
 * Knows TLS handshakes, caps and what to do when accepting fails; nothing of what a connection is for. A caller holds
 * a slot from the moment it is accepted, so one that never speaks TLS is counted, and let go after a while.
 * @module
 */
import { messageOf, UsageError } from "../errors.ts";
import { formatHostAndPort } from "../protocol/invite_link.ts";
import { addressGroup, normalizeAddress } from "./address.ts";
import { Connection, type ConnectionOptions } from "./connection.ts";
import type { Identity } from "./identity.ts";

/** Settings of a {@linkcode Listener}. */
export interface ListenerOptions {
  /** Address or name to listen on; unset means every address: `::` for both families, `0.0.0.0` where IPv6 is off. */
  readonly host?: string;
  /** TCP port; 0 picks a free one. */
  readonly port: number;
  /** Key and certificate; null listens without TLS, which only tests and relays inside this machine may want. */
  readonly identity: Identity | null;
  /** Connections at once, handshakes included; 10,000 by default. */
  readonly maxConnections?: number;
  /** Connections at once from one address (IPv6: one /64), handshakes included; 100 by default. */
  readonly maxConnectionsPerAddress?: number;
  /** How long a TLS handshake may take, in milliseconds; 10 s by default. */
  readonly handshakeTimeoutMs?: number;
  /** Settings of the connections made. */
  readonly connection?: ConnectionOptions;
  /** Stops accepting, as {@linkcode Listener.close} does. */
  readonly signal?: AbortSignal;
  /** Takes each connection, its handshake done. */
  readonly onConnection: (connection: Connection) => void;
  /** Callers that speak no frames, told apart by what their TLS handshake asks for; none when unset. */
  readonly sideDoor?: SideDoor;
  /** Told of each caller that got no connection, for the log. */
  readonly onRefused?: (refused: RefusedCaller) => void;
}

/** Where callers go whose TLS handshake names one ALPN protocol (RFC 7301). */
export interface SideDoor {
  /** Name of the protocol. */
  readonly alpnProtocol: string;
  /** Takes the socket, its handshake done, and owns it. The caller's slot is free again when this has settled. */
  readonly onSocket: (socket: Deno.TlsConn) => Promise<void>;
}

/** A caller that got no connection. */
export interface RefusedCaller {
  /** Its address; empty when it was not even accepted. */
  readonly address: string;
  /** Why: too many connections, a handshake that failed or took too long, or the system refused to accept. */
  readonly reason:
    | "too_many"
    | "too_many_from_address"
    | "handshake_failed"
    | "handshake_timeout"
    | "accept_failed";
  /** One clause for the log. */
  readonly message: string;
}

const MAX_CONNECTIONS = 10_000;
const MAX_CONNECTIONS_PER_ADDRESS = 100;
const HANDSHAKE_TIMEOUT_MS = 10_000;
/** Pause after a failed accept, doubled up to the longest: file descriptors run out and come back. */
const FIRST_PAUSE_MS = 10;
const LONGEST_PAUSE_MS = 1_000;

/** A socket that accepts callers until it is closed. */
export class Listener implements AsyncDisposable {
  /** The port that it listens on. */
  readonly port: number;
  /** The address that it listens on: `::` and `0.0.0.0` mean every one. */
  readonly host: string;
  /** Resolves once accepting has stopped. Connections made before go on. Never rejects. */
  readonly finished: Promise<void>;

  readonly #socket: Deno.Listener<Deno.Conn>;
  readonly #options: ListenerOptions;
  readonly #countByAddress = new Map<string, number>();
  #count = 0;
  #isClosed = false;
  #wake: (() => void) | undefined; // ends a pause early

  private constructor(socket: Deno.Listener<Deno.Conn>, options: ListenerOptions) {
    const address = socket.addr as Deno.NetAddr;
    this.port = address.port;
    this.host = address.hostname;
    this.#socket = socket;
    this.#options = options;
    this.finished = this.#accept();
    options.signal?.addEventListener("abort", this.close, { once: true });
    if (options.signal?.aborted) this.close();
  }

  /**
   * Starts to listen.
   *
   * @param options See {@linkcode ListenerOptions}.
   * @returns The listener, accepting already.
   * @throws {UsageError} When the port is in use or not allowed, the host is not one of this machine, or the key and
   *   certificate cannot be used; one sentence each.
   */
  static listen(options: ListenerOptions): Listener {
    const { identity, port } = options;
    const hosts = options.host === undefined ? ["::", "0.0.0.0"] : [options.host];
    let failure: unknown;
    for (const hostname of hosts) {
      try {
        const socket: Deno.Listener<Deno.Conn> = identity
          ? Deno.listenTls({
            hostname,
            port,
            cert: identity.certificatePem,
            key: identity.privateKeyPem,
            ...(options.sideDoor ? { alpnProtocols: [options.sideDoor.alpnProtocol] } : {}),
          })
          : Deno.listen({ hostname, port });
        return new Listener(socket, options);
      } catch (error) {
        failure = error;
        // Any other failure than a missing IPv6 would only repeat itself, or hide, on the next address.
        if (error instanceof Deno.errors.AddrInUse || error instanceof Deno.errors.PermissionDenied) break;
      }
    }
    throw new UsageError(describeListenFailure(options.host ?? "every address", port, failure), {
      cause: failure,
    });
  }

  /** Connections held now, handshakes included. */
  get connectionCount(): number {
    return this.#count;
  }

  /** Stops accepting; calling it again changes nothing. Bound, so that it can be handed to a signal. */
  readonly close = (): void => {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#options.signal?.removeEventListener("abort", this.close);
    this.#socket.close();
    this.#wake?.();
  };

  /** Stops accepting, and waits until it has. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.close();
    await this.finished;
  }

  async #accept(): Promise<void> {
    let pauseMs = FIRST_PAUSE_MS;
    while (!this.#isClosed) {
      let socket: Deno.Conn;
      try {
        socket = await this.#socket.accept();
        pauseMs = FIRST_PAUSE_MS;
      } catch (error) {
        if (this.#isClosed) return;
        // EMFILE and the like pass once others hang up; a caller that is gone again (ECONNABORTED) is its own affair.
        this.#options.onRefused?.({ address: "", reason: "accept_failed", message: messageOf(error) });
        await this.#pause(pauseMs);
        pauseMs = Math.min(pauseMs * 2, LONGEST_PAUSE_MS);
        continue;
      }
      this.#admit(socket);
    }
  }

  async #admit(socket: Deno.Conn): Promise<void> {
    const address = normalizeAddress((socket.remoteAddr as Deno.NetAddr).hostname);
    const release = this.#takeSlot(address);
    if (!release) return closeQuietly(socket);
    const { sideDoor } = this.#options;
    if ("handshake" in socket) {
      const tls = socket as Deno.TlsConn;
      const info = await this.#shakeHands(tls, address);
      if (!info) {
        closeQuietly(socket);
        return release();
      }
      if (sideDoor && info.alpnProtocol === sideDoor.alpnProtocol) {
        return void sideDoor.onSocket(tls).finally(release);
      }
    }
    const connection = new Connection(socket, this.#options.connection);
    connection.released.then(release);
    this.#options.onConnection(connection);
  }

  /** Counts a caller; undefined when there are too many already. */
  #takeSlot(address: string): (() => void) | undefined {
    const {
      maxConnections = MAX_CONNECTIONS,
      maxConnectionsPerAddress = MAX_CONNECTIONS_PER_ADDRESS,
      onRefused,
    } = this.#options;
    const group = addressGroup(address);
    const fromGroup = this.#countByAddress.get(group) ?? 0;
    if (this.#count >= maxConnections) {
      const message = `${maxConnections} connections are the most taken`;
      onRefused?.({ address, reason: "too_many", message });
      return undefined;
    }
    if (fromGroup >= maxConnectionsPerAddress) {
      const message = `${maxConnectionsPerAddress} connections are the most taken from one address`;
      onRefused?.({ address, reason: "too_many_from_address", message });
      return undefined;
    }
    this.#count += 1;
    this.#countByAddress.set(group, fromGroup + 1);
    return () => {
      this.#count -= 1;
      const left = (this.#countByAddress.get(group) ?? 1) - 1;
      if (left > 0) this.#countByAddress.set(group, left);
      else this.#countByAddress.delete(group);
    };
  }

  /** What the handshake has settled; null when it came to nothing. */
  /**
   * Waits for the handshake. Deno 2.8 cannot end a TLS socket whose handshake has not happened: `close()` lets go of it,
   * but the system keeps it until the caller speaks or leaves. So a silent caller loses its slot, not yet its socket.
   */
  async #shakeHands(socket: Deno.TlsConn, address: string): Promise<Deno.TlsHandshakeInfo | null> {
    let isLate = false;
    const timeoutMs = this.#options.handshakeTimeoutMs ?? HANDSHAKE_TIMEOUT_MS;
    const timer = setTimeout(() => {
      isLate = true;
      closeQuietly(socket);
    }, timeoutMs);
    try {
      const info = await socket.handshake();
      return isLate || this.#isClosed ? null : info;
    } catch (error) {
      this.#options.onRefused?.(
        isLate
          ? { address, reason: "handshake_timeout", message: `no TLS handshake within ${timeoutMs} ms` }
          : { address, reason: "handshake_failed", message: messageOf(error) },
      );
      return null;
    } finally {
      clearTimeout(timer);
    }
  }

  #pause(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, ms);
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }
}

function closeQuietly(socket: Deno.Conn): void {
  try {
    socket.close();
  } catch {
    // Closed already.
  }
}

function describeListenFailure(host: string, port: number, error: unknown): string {
  const place = host.includes(" ") ? `port ${port} of ${host}` : formatHostAndPort(host, port);
  if (error instanceof Deno.errors.AddrInUse) {
    return `Cannot listen on ${place} as another program already does: stop it, or choose another port`;
  }
  if (error instanceof Deno.errors.PermissionDenied) {
    return `Cannot listen on ${place} as this user may not: ports below 1024 are often reserved, choose a higher one`;
  }
  if (error instanceof Deno.errors.AddrNotAvailable) {
    return `Cannot listen on ${place} as this machine has no such address`;
  }
  return `Cannot listen on ${place}: ${messageOf(error)}`;
}
