/**
 * The serving server: opens the store, listens, joins each connection to a session, and stops cleanly.
 * @module
 */
import type { Passwords } from "../chat/passwords.ts";
import type { ServerStore } from "../chat/operator_store.ts";
import type { Log } from "../chat/services.ts";
import { type Identity, loadIdentity, loadOrCreateIdentity } from "../net/identity.ts";
import { Listener } from "../net/listener.ts";
import type { RpcConnection } from "../net/rpc_connection.ts";
import { SIDE_ALPN } from "../protocol/limits.ts";
import { openServerStore } from "../store/open.ts";
import { within } from "../waiting.ts";
import { type DataPaths, lockDataFolder, prepareDataFolder } from "./data_folder.ts";
import { inviteLink, printedJoinCode, reachableAddresses } from "./invites.ts";
import { MIB, type ServeOptions } from "./options.ts";
import { RefusedCallers } from "./refused_callers.ts";

const STOP_WITHIN_MS = 3_000; // how long a stopping server waits for what its clients still have to be sent
const STOPPING = "the server is stopping";

/** When the clients of a stopping server come back: each at a time of its own, as all at once would be a storm of logins. */
const RETRY_AFTER_MS = { least: 500, most: 5_000 };

/**
 * A server that serves. Disposing of it accepts nobody more, tells the clients, finishes what was received and closes the
 * database; doing so again waits for the same stop.
 */
export interface RunningServer extends AsyncDisposable {
  /** Port that it listens on. */
  readonly port: number;
  /** Addresses that others may reach it at. */
  readonly addresses: readonly string[];
  /** Link that lets others find and trust it, and register where registration is by invite. */
  readonly inviteLink: string;
  /** Its key's fingerprint. */
  readonly fingerprint: string;
  /** Folder of its database and key. */
  readonly dataFolder: string;
  /** Rejects when it cannot go on (its store has died); never resolves. */
  readonly failed: Promise<never>;
}

/**
 * Starts a server, which accepts when this returns.
 * @param options See `addServeOptions` for defaults.
 * @param passwords At full cost by default.
 * @throws {UsageError} when the folder is in use or cannot be written, the port is taken, or a certificate is wrong.
 */
export async function serve(
  options: ServeOptions,
  log: Log,
  passwords?: Passwords,
): Promise<RunningServer> {
  const paths = await prepareDataFolder(options.data);
  await using opened = new AsyncDisposableStack();
  opened.use(await lockDataFolder(paths));
  const identity = await loadServerIdentity(options, paths);
  const refusedCallers = opened.use(new RefusedCallers(log));
  // First of all: callers queue while the store's thread starts, in which this one stands still, and the rest is loaded.
  const listener = Listener.listen({
    ...(options.host === undefined ? {} : { host: options.host }),
    port: options.port,
    identity,
    maxConnections: options.maxConnections,
    maxConnectionsPerAddress: options.maxConnectionsPerAddress,
    onConnection: (connection) =>
      void working.then((work) => work.startSession(connection), () => connection.abort()),
    sideDoor: {
      alpnProtocol: SIDE_ALPN,
      onSocket: (socket, ...caller) =>
        working.then(({ sideDoor }) => sideDoor.serve(socket, ...caller), () => socket.close()),
    },
    onRefused: refusedCallers.note,
    onGuarded: (isGuarded) =>
      log.warn(
        isGuarded
          ? "many callers do not finish their TLS handshake: they are disconnected to make room for others"
          : "callers finish their TLS handshake again",
      ),
  });
  opened.defer(listener.close);
  const opening = openServerStore(paths.database, {
    limits: {
      mailboxMessages: options.mailboxMessages,
      mailboxBytes: options.mailboxMib * MIB,
      historyDays: options.historyDays,
      historyBytes: options.historyMib * MIB,
    },
  });
  opened.defer(() => opening.then((store) => store[Symbol.asyncDispose](), () => {}));
  const working = Promise.all([opening, import("./work.ts")])
    .then(([store, { Work }]) =>
      new Work(store, options, { log, identity, ...(passwords ? { passwords } : {}) })
    );
  working.catch(() => {}); // awaited below; it may fail before that
  opened.defer(() => working.then((work) => work[Symbol.asyncDispose](), () => {}));
  const work = await working;
  const { store } = work;
  const addresses = reachableAddresses(listener.host);
  const joinCode = options.registration === "invite" ? await printedJoinCode(store) : undefined;
  log.info("serving", { port: listener.port, data: paths.folder, fingerprint: identity.fingerprint });
  const resources = opened.move();
  let stopping: Promise<void> | undefined;
  const host = options.publicHost ?? addresses[0]!;
  return {
    port: listener.port,
    addresses,
    inviteLink: inviteLink({ host, port: listener.port, identity }, joinCode),
    fingerprint: identity.fingerprint,
    dataFolder: paths.folder,
    failed: store.failed,
    [Symbol.asyncDispose]: () => stopping ??= stopServer(listener, work.connections, store, resources, log),
  };
}

/** The key and certificate that a server with these options shows to callers. Throws `UsageError`, as `serve` does. */
export function loadServerIdentity(
  options: Pick<ServeOptions, "cert" | "key">,
  paths: DataPaths,
): Promise<Identity> {
  return options.cert !== undefined && options.key !== undefined
    ? loadIdentity(options.cert, options.key)
    : loadOrCreateIdentity(paths.folder);
}

async function stopServer(
  listener: Listener,
  connections: ReadonlySet<RpcConnection>,
  store: Pick<ServerStore, "settled">,
  resources: AsyncDisposableStack,
  log: Log,
): Promise<void> {
  log.info("stopping", { connections: connections.size });
  listener.close();
  await listener.finished;
  const { least, most } = RETRY_AFTER_MS;
  for (const rpc of connections) {
    const retryAfterMs = Math.round(least + Math.random() * (most - least));
    rpc.notify("server_stopping", { retryAfterMs });
  }
  // What was received is stored and acknowledged first.
  const closing = store.settled().then(() => Promise.all([...connections].map((rpc) => rpc.close(STOPPING))));
  await within(STOP_WITHIN_MS, closing);
  for (const rpc of connections) rpc.abort(STOPPING);
  await resources.disposeAsync();
  log.info("stopped");
}
