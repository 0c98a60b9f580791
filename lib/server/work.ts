// What a server does for its callers: sessions, side connections and upkeep, over an open store. Loaded while the store opens.
import { addressGroup } from "../addresses.ts";
import { answer } from "../chat/handlers.ts";
import type { ChatEntries } from "../chat/chat_entries.ts";
import { alone, type Cluster } from "../chat/cluster.ts";
import { DEFAULT_THROTTLES } from "../chat/limits.ts";
import type { ServerStore } from "../chat/operator_store.ts";
import type { Identity } from "../net/identity.ts";
import { Hearing } from "../chat/hearing.ts";
import { Passwords } from "../chat/passwords.ts";
import { type Log, Services } from "../chat/services.ts";
import { Session } from "../chat/session.ts";
import type { Connection } from "../net/connection.ts";
import { RpcConnection } from "../net/rpc_connection.ts";
import { MIB, type ServeOptions } from "./options.ts";
import { DEFAULT_RELAY_LIMITS, Relay } from "./relay/relay.ts";
import { reachServer } from "./relay/reach_server.ts";
import { SideRequests } from "./relay/side_requests.ts";
import { Upkeep } from "./upkeep.ts";

export interface WorkOptions {
  readonly log: Log;
  readonly identity: Identity; // that all servers of a community share
  readonly passwords?: Passwords; // at full cost by default
  readonly cluster?: Cluster; // alone by default
  readonly openChats?: ChatEntries; // in memory by default
  readonly relayAddress?: string; // host and port at which the others of the cluster reach this server
}

export class Work implements AsyncDisposable {
  readonly store: ServerStore;
  readonly sideDoor: SideRequests;
  readonly connections = new Set<RpcConnection>(); // those with a session
  readonly #services: Services;
  readonly #opened = new AsyncDisposableStack();

  constructor(
    store: ServerStore,
    options: ServeOptions,
    { log, identity, passwords = new Passwords(), cluster = alone(), ...shared }: WorkOptions,
  ) {
    this.store = store;
    this.#services = new Services({
      store,
      log,
      passwords,
      cluster,
      ...shared,
      registration: options.registration,
      throttles: {
        ...DEFAULT_THROTTLES,
        sendsPerSecond: options.sendsPerSecond,
        failedLoginsPerAccount: options.failedLogins,
        failedLoginsPerAddress: options.failedLoginsPerAddress,
        registrationsPerAddress: options.registrationsPerAddress,
      },
    });
    const { hub, directChats } = this.#services;
    this.#opened.use(new Hearing(store, this.#services));
    this.#opened.use(new Upkeep(store, hub, log, { isLeader: () => cluster.isLeader(), chats: directChats }));
    this.#opened.use(directChats);
    const relay = new Relay({
      log,
      limits: { ...DEFAULT_RELAY_LIMITS, bytesPerDay: options.relayMib * MIB },
    });
    this.sideDoor = this.#opened.use(
      new SideRequests({
        tickets: directChats,
        relay,
        log,
        reach: (...where) => reachServer(identity, ...where),
      }),
    );
  }

  startSession(connection: Connection): void {
    const { log } = this.#services;
    const rpc: RpcConnection = new RpcConnection(connection, {
      onRequest: (method, params) => answer(session, method, params),
      onFault: (error, { method, reference }) =>
        log.error("fault", { connection: rpc.id, method, reference, error }),
    });
    const session: Session = new Session(rpc, addressGroup(connection.remoteAddress), this.#services);
    this.connections.add(rpc);
    log.info("connected", { connection: rpc.id, address: connection.remoteAddress });
    rpc.closed.then((reason) => {
      this.connections.delete(rpc);
      session.ended();
      log.info("disconnected", { connection: rpc.id, reason: reason.message });
    });
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#opened.disposeAsync();
  }
}
