// Opens a community's database: for an operator's subcommand the store alone, for a server all that it shares with the others.
import type { ChatEntries } from "../../chat/chat_entries.ts";
import type { Cluster } from "../../chat/cluster.ts";
import type { Counts } from "../../chat/counts.ts";
import type { ServerStore } from "../../chat/operator_store.ts";
import { UsageError } from "../../errors.ts";
import { VERSION } from "../../version.ts";
import { queuedStore } from "../queue.ts";
import { openCluster } from "./cluster.ts";
import { connect, type Connection } from "./connection.ts";
import { openEngine, type PostgresOptions } from "./engine.ts";
import type { LeaseTimes } from "./lease.ts";
import { checkSchema, LOCK_FAMILY, migratePostgres, SCHEMA_LOCK } from "./migrations.ts";
import { type DatabaseUrl, parseDatabaseUrl } from "./url.ts";

/** How long servers that start together wait for each other. */
const EXCLUSIVE_WAIT_MS = 60_000;

/** An operator's check reads every message; nobody else waits for it. */
const OPERATOR_DEADLINE_MS = 60 * 60 * 1000;

/** How a server joins its community. */
export interface CommunityOptions extends PostgresOptions {
  /** Of the key that all of its servers have. */
  readonly fingerprint: string;
  /** Where the others reach this server's relay; null when they cannot. */
  readonly relayAddress: string | null;
  /** Clock in epoch milliseconds; `Date.now` by default. */
  readonly now?: () => number;
  /** How often this server shows that it lives, and how long the database may be away; see `lease.ts`. */
  readonly leaseTimes?: LeaseTimes;
  /** The database has been away for long: nobody can be served here until `onBack`. */
  onAway(): void;
  /** It can be reached again. */
  onBack(): void;
}

/** A synchronous standby is not asked for, follows, or is asked for and missing: then no commit is confirmed. */
export type Standby = "none" | "follows" | "missing";

/** What a server has of its community. Disposing of it tells the others that this server has gone. */
export interface Community extends AsyncDisposable {
  /** The store. */
  readonly store: ServerStore;
  /** The other servers. */
  readonly cluster: Cluster;
  /** Direct chats that are open on any of them. */
  readonly openChats: ChatEntries;
  /** What all of them count together. */
  readonly counts: Counts;
  /** Whether acknowledged messages survive the loss of the database's machine. */
  readonly standby: Standby;
  /** Runs work while no other server of the community does the same. */
  exclusively<Result>(work: () => Promise<Result>): Promise<Result>;
}

/**
 * @param options.fingerprint Of a community's key: a database without one becomes that community's. Unset: it has to be one.
 * @throws {UsageError} The URL is wrong, the database cannot be reached, or is no community's.
 */
export async function openOperatorStore(
  text: string,
  { now, fingerprint, ...options }: PostgresOptions & {
    readonly now?: () => number;
    readonly fingerprint?: string;
  } = {},
): Promise<ServerStore> {
  const url = parseDatabaseUrl(text);
  await withConnection(
    url,
    (connection) =>
      fingerprint === undefined ? checkSchema(connection) : migratePostgres(connection, { fingerprint }),
    options.orReadOnly,
  );
  return queuedStore(await openEngine(url, { deadlineMs: OPERATOR_DEADLINE_MS, ...options }), now);
}

/** Checks that a database is of the community with this key. @throws {UsageError} It is not, or cannot be reached. */
export async function checkCommunity(text: string, fingerprint: string): Promise<void> {
  await withConnection(parseDatabaseUrl(text), (connection) => checkSchema(connection, fingerprint));
}

/** Brings the database to the newest schema, and joins the community. @throws {UsageError} It cannot be joined. */
export async function openCommunity(text: string, options: CommunityOptions): Promise<Community> {
  const url = parseDatabaseUrl(text);
  const standby = await withConnection(url, async (connection) => {
    const standby = await standbyOf(connection);
    await migratePostgres(connection, options).catch((error) => {
      if (standby !== "missing" || error instanceof UsageError) throw error;
      throw new UsageError(
        "Cannot make tables in the database as it waits for a synchronous standby, and none follows it: start one, or " +
          "empty synchronous_standby_names",
        { cause: error },
      );
    });
    return standby;
  });

  await using opened = new AsyncDisposableStack();
  const { relayAddress, onAway: onLost, onBack, leaseTimes } = options;
  const cluster = opened.use(
    await openCluster(url, { version: VERSION, relayAddress, onLost, onBack, ...leaseTimes }),
  );
  const store = opened.use(queuedStore(await openEngine(url, options), options.now));
  const everything = opened.move();
  return {
    store,
    cluster,
    openChats: cluster.openChats,
    counts: cluster.counts,
    standby,
    exclusively: (work) => exclusively(url, work),
    [Symbol.asyncDispose]: () => everything.disposeAsync(),
  };
}

async function standbyOf(connection: Connection): Promise<Standby> {
  // Anybody may see that there are rows, though not what is in them.
  const [row] = await connection.rows<{ wanted: boolean; follows: boolean }>(
    "SELECT current_setting('synchronous_standby_names') <> '' wanted, EXISTS (SELECT FROM pg_stat_replication) follows",
  );
  if (!row?.wanted) return "none";
  return row.follows ? "follows" : "missing";
}

async function exclusively<Result>(url: DatabaseUrl, work: () => Promise<Result>): Promise<Result> {
  return await withConnection(url, async (connection) => {
    // Until the connection ends, and not in a transaction, which may not be idle for as long as the work may take.
    await connection.query({ sql: `SET lock_timeout = ${EXCLUSIVE_WAIT_MS}` });
    await connection.rows("SELECT pg_advisory_lock($1, $2)", [LOCK_FAMILY, SCHEMA_LOCK], EXCLUSIVE_WAIT_MS);
    return await work();
  });
}

async function withConnection<Result>(
  url: DatabaseUrl,
  work: (connection: Connection) => Promise<Result>,
  orReadOnly = false,
): Promise<Result> {
  const connection = await connect(url, { name: "schema", orReadOnly });
  try {
    return await work(connection);
  } finally {
    await connection.close();
  }
}
