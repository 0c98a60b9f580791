/**
 * The part of the server that direct chats need, on real sockets, without accounts: who connects says who they are.
 *
 * The registry of open chats and the relay are the real ones. A lying server changes what passes.
 * @module
 */
import { MemoryEntries } from "../../lib/chat/direct/memory_entries.ts";
import { type ChatSession, DirectChats } from "../../lib/chat/direct_chats.ts";
import { ChatError } from "../../lib/errors.ts";
import { Connection } from "../../lib/net/connection.ts";
import { CERTIFICATE_NAME, createEphemeralIdentity, type Identity } from "../../lib/net/identity.ts";
import { Listener } from "../../lib/net/listener.ts";
import { RpcConnection } from "../../lib/net/rpc_connection.ts";
import type { ChatEvent, ChatRequestName, Rendezvous } from "../../lib/peer/rendezvous.ts";
import { type ByteStream, closeQuietly } from "../../lib/net/byte_stream.ts";
import type { ChatEvents } from "../../lib/protocol/chat_messages.ts";
import { SIDE_ALPN } from "../../lib/protocol/limits.ts";
import { parseEvent } from "../../lib/protocol/events.ts";
import { parseParams, parseResult } from "../../lib/protocol/requests.ts";
import type { RelayLimits } from "../../lib/server/relay/limits.ts";
import { Relay } from "../../lib/server/relay/relay.ts";
import { SideRequests } from "../../lib/server/relay/side_requests.ts";

/** How a test changes the server. */
export interface ChatServerOptions {
  /** Limits of the relay. */
  readonly relay?: RelayLimits;
  /** Changes the result of a request before the caller gets it: a lying server. */
  readonly onResult?: (method: string, result: unknown) => unknown;
  /** Changes the parameters of a request before the server takes it. */
  readonly onParams?: (method: string, params: unknown) => unknown;
  /** How long a host may be away, in milliseconds. */
  readonly awayMs?: number;
}

/** Nobody reads the log of a test. */
export const SILENT_LOG = { info: () => {}, warn: () => {}, error: () => {} };

/** A session that says who it is, without an account. */
interface Party extends ChatSession {
  notify<E extends keyof ChatEvents>(event: E, content: ChatEvents[E]): void;
}

/** A server for direct chats. */
export class ChatServer implements AsyncDisposable {
  /** All open chats. */
  readonly chats: DirectChats;
  /** Copies bytes. */
  readonly relay: Relay;
  readonly #listener: Listener;
  readonly #side: SideRequests;
  readonly #identity: Identity;
  readonly #parties = new Map<string, Set<Party>>();
  readonly #connections = new Set<RpcConnection>();
  readonly #sideSockets = new Set<ByteStream>();

