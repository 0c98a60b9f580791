import type { Connection } from "../../net/connection.ts";
import type { Identity } from "../../net/identity.ts";
import { Listener } from "../../net/listener.ts";
import { awaitLink, type LinkTaker } from "../link/host_link.ts";
import { GREET_TIMEOUT_MS, LINK_CONNECTION } from "../link/peer_link.ts";
import { type ByteStream, closeQuietly } from "../../net/byte_stream.ts";
import { joinStreams } from "../../net/streams.ts";

/** Callers at once on the open port, whatever they have shown so far. */
const MAX_CALLERS = 32;
/** The same from one address: a friend tries a few at once. */
const MAX_CALLERS_PER_ADDRESS = 8;
/** Connections at once that this program itself has brought in. */
const MAX_BRIDGED = 16;
/**
 * Callers in the life of a chat that have the secret. Each could be a lying server that looks at one more nonce before it
 * decides, so there is an end to it; an honest friend needs a handful per round of attempts.
 */
const MAX_GREETINGS = 500;

export interface DoorwayOptions {
  readonly port: number;
  readonly identity: Identity;
  readonly taker: LinkTaker;
  readonly greetTimeoutMs?: number | undefined;
}

/**
 * The one way into a host: its TLS listener for one chat, and a private one on loopback for bytes that came otherwise.
 * Strangers may find the port. They get a TLS handshake with a certificate that names nobody, and then silence until
 * they are put out; there is room for a bounded number of them, and they cannot take the room of bridged connections.
 */
export class Doorway implements AsyncDisposable {
  readonly port: number;
  readonly #outer: Listener;
  readonly #inner: Listener;
  readonly #waiting = new Set<Connection>();
  #greetings = 0;
  #isClosed = false;

  constructor(options: DoorwayOptions) {
    const timeoutMs = options.greetTimeoutMs ?? GREET_TIMEOUT_MS;
    const common = {
      identity: options.identity,
      handshakeTimeoutMs: timeoutMs,
      connection: LINK_CONNECTION,
      onConnection: (connection: Connection) => this.#await(connection, options.taker, timeoutMs),
    };
    this.#outer = Listener.listen({
      ...common,
      port: options.port,
      maxConnections: MAX_CALLERS,
      maxConnectionsPerAddress: MAX_CALLERS_PER_ADDRESS,
    });
    this.#inner = Listener.listen({
      ...common,
      host: "127.0.0.1",
      port: 0,
      maxConnections: MAX_BRIDGED,
      maxConnectionsPerAddress: MAX_BRIDGED,
    });
    this.port = this.#outer.port;
  }

  /** Brings in a connection that was punched or relayed, as if it had come to the port. Owns the stream from now on. */
  async admit(stream: ByteStream): Promise<void> {
    if (this.#isClosed) return closeQuietly(stream);
    try {
      const inside = await Deno.connect({ hostname: "127.0.0.1", port: this.#inner.port });
      await joinStreams(inside, stream);
    } catch {
      // The doorway was closed meanwhile.
    } finally {
      closeQuietly(stream);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isClosed = true;
    this.#outer.close();
    this.#inner.close();
    for (const connection of this.#waiting) connection.abort("the chat is over");
    await Promise.all([this.#outer.finished, this.#inner.finished]);
  }

  async #await(connection: Connection, taker: LinkTaker, timeoutMs: number): Promise<void> {
    if (this.#greetings >= MAX_GREETINGS) return connection.abort("too many greetings");
    this.#waiting.add(connection);
    connection.closed.then(() => this.#waiting.delete(connection));
    const isProven = await awaitLink(connection, {
      secretsOf: () => taker.secretsOf(),
      onLink: (link, terms) => {
        this.#waiting.delete(connection);
        return taker.onLink(link, terms);
      },
    }, timeoutMs);
    if (isProven) this.#greetings += 1;
  }
}
