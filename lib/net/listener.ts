/**
 * Accepts callers, and makes connections of them.
 *
 * Knows TLS handshakes, caps and what to do when accepting fails; nothing of what a connection is for. A caller holds
 * a place from the moment it is accepted, so one that never speaks TLS is counted, and loses its place after a while.
 *
 * Its socket may stay longer, since Deno cannot close it (`handshakes.ts`). While there are many of those, nobody more is
 * taken; where they do not go, callers come in by another entrance for a while, which can close them
 * (`guarded_entrance.ts`). So callers that are silent in their handshake hold a bounded number of sockets.
 * @module
 */
import { formatHostAndPort, normalizeAddress } from "../addresses.ts";
import { messageOf, UsageError } from "../errors.ts";
import { within } from "../waiting.ts";
import { type ByteStream, closeQuietly } from "./byte_stream.ts";
import { Connection, type ConnectionOptions } from "./connection.ts";
import { type Entrance, hostsOf, listenEverywhere } from "./accept/every_address.ts";
import { type GuardedCaller, GuardedEntrance } from "./accept/guarded_entrance.ts";
import { Handshakes } from "./accept/handshakes.ts";
import type { Identity } from "./identity.ts";
import { setNoDelay } from "./no_delay.ts";
import { type RefusedCaller, Slots } from "./slots.ts";

/** Settings of a {@linkcode Listener}. */
export interface ListenerOptions {
  /** Address or name to listen on; unset means every address, of both families: see {@linkcode listenEverywhere}. */
  readonly host?: string;
  /** TCP port; 0 picks a free one. */
  readonly port: number;
  /** Key and certificate; null listens without TLS, which only tests and relays inside this machine may want. */
  readonly identity: Identity | null;
  /** Connections at once, handshakes included; 10,000 by default. */
  readonly maxConnections?: number;
  /** Connections at once from one address (IPv6: one /64), handshakes included; 100 by default. */
  readonly maxConnectionsPerAddress?: number;
  /**
   * Fewer free places than this are few: then callers who are nobody yet (see {@linkcode Connection.keep}; those at the side door
   * too) give theirs up for newcomers, except so many of them. 0 by default: nobody does.
   */
  readonly spareConnections?: number;
  /** How long a TLS handshake may take, in milliseconds; 30 s by default. */
  readonly handshakeTimeoutMs?: number;
  /** Sockets in the middle of a TLS handshake at either entrance; 256 by default. */
  readonly maxUnfinished?: number;
  /** How long nobody may have been sent away or put out before the usual entrance is opened again; 60 s by default. */
  readonly quietMs?: number;
  /** Settings of the connections made. */
  readonly connection?: ConnectionOptions;
  /** Stops accepting, as {@linkcode Listener.close} does. */
  readonly signal?: AbortSignal;
  /** Takes each connection, its handshake done. */
  readonly onConnection: (connection: Connection) => void;
  /** Callers that speak no frames, told apart by what their TLS handshake asks for; none when unset. */
  readonly sideDoor?: SideDoor;
  /** Whether callers from an address are sent away before anything is said; nobody when unset. */
  readonly isShutOut?: (address: string) => boolean;
  /** Told of each caller that got no connection, for the log. */
  readonly onRefused?: (refused: RefusedCaller) => void;
  /** Told, for the log, when it listens and small frames may wait up to 40 ms, as the system does not let them go (`no_delay.ts`). */
  readonly onDelayed?: () => void;
  /** Told, for the log, when the guarded entrance is opened as too many callers are stuck, and when it is closed again. */
  readonly onGuarded?: (isGuarded: boolean) => void;
}

/** Where callers go whose TLS handshake names one ALPN protocol (RFC 7301). */
export interface SideDoor {
  /** Name of the protocol. */
  readonly alpnProtocol: string;
  /**
   * Takes the socket, its handshake done, and owns it; `remoteAddr` is where the caller is, whatever the socket says. The
   * caller's place is free again when this has settled, or from `leavePlace` on, for whoever is counted elsewhere then.
   */
  readonly onSocket: (
    socket: ByteStream,
    remoteAddr: Deno.NetAddr,
    leavePlace: () => void,
  ) => Promise<void>;
}

