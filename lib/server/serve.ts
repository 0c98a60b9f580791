/**
 * The serving server: opens the store, listens, joins each connection to a session, and stops cleanly.
 * @module
 */
import { resolve } from "node:path";
import { formatHostAndPort } from "../addresses.ts";
import type { Passwords } from "../chat/passwords.ts";
import type { Log } from "../chat/services.ts";
import { closeQuietly } from "../net/byte_stream.ts";
import { SIDE_ALPN } from "../protocol/limits.ts";
import { allowOpenFiles, OTHER_FILES } from "./doctor/open_files.ts";
import { lockDataFolder, prepareDataFolder } from "./data_folder.ts";
import { Door } from "./door.ts";
import { inviteLink, printedJoinCode, reachableAddresses } from "./invites.ts";
import { checkDatabaseIsNotLost, type DataOptions, openData } from "./open_data.ts";
import type { ServeOptions } from "./options.ts";
import { RefusedCallers } from "./caller_log.ts";
import { finishRestore } from "./restoring.ts";
import { identityForStart } from "./server_key.ts";
import type { Work } from "./work.ts";

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
  /** Settles once the store has answered. A shared database is not waited for: that it is away is no fault of this server. */
  reachStore(): Promise<unknown>;
  /** Rejects when it cannot go on (its store has died); never resolves. */
  readonly failed: Promise<never>;
}

const STANDBY_WARNINGS = {
  none:
    "the database has no synchronous standby: what was acknowledged is lost with its disk (set synchronous_standby_names)",
  missing:
    "the database waits for a synchronous standby, and none follows it: nobody can send until one does (or empty synchronous_standby_names)",
} as const;

/** Of all connections: as many may be in the middle of signing in, whatever comes. */
const SPARE_SHARE = 1 / 50;

/** What a server is started with beside its options. */
export interface ServeSurroundings {
  /** Password hashing; at full cost by default. */
  readonly passwords?: Passwords;
  /** URL of the database that several servers share; a file in the data folder by default. */
  readonly databaseUrl?: string | undefined;
  /** How soon it notices that the database is away; for tests. */
  readonly leaseTimes?: DataOptions["leaseTimes"];
}

/**
 * Starts a server, which accepts when this returns.
 * @param options See `addServeOptions` for defaults.
 * @throws {UsageError} when the folder is in use or cannot be written, the port is taken, a certificate is wrong, the database has
 * lost its key, or the shared one cannot be joined.
 */
