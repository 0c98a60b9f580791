// What a server does for its callers: sessions, side connections and upkeep, over an open store. Loaded while the store opens.
import { addressGroup } from "../addresses.ts";
import { answer } from "../chat/handlers.ts";
import type { ChatEntries } from "../chat/chat_entries.ts";
import { alone, type Cluster } from "../chat/cluster.ts";
import type { Counts } from "../chat/counts.ts";
import { DEFAULT_THROTTLES } from "../chat/limits.ts";
import type { ServerStore } from "../chat/operator_store.ts";
import type { Identity } from "../net/identity.ts";
import { Hearing } from "../chat/hearing.ts";
import { Passwords } from "../chat/passwords.ts";
import { type Log, Services } from "../chat/services.ts";
import { Session } from "../chat/session.ts";
import type { Connection } from "../net/connection.ts";
import { RpcConnection } from "../net/rpc_connection.ts";
import type { Event } from "../protocol/events.ts";
import { within } from "../waiting.ts";
import { MIB, type ServeOptions } from "./options.ts";
import { CallerLog } from "./caller_log.ts";
import { DEFAULT_RELAY_LIMITS } from "./relay/limits.ts";
import { Relay } from "./relay/relay.ts";
import { reachServer } from "./relay/reach_server.ts";
import { SideRequests } from "./relay/side_requests.ts";
import { Upkeep } from "./upkeep.ts";

export interface WorkOptions {
  readonly log: Log;
  readonly identity: Identity; // that all servers of a community share
  readonly passwords?: Passwords; // at full cost by default
  readonly cluster?: Cluster; // alone by default
  readonly openChats?: ChatEntries; // in memory by default
  readonly counts?: Counts; // in memory by default
  readonly relayAddress?: string; // host and port at which the others of the cluster reach this server
}

/** How long callers who are sent away may take what they still have to be sent. */
const SEND_AWAY_WITHIN_MS = 3_000;

/**
 * When they come back: the first when a server that is started again at once serves (it stops and starts in 0.15 s), then one after
 * the other, at half of the logins by token that the smallest machine measured takes (1,800 a second on 2 cores).
 */
const RETRY_AFTER_MS = { least: 250, spread: 100, spreadPerCaller: 1 };

export class Work implements AsyncDisposable {
  readonly store: ServerStore;
  readonly sideDoor: SideRequests;
  readonly connections = new Set<RpcConnection>(); // those with a session
  readonly #services: Services;
  readonly #relay: Relay;
  readonly #callerLog: CallerLog;
  readonly #opened = new AsyncDisposableStack();

  constructor(
    store: ServerStore,
    options: ServeOptions,
    { log, identity, passwords = new Passwords(), cluster = alone(), counts, ...shared }: WorkOptions,
  ) {
    this.store = store;
    this.#callerLog = this.#opened.use(new CallerLog(log));
    this.#services = new Services({
      store,
      log,
      passwords,
      cluster,
      ...shared,
      onSignedIn: (signedIn) => this.#callerLog.signedIn(signedIn),
      ...(counts === undefined ? {} : { tries: counts.tries }),
      registration: options.registration,
      throttles: {
        ...DEFAULT_THROTTLES,
        sendsPerSecond: options.sendsPerSecond,
        failedLoginsPerAccount: options.failedLogins,
        failedLoginsPerAddress: options.failedLoginsPerAddress,
        registrationsPerAddress: options.registrationsPerAddress,
      },
    });
    const { hub, directChats, rules } = this.#services;
    this.#opened.use(new Hearing(store, this.#services));
    this.#opened.use(
      new Upkeep(store, hub, log, { isLeader: () => cluster.isLeader(), chats: directChats, rules }),
    );
    this.#opened.use(directChats);
    this.#relay = new Relay({
      log,
      limits: { ...DEFAULT_RELAY_LIMITS, bytesPerDay: options.relayMib * MIB },
      ...(counts === undefined ? {} : { use: counts.relayUse }),
    });
    this.sideDoor = this.#opened.use(
      new SideRequests({
        tickets: directChats,
        relay: this.#relay,
        log,
        onLost: (lost) => this.#callerLog.sideLost(lost),
        admit: rules.admit,
        reach: (...where) => reachServer(identity, ...where),
      }),
    );
  }

  /** Reads what the operator has ordered; to be called before the first session. */
  async prepare(): Promise<this> {
    try {
      await this.#services.rules.refresh();
      return this;
    } catch (error) {
      await this[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** Whether callers from an address need not even be told that it is banned. */
  readonly isShutOut = (address: string): boolean => this.#services.rules.isShutOut(address);

  startSession(connection: Connection): void {
    const { log } = this.#services;
    const rpc: RpcConnection = new RpcConnection(connection, {
      onRequest: (method, params) => answer(session, method, params),
      onFault: (error, { method, reference }) =>
        log.error("fault", { connection: rpc.id, method, reference, error }),
    });
    const session: Session = new Session(rpc, addressGroup(connection.remoteAddress), this.#services);
    this.connections.add(rpc);
    this.#callerLog.connected({ connection: rpc.id, address: connection.remoteAddress });
    rpc.closed.then(({ message: reason }) => {
      this.connections.delete(rpc);
      const who = session.stage === "signed_in" ? { name: session.identity.name } : {};
      this.#callerLog.disconnected({ connection: rpc.id, ...who, reason });
      session.ended();
    });
  }

  /** What sessions and relay have done since the start, and who is here now. */
  counted() {
    const { hub, tally, cluster } = this.#services;
    const { messages, logins, refusedLogins } = tally;
    return {
      messages,
      logins,
      refusedLogins,
      people: hub.peopleHere,
      connections: this.connections.size,
      relayedSides: this.#relay.count,
      relayedBytes: this.#relay.copiedBytes,
      servers: cluster.servers(),
      isLeader: cluster.isLeader(),
    };
  }

  /** How many direct chats are open in the whole community. */
  openChats(): Promise<number> {
    return this.#services.directChats.count();
  }

  /** Asks all callers to come back later, here or at another server, and hangs up once what they sent is answered. */
  async sendAway(reason: string, why?: Event<"server_stopping">["reason"]): Promise<void> {
    const { least, spread, spreadPerCaller } = RETRY_AFTER_MS;
    const leaving = [...this.connections];
    const apartMs = spread / leaving.length + spreadPerCaller;
    for (const [index, rpc] of leaving.entries()) {
      const retryAfterMs = Math.round(least + index * apartMs);
      rpc.notify("server_stopping", why === undefined ? { retryAfterMs } : { retryAfterMs, reason: why });
    }
    // What was received is stored and acknowledged first.
    const closing = this.store.settled().then(() => Promise.all(leaving.map((rpc) => rpc.close(reason))));
    await within(SEND_AWAY_WITHIN_MS, closing);
    for (const rpc of leaving) rpc.abort(reason);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#opened.disposeAsync();
  }
}