const MAX_CONNECTIONS = 10_000;
const MAX_CONNECTIONS_PER_ADDRESS = 100;
/** As long as a client of ours waits for it: a network may hold it up, and many at once have another limit. */
const HANDSHAKE_TIMEOUT_MS = 30_000;
/** Twice this fits with ease where a process may have 1,024 files open; an honest handshake holds its place for 0.1 s. */
const MAX_UNFINISHED = 256;
const QUIET_MS = 60_000;
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

  readonly #options: ListenerOptions;
  readonly #slots: Slots;
  readonly #maxUnfinished: number;
  readonly #handshakes = new Handshakes(() => this.#wake?.()); // at the usual entrance
  #socket: Entrance;
  #isClosed = false;
  #wake: (() => void) | undefined; // ends a pause early

  private constructor(socket: Entrance, options: ListenerOptions) {
    const address = socket.addr as Deno.NetAddr;
    this.port = address.port;
    this.host = address.hostname;
    this.#socket = socket;
    this.#options = options;
    this.#slots = new Slots(
      options.maxConnections ?? MAX_CONNECTIONS,
      options.maxConnectionsPerAddress ?? MAX_CONNECTIONS_PER_ADDRESS,
      options.spareConnections,
      options.isShutOut,
    );
    this.#maxUnfinished = options.maxUnfinished ?? MAX_UNFINISHED;
    this.finished = this.#run();
    options.signal?.addEventListener("abort", this.close, { once: true });
    if (options.signal?.aborted) this.close();
  }

  /**
   * Starts to listen.
   * @throws {UsageError} When the port is in use or not allowed, the host is not one of this machine, or the key and
   *   certificate cannot be used; one sentence each.
   */
  static listen(options: ListenerOptions): Listener {
    const { host, port } = options;
    try {
      return new Listener(openEntrance(port, options), options);
    } catch (cause) {
      throw new UsageError(describeListenFailure(host ?? "every address", port, cause), { cause });
    }
  }

  /** Connections held now, handshakes included. */
  get connectionCount(): number {
    return this.#slots.count;
  }

  /** Stops accepting; calling it again changes nothing. Bound, so that it can be handed to a signal. */
  readonly close = (): void => {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#options.signal?.removeEventListener("abort", this.close);
    closeQuietly(this.#socket);
    this.#handshakes.close();
    this.#wake?.();
  };

  /** Stops accepting, and waits until it has. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.close();
    await this.finished;
  }

  async #run(): Promise<void> {
    while (!this.#isClosed) {
      await this.#accept();
      if (!this.#isClosed) await this.#acceptGuarded();
    }
  }

  /** Lets callers in by the usual entrance until too many of them are stuck. Its socket is closed then. */
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
        this.#slots.makeRoomAfter(error);
        await this.#pause(pauseMs);
        pauseMs = Math.min(pauseMs * 2, LONGEST_PAUSE_MS);
        continue;
      }
      this.#admit(socket);
      while (this.#handshakes.count >= this.#maxUnfinished && !this.#isClosed) {
        const untilStuckMs = this.#handshakes.untilStuckMs(Math.ceil(this.#maxUnfinished / 2));
        if (untilStuckMs <= 0) return this.#socket.close();
        await this.#pause(untilStuckMs);
      }
    }
  }

  /** Lets callers in by the guarded entrance until all is quiet, and opens the usual one again. */
  async #acceptGuarded(): Promise<void> {
    const { handshakeTimeoutMs = HANDSHAKE_TIMEOUT_MS, quietMs = QUIET_MS } = this.#options;
    const entrance = await this.#open(() =>
      GuardedEntrance.open({
        hosts: hostsOf(this.#socket),
        port: this.port,
        listenInside: () => openSocket("127.0.0.1", 0, this.#options),
        maxUnfinished: this.#maxUnfinished,
        handshakeTimeoutMs,
        slots: this.#slots,
        onCaller: ({ socket, ...caller }) => this.#welcome(socket, caller),
        onRefused: (refused) => this.#options.onRefused?.(refused),
      })
    );
    if (!entrance) return;
    this.#options.onGuarded?.(true);
    for (;;) {
      const restMs = entrance.troubledAt + quietMs - performance.now();
      if (this.#isClosed) break;
      if (restMs > 0) await this.#pause(restMs);
      else if (this.#handshakes.count >= this.#maxUnfinished / 2) await this.#pause(quietMs);
      else break;
    }
    entrance.close();
    const socket = await this.#open(() => openEntrance(this.port, this.#options));
    if (!socket) return;
    this.#socket = socket;
    this.#options.onGuarded?.(false);
  }

  /** Opens an entrance in place of one that was just closed, as soon as the system allows; undefined once closed. */
  async #open<T extends { close(): void }>(open: () => T | Promise<T>): Promise<T | undefined> {
    for (let pauseMs = FIRST_PAUSE_MS;; pauseMs = Math.min(pauseMs * 2, LONGEST_PAUSE_MS)) {
      if (this.#isClosed) return undefined;
      try {
        const opened = await open();
        if (!this.#isClosed) return opened;
        opened.close();
      } catch (error) {
        this.#options.onRefused?.({ address: "", reason: "accept_failed", message: messageOf(error) });
        this.#slots.makeRoomAfter(error);
        await this.#pause(pauseMs);
      }
    }
  }

  async #admit(socket: Deno.Conn): Promise<void> {
    const { onRefused, handshakeTimeoutMs: timeoutMs = HANDSHAKE_TIMEOUT_MS } = this.#options;
    const remoteAddr = socket.remoteAddr as Deno.NetAddr;
    const address = normalizeAddress(remoteAddr.hostname);
    const tls = "handshake" in socket ? socket as Deno.TlsConn : undefined;
    const refusal = this.#slots.refusal(address);
    if (refusal) {
      if (tls) this.#handshakes.turnAway(tls);
      else closeQuietly(socket);
      return onRefused?.({ address, ...refusal });
    }
    const place = this.#slots.take(address);
    if (!tls) return this.#welcome(socket, { remoteAddr, alpnProtocol: null, place });
    try {
      const info = await this.#handshakes.wait(tls, timeoutMs);
      if (info && !this.#isClosed) return this.#welcome(tls, { remoteAddr, place, ...info });
      place.release();
      if (info) return closeQuietly(tls);
      const message = `no TLS handshake within ${timeoutMs} ms`;
      onRefused?.({ address, reason: "handshake_timeout", message });
    } catch (error) {
      place.release();
      onRefused?.({ address, reason: "handshake_failed", message: messageOf(error) });
    }
  }

  /** Makes a connection of a socket, or shows it to the side door. */
  #welcome(socket: ByteStream, { remoteAddr, alpnProtocol, place }: Omit<GuardedCaller, "socket">): void {
    const { sideDoor } = this.#options;
    if (sideDoor && alpnProtocol === sideDoor.alpnProtocol) {
      place.offer(() => closeQuietly(socket));
      return void sideDoor.onSocket(socket, remoteAddr, place.release).finally(place.release);
    }
    const connection = new Connection(socket, { ...this.#options.connection, remoteAddr });
    place.offer(() => connection.abort("others waited for its place"));
    connection.kept.then(place.keep);
    connection.released.then(place.release);
    this.#options.onConnection(connection);
  }

  async #pause(ms: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#wake = resolve;
    await within(ms, promise);
  }
}

function openEntrance(port: number, options: ListenerOptions): Entrance {
  const open = (hostname: string, port: number) => openSocket(hostname, port, options);
  return options.host === undefined ? listenEverywhere(open, port) : open(options.host, port);
}

function openSocket(hostname: string, port: number, options: ListenerOptions): Deno.Listener<Deno.Conn> {
  const { identity, sideDoor, onDelayed } = options;
  if (!identity) return Deno.listen({ hostname, port });
  const socket = Deno.listenTls({
    hostname,
    port,
    cert: identity.certificatePem,
    key: identity.privateKeyPem,
    ...(sideDoor ? { alpnProtocols: [sideDoor.alpnProtocol] } : {}),
  });
  if (!setNoDelay((socket.addr as Deno.NetAddr).port)) onDelayed?.();
  return socket;
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