export async function serve(
  options: ServeOptions,
  log: Log,
  { passwords, databaseUrl, leaseTimes = {} }: ServeSurroundings = {},
): Promise<RunningServer> {
  const paths = await prepareDataFolder(options.data);
  await using opened = new AsyncDisposableStack();
  opened.use(await lockDataFolder(paths));
  const kept = await finishRestore(paths);
  if (kept !== null) log.warn("a restore that was cut off is done", { before: kept });
  if (databaseUrl === undefined) await checkDatabaseIsNotLost(paths);
  const identity = await identityForStart(options, paths, log);
  const refusedCallers = opened.use(new RefusedCallers(log));
  let isShutOut = (_address: string) => false; // nobody is, until the store is open
  // First of all: callers queue while the store's thread starts, in which this one stands still, and the rest is loaded.
  const door: Door = new Door({
    ...(options.host === undefined ? {} : { host: options.host }),
    port: options.port,
    identity,
    maxConnections: options.maxConnections,
    maxConnectionsPerAddress: options.maxConnectionsPerAddress,
    spareConnections: Math.floor(options.maxConnections * SPARE_SHARE),
    onConnection: (connection) =>
      void working.then((work) => work.startSession(connection), () => connection.abort()),
    sideDoor: {
      alpnProtocol: SIDE_ALPN,
      onSocket: (socket, ...caller) =>
        working.then(({ sideDoor }) => sideDoor.serve(socket, ...caller), () => closeQuietly(socket)),
    },
    isShutOut: (address) => isShutOut(address),
    onRefused: refusedCallers.note,
    onDelayed: () =>
      log.warn(
        "small frames may wait up to 40 ms: the system's library cannot be asked to let them go at once",
      ),
    onGuarded: (isGuarded) =>
      log.warn(
        isGuarded
          ? "many callers do not finish their TLS handshake: they are disconnected to make room for others"
          : "callers finish their TLS handshake again",
      ),
  }, log);
  opened.defer(() => door.close());
  const addresses = reachableAddresses(door.host);
  const relayAddress = options.relayAddress ?? formatHostAndPort(addresses[0]!, door.port);
  const opening = openData({ options, paths, databaseUrl, relayAddress, identity, leaseTimes }, {
    async onAway() {
      log.warn("the database is away: callers are sent to other servers");
      await door.shut();
      await working.then(
        (work) => work.sendAway("the server has lost its database", "no_database"),
        () => {},
      );
    },
    async onBack() {
      await door.reopen();
      log.info("the database is back: serving again", { port: door.port });
    },
    onTrouble(error) {
      if (error === null) log.warn("the database takes messages again");
      else log.error("the database takes nothing: messages are refused, and senders keep them", { error });
    },
  });
  opened.defer(() => opening.then((data) => data[Symbol.asyncDispose](), () => {}));
  const showing = import("./live/show_live.ts");
  allowOpenFiles(options.maxConnections + OTHER_FILES);
  const working: Promise<Work> = Promise.all([opening, import("./work.ts")]).then((
    [{ store, shared = {} }, { Work }],
  ) =>
    new Work(store, options, {
      log,
      identity,
      relayAddress,
      ...(passwords ? { passwords } : {}),
      ...shared,
    }).prepare()
  );
  working.catch(() => {}); // awaited below; it may fail before that
  opened.defer(() => working.then((work) => work[Symbol.asyncDispose](), () => {}));
  const work = await working;
  isShutOut = work.isShutOut;
  const { store } = work;
  const { exclusively, standby } = await opening;
  if (standby !== undefined && standby !== "follows") log.warn(STANDBY_WARNINGS[standby]);
  const joinCode = options.registration === "invite"
    ? await exclusively(() => printedJoinCode(store))
    : undefined;
  const live = await showing;
  const { certificatePem } = identity;
  opened.use(
    await live.showLive(work, {
      dataFolder: paths.folder,
      ...(options.metrics === undefined ? {} : { metrics: options.metrics }),
      place: {
        host: door.host,
        port: door.port,
        certificatePem,
        ...(options.cert === undefined ? {} : { cert: resolve(options.cert) }),
        ...(options.key === undefined ? {} : { key: resolve(options.key) }),
        ...(options.publicHost === undefined ? {} : { publicHost: options.publicHost }),
        maxConnections: options.maxConnections,
        isShared: databaseUrl !== undefined,
      },
      log,
    }),
  );
  log.info("serving", { port: door.port, data: paths.folder, fingerprint: identity.fingerprint });
  const resources = opened.move();
  let stopping: Promise<void> | undefined;
  const host = options.publicHost ?? addresses[0]!;
  return {
    port: door.port,
    addresses,
    inviteLink: inviteLink({ host, port: door.port, identity }, joinCode),
    fingerprint: identity.fingerprint,
    dataFolder: paths.folder,
    reachStore: () => store.dataVersion(),
    failed: store.failed,
    [Symbol.asyncDispose]: () => stopping ??= stopServer(door, work, resources, log),
  };
}

async function stopServer(
  door: Door,
  work: Work,
  resources: AsyncDisposableStack,
  log: Log,
): Promise<void> {
  log.info("stopping", { connections: work.connections.size });
  await door.close();
  await work.sendAway("the server is stopping");
  await resources.disposeAsync();
  log.info("stopped");
}