  private constructor(identity: Identity, port: number, options: ChatServerOptions) {
    this.#identity = identity;
    this.chats = new DirectChats({
      server: "alone",
      entries: new MemoryEntries(),
      hub: {
        tell: (to, event, content) => {
          for (const party of this.#all()) {
            if (party.address.session === to.session) party.notify(event, content);
          }
        },
        notify: (accountId, event, content) => {
          for (const party of this.#all()) if (party.accountId === accountId) party.notify(event, content);
        },
      },
      ...(options.awayMs === undefined ? {} : { awayMs: options.awayMs }),
    });
    this.relay = new Relay({ log: SILENT_LOG, ...(options.relay ? { limits: options.relay } : {}) });
    this.#side = new SideRequests({
      tickets: this.chats,
      relay: this.relay,
      log: SILENT_LOG,
    });
    this.#listener = Listener.listen({
      port,
      identity,
      onConnection: (connection) => this.#serve(connection, options),
      sideDoor: {
        alpnProtocol: SIDE_ALPN,
        onSocket: (socket) => {
          this.#sideSockets.add(socket);
          return this.#side.serve(socket).finally(() => this.#sideSockets.delete(socket));
        },
      },
    });
  }

  /** Starts on a free port. */
  static async start(options: ChatServerOptions = {}): Promise<ChatServer> {
    return new ChatServer(await createEphemeralIdentity(), 0, options);
  }

  /** The same server, started anew after this one was disposed of: same key and port, and it has forgotten every chat. */
  startAnew(options: ChatServerOptions = {}): ChatServer {
    return new ChatServer(this.#identity, this.#listener.port, options);
  }

  /** Signs somebody in; the same name may come twice. */
  async connectAs(name: string): Promise<TestRendezvous> {
    return await TestRendezvous.connect(name, this.#listener.port, this.#identity.certificatePem);
  }

  /** Breaks every connection of a session; relays stay. */
  cutSessions(): void {
    for (const rpc of this.#connections) rpc.abort("the server was cut off");
  }

  /** Breaks every relay. */
  cutRelays(): void {
    for (const socket of this.#sideSockets) closeQuietly(socket);
  }

  /** Stops. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#listener.close();
    for (const rpc of this.#connections) rpc.abort("the server stops");
    this.chats[Symbol.dispose]();
    await this.#side[Symbol.asyncDispose]();
    await this.#listener.finished;
  }

  #serve(connection: Connection, options: ChatServerOptions): void {
    let party: Party | undefined;
    const rpc: RpcConnection = new RpcConnection(connection, {
      onRequest: async (method, params) => {
        if (method === "be") {
          const { name, deviceId } = params as { name: string; deviceId: string };
          party = partyOf(name, deviceId, rpc);
          if (!this.#parties.has(name)) this.#parties.set(name, new Set());
          this.#parties.get(name)!.add(party);
          return {};
        }
        if (!party) throw new ChatError("unauthenticated", "Cannot do that: say who you are");
        await Promise.resolve();
        const given = options.onParams ? options.onParams(method, params) : params;
        const result = await this.#answer(party, method as ChatRequestName, given);
        return options.onResult ? options.onResult(method, result) : result;
      },
    });
    this.#connections.add(rpc);
    rpc.closed.then(() => {
      this.#connections.delete(rpc);
      if (!party) return;
      this.#parties.get(party.identity.name)?.delete(party);
      this.chats.left(party);
    });
  }

  async #answer(party: Party, method: ChatRequestName, params: unknown): Promise<unknown> {
    switch (method) {
      case "open_chat": {
        const details = parseParams(method, params);
        await this.chats.open(party, accountIdOf(details.to), details);
        return {
          seenAddress: party.peer.connection.remoteAddress,
          isFriendOnline: (this.#parties.get(details.to)?.size ?? 0) > 0,
        };
      }
      case "close_chat":
        await this.chats.close(party, parseParams(method, params).chatId);
        return {};
      case "list_chats":
        return { chats: await this.chats.invitationsFor(party.accountId) };
      case "join_chat":
        return await this.chats.join(party, parseParams(method, params));
      case "offer_punch":
        await this.chats.offerPunch(party, parseParams(method, params));
        return {};
    }
  }

  *#all(): Generator<Party> {
    for (const parties of this.#parties.values()) yield* parties;
  }
}

/** One signed-in client, without the client program. */
export class TestRendezvous implements Rendezvous, AsyncDisposable {
  readonly name: string;
  readonly server: Rendezvous["server"];
  /** Every event that came. */
  readonly events: ChatEvent[] = [];
  /** How often the connection to the server was asked to prove itself. */
  checks = 0;
  readonly #deviceId = crypto.randomUUID();
  readonly #certificatePem: string;
  readonly #hearers = new Set<(event: ChatEvent) => void>();
  readonly #returns = new Set<() => void>();
  #rpc: RpcConnection | undefined;

  private constructor(name: string, port: number, certificatePem: string) {
    this.name = name;
    this.#certificatePem = certificatePem;
    this.server = {
      address: "127.0.0.1",
      port,
      startTls: (tcp, alpnProtocols) =>
        Deno.startTls(tcp, {
          hostname: CERTIFICATE_NAME,
          caCerts: [certificatePem],
          alpnProtocols: [...alpnProtocols],
        }),
    };
  }

  /** Connects and says who it is. */
  static async connect(name: string, port: number, certificatePem: string): Promise<TestRendezvous> {
    const rendezvous = new TestRendezvous(name, port, certificatePem);
    await rendezvous.comeBack();
    return rendezvous;
  }

  /** Connects again after the server was cut off. */
  async comeBack(): Promise<void> {
    const isFirst = this.#rpc === undefined;
    const tcp = await Deno.connect({ hostname: "127.0.0.1", port: this.server.port });
    const tls = await Deno.startTls(tcp, { hostname: CERTIFICATE_NAME, caCerts: [this.#certificatePem] });
    this.#rpc = new RpcConnection(new Connection(tls), {
      onNotification: (method, params) => {
        const event = parseEvent(method, params) as ChatEvent | null;
        if (event) this.hear(event);
      },
    });
    await this.#rpc.request("be", { name: this.name, deviceId: this.#deviceId });
    if (!isFirst) { for (const hear of this.#returns) hear(); }
  }

  /** Has its hearers hear an event. */
  hear(event: ChatEvent): void {
    this.events.push(event);
    for (const hear of [...this.#hearers]) hear(event);
  }

  /** Asks the server. */
  async request<M extends ChatRequestName>(
    method: M,
    params: Parameters<Rendezvous["request"]>[1],
    // deno-lint-ignore no-explicit-any -- the type of the interface, which is looked at by its users
  ): Promise<any> {
    return parseResult(method, await this.#rpc!.request(method, params));
  }

  /** Hears events. */
  onEvent(hear: (event: ChatEvent) => void): () => void {
    this.#hearers.add(hear);
    return () => this.#hearers.delete(hear);
  }

  /** Hears of coming back. */
  onSignedInAgain(hear: () => void): () => void {
    this.#returns.add(hear);
    return () => this.#returns.delete(hear);
  }

  /** Counts. */
  checkConnection(): void {
    this.checks += 1;
  }

  /** Leaves. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#rpc?.close("the test is over");
  }
}

function partyOf(name: string, deviceId: string, rpc: RpcConnection): Party {
  return {
    address: { server: "alone", session: rpc.id },
    get hasEnded() {
      return rpc.connection.isClosing;
    },
    isOut: false,
    accountId: accountIdOf(name),
    identity: { name, deviceId },
    peer: rpc,
    notify: <E extends keyof ChatEvents>(event: E, content: ChatEvents[E]) => void rpc.notify(event, content),
  };
}

/** A number for each name. */
function accountIdOf(name: string): number {
  return [...name].reduce((sum, letter) => sum * 31 + letter.charCodeAt(0), 7);
}
