// One connection to PostgreSQL: queries that leave at once and are answered in order, with a deadline on each.
// Three things about node-postgres 8.23 that shape this file: a client without an `error` listener ends the process when
// PostgreSQL does; a client whose `connect()` failed never answers; and a client that is cut off waits for ever.
// @ts-types="./driver/pg.d.ts"
import pg from "pg";
// @ts-types="./driver/pg.d.ts"
import type { Client, QueryConfig, QueryResult } from "pg";
import { messageOf, UsageError } from "../../errors.ts";
import { within } from "../../waiting.ts";
import { connectionLost, outcomeUnknown, READ_ONLY, sqlStateOf } from "./errors.ts";
import { type DatabaseHost, type DatabaseUrl, describeDatabase } from "./url.ts";

/** A query and its values in order; `wanted` as in `verbs/steps.ts`, rows by default. */
export interface Query {
  readonly sql: string;
  readonly values?: readonly unknown[];
  readonly wanted?: "rows" | "changes";
}

export interface ConnectOptions {
  readonly name: string; // what it is for, as an operator sees it in `pg_stat_activity`
  /** Whether a COMMIT may be confirmed before it is on the disk. False by default, whatever the database's own setting. */
  readonly loseable?: boolean;
  readonly deadlineMs?: number; // for an answer; ANSWER_DEADLINE_MS by default
  readonly orReadOnly?: boolean; // whether a host that takes no writes will do where there is no other; false by default
}

/** A host that could be reached, and takes no writes. */
class TakesNoWrites extends Error {}

/** How long a host may take to be connected, signed in and asked whether it takes writes. */
const CONNECT_DEADLINE_MS = 3_000;

/** How long an answer may take; more than a lock may (below), so that PostgreSQL itself gives up first. */
const ANSWER_DEADLINE_MS = 10_000;

/** How long a goodbye may take. */
const GOODBYE_MS = 1_000;

/** A connection without traffic is asked about by TCP after this time, so that no router forgets it. */
const KEEP_ALIVE_MS = 10_000;

/** Settings of each session; each may be set by any user. */
const SETTINGS: Readonly<Record<string, string>> = {
  lock_timeout: "5s",
  idle_in_transaction_session_timeout: "3s", // a server that is frozen or cut off must not hold mailboxes
  // Sessions of a server that is cut off end soon after this time: for the locks they hold, and the news they never fetch.
  tcp_user_timeout: "10s",
  tcp_keepalives_idle: "5",
  tcp_keepalives_interval: "3",
  // Cancelling a COMMIT that waits for a standby would report success although only the primary has it.
  statement_timeout: "0",
  default_transaction_isolation: "read committed", // each statement must see what was committed while it waited for a lock
  client_min_messages: "warning", // see #warned
  jit: "off", // compiling costs more than any query here
};

// A statement is prepared under a name once for each connection. All queries are built once, so there are few texts.
const names = new Map<string, string>();
const MAX_NAMES = 1_000;

const INT8 = 20, INT8_ARRAY = 1016, NUMERIC = 1700, INT4_ARRAY = 1007;

/**
 * Connects to the host that takes writes. All are asked at once, as one that is cut off would cost its whole deadline.
 * @throws {UsageError} There is none that can be reached and lets this user in.
 */
export async function connect(
  url: DatabaseUrl,
  { orReadOnly = false, ...options }: ConnectOptions,
): Promise<Connection> {
  try {
    return await connectToFirst(url, options);
  } catch (error) {
    if (!orReadOnly || !saysReadOnly(error as UsageError)) throw error;
    return await connectToFirst(url, { ...options, orReadOnly });
  }
}

async function connectToFirst(url: DatabaseUrl, options: ConnectOptions): Promise<Connection> {
  const attempts = url.hosts.map((host) => connectTo(url, host, options));
  try {
    const connection = await Promise.any(attempts);
    for (const attempt of attempts) {
      attempt.then((other) => other === connection ? undefined : other.close(), () => {});
    }
    return connection;
  } catch (error) {
    throw new UsageError(`Cannot open the database ${describeDatabase(url)}: ${reasonOf(error)}`, {
      cause: error,
    });
  }
}

function saysReadOnly({ cause }: { readonly cause?: unknown }): boolean {
  return cause instanceof AggregateError && cause.errors.some((error) => error instanceof TakesNoWrites);
}

/** An aggregate: one error for each host, and in it one for each address of its name. */
function reasonOf(error: unknown): string {
  if (error instanceof AggregateError) return error.errors.map(reasonOf).join("; ");
  return messageOf(error).replace(/^.*client password must be.*$/, "it asks for a password");
}

async function connectTo(
  url: DatabaseUrl,
  { host, port }: DatabaseHost,
  options: ConnectOptions,
): Promise<Connection> {
  const { user, database, password, tls } = url;
  const rootPath = tls?.rootCertificatePath ?? null;
  const ca = rootPath === null ? {} : { ca: await Deno.readTextFile(rootPath) };
  const client = new pg.Client({
    ...{ host, port, user, database, password: () => password },
    ssl: tls === null ? false : { rejectUnauthorized: true, ...ca },
    connectionTimeoutMillis: CONNECT_DEADLINE_MS,
    keepAlive: true,
    keepAliveInitialDelayMillis: KEEP_ALIVE_MS,
    pipeline: true,
  });
  client.on("error", () => {}); // before anything else
  let isConnected = false;
  try {
    isConnected = await within(CONNECT_DEADLINE_MS, client.connect().then(() => true)) ?? false;
    if (!isConnected) throw new Error(`no answer within ${CONNECT_DEADLINE_MS} ms`);
    const connection = new Connection(client, options.deadlineMs ?? ANSWER_DEADLINE_MS);
    await connection.prepareSession(options);
    return connection;
  } catch (error) {
    client.connection.stream.destroy();
    throw error;
  }
}

/** Made by {@linkcode connect}. Queries may be made without waiting for those before them. */
export class Connection {
  readonly #client: Client;
  readonly #deadlineMs: number;
  readonly #lost = Promise.withResolvers<unknown>();
  #cause: unknown = undefined; // why it was lost
  #isLost = false;
  readonly #waiting = new Set<(cause: unknown) => void>(); // calls without an answer
  #inTransaction = false;
  #warned = false; // PostgreSQL has warned since this was last set
  readonly #listeners = new Map<string, (payload: string) => void>();

  constructor(client: Client, deadlineMs: number) {
    this.#client = client;
    this.#deadlineMs = deadlineMs;
    client.on("error", (error) => this.#lose(error));
    client.on("end", () => this.#lose(new Error("the connection has ended")));
    client.on("notice", () => this.#warned = true);
    client.on("notification", ({ channel, payload }) => this.#listeners.get(channel)?.(payload));
    client.setTypeParser(INT8, Number);
    client.setTypeParser(NUMERIC, Number); // a sum of int8
    client.setTypeParser(INT8_ARRAY, client.getTypeParser(INT4_ARRAY));
  }

  /** Resolves with the reason once the connection can no longer be used. */
  get lost(): Promise<unknown> {
    return this.#lost.promise;
  }

  get isLost(): boolean {
    return this.#isLost;
  }

  /**
   * Rows, or how many were changed.
   * @throws {ChatError} `unavailable`: the connection was lost, or the deadline has passed, after which it is lost too.
   * @throws PostgreSQL's error, see `errors.ts`; the connection can still be used.
   */
  async query(query: Query, deadlineMs = this.#deadlineMs): Promise<unknown> {
    return answerTo(query, await this.#send(query, deadlineMs));
  }

  async rows<Row>(
    sql: string,
    values: readonly unknown[] = [],
    deadlineMs = this.#deadlineMs,
  ): Promise<Row[]> {
    return (await this.#send({ sql, values }, deadlineMs)).rows as Row[];
  }

  /** How many rows were changed. */
  async changes(
    sql: string,
    values: readonly unknown[] = [],
    deadlineMs = this.#deadlineMs,
  ): Promise<number> {
    return (await this.#send({ sql, values }, deadlineMs)).rowCount ?? 0;
  }

  /** Several statements in one round trip; their answers in order. If some fail, the first failure is thrown. */
  pipeline(queries: readonly Query[], deadlineMs = this.#deadlineMs): Promise<unknown[]> {
    return allInOrder(queries.map((query) => this.query(query, deadlineMs)));
  }

  /**
   * Runs `body` in a transaction, and returns once PostgreSQL has confirmed the COMMIT. BEGIN travels with the first query of
   * the body; the body may end with {@linkcode commit}, whose queries travel with the COMMIT.
   * @throws {OutcomeUnknown} The connection was lost while the COMMIT was on its way.
   */
  async transaction<Result>(body: () => Promise<Result>): Promise<Result> {
    const begun = this.#send({ sql: "BEGIN" });
    begun.catch(() => {}); // the body's queries fail as well
    this.#inTransaction = true;
    try {
      const result = await body();
      if (this.#inTransaction) await this.commit();
      return result;
    } catch (error) {
      if (this.#inTransaction && !this.#isLost) await this.#rollBack();
      throw error;
    } finally {
      this.#inTransaction = false;
    }
  }

  /** Last queries of a transaction and its COMMIT in one round trip. If one of them fails, nothing is stored. */
  async commit(last: readonly Query[] = [], deadlineMs = this.#deadlineMs): Promise<unknown[]> {
    this.#inTransaction = false;
    this.#warned = false;
    const answers = this.pipeline(last, deadlineMs);
    answers.catch(() => {}); // looked at below
    let command: string;
    try {
      ({ command } = await this.#send({ sql: "COMMIT" }, deadlineMs));
    } catch (error) {
      throw this.#isLost ? outcomeUnknown(error) : error;
    }
    // "canceling wait for synchronous replication": it is on the primary's disk alone, whatever the command's tag says.
    if (this.#warned) throw outcomeUnknown(new Error("PostgreSQL warned while it committed"));
    const results = await answers;
    if (command !== "COMMIT") throw new Error(`PostgreSQL answered ${command} to COMMIT`);
    return results;
  }

  /** From now on, what is notified on this channel comes to `hear`. */
  async listen(channel: string, hear: (payload: string) => void): Promise<void> {
    this.#listeners.set(channel, hear);
    await this.#send({ sql: `LISTEN "${channel}"` });
  }

  /** Says goodbye. What waits for an answer fails. */
  async close(): Promise<void> {
    const goodbye = this.#isLost ? Promise.resolve() : this.#client.end();
    this.#lose(new Error("the connection was closed"), true);
    await within(GOODBYE_MS, goodbye.catch(() => {}));
    this.#client.connection.stream.destroy();
  }

  /** For {@linkcode connect}: settings, in the round trip that asks whether this host takes writes. */
  async prepareSession({ name, loseable = false, orReadOnly = false }: ConnectOptions): Promise<void> {
    const settings = { ...SETTINGS, application_name: `mini-chat ${name}` };
    const calls = Object.entries(settings).map(([key, value]) => `set_config('${key}', '${value}', false)`);
    const commits = loseable ? "'off'" : "replace(current_setting('synchronous_commit'), 'off', 'on')";
    const [row] = await this.rows<{ recovering: boolean; guarded: string }>(
      `SELECT pg_is_in_recovery() recovering, current_setting('default_transaction_read_only') guarded, set_config('synchronous_commit', ${commits}, false), ${
        calls.join(", ")
      }`,
      [],
      CONNECT_DEADLINE_MS,
    );
    if (orReadOnly) return;
    if (row?.recovering) throw new TakesNoWrites("it is a standby, which takes no writes");
    if (row?.guarded === "on") {
      throw new TakesNoWrites(
        "it takes no writes, as default_transaction_read_only is on: its disk may be full",
      );
    }
  }

  async #rollBack(): Promise<void> {
    try {
      await this.#send({ sql: "ROLLBACK" });
    } catch (error) {
      this.#lose(error);
    }
  }

  #send({ sql, values = [] }: Query, deadlineMs = this.#deadlineMs): Promise<QueryResult> {
    if (this.#isLost) return Promise.reject(connectionLost(this.#cause));
    const { promise, resolve, reject } = Promise.withResolvers<QueryResult>();
    const timer = setTimeout(() => this.#lose(new Error(`no answer within ${deadlineMs} ms`)), deadlineMs);
    const fail = (cause: unknown) => {
      settle();
      reject(connectionLost(cause));
    };
    const settle = () => {
      clearTimeout(timer);
      this.#waiting.delete(fail);
    };
    this.#waiting.add(fail);
    this.#client.query(configOf(sql, values), (error, result) => {
      if (!this.#waiting.has(fail)) return;
      if (error && isEnd(error)) return this.#lose(error);
      settle();
      if (error) reject(error);
      else resolve(result);
    });
    return promise;
  }

  #lose(cause: unknown, isPolite = false): void {
    if (this.#isLost) return;
    this.#isLost = true;
    this.#cause = cause;
    if (!isPolite) this.#client.connection.stream.destroy();
    for (const fail of this.#waiting) fail(cause);
    this.#lost.resolve(cause);
  }
}

function answerTo({ wanted }: Query, { rows, rowCount }: QueryResult): unknown {
  return wanted === "changes" ? rowCount ?? 0 : rows;
}

/** Everything in order once all have settled; the first failure. */
async function allInOrder(answers: readonly Promise<unknown>[]): Promise<unknown[]> {
  const outcomes = await Promise.allSettled(answers);
  return outcomes.map((outcome) => {
    if (outcome.status === "rejected") throw outcome.reason;
    return outcome.value;
  });
}

/** Without values a text may be of several statements, which cannot be prepared. */
function configOf(sql: string, values: readonly unknown[]): QueryConfig {
  if (values.length === 0) return { text: sql };
  const name = nameOf(sql);
  return { text: sql, values: [...values], ...(name === undefined ? {} : { name }) };
}

function nameOf(sql: string): string | undefined {
  const known = names.get(sql);
  if (known !== undefined || names.size >= MAX_NAMES) return known;
  const name = `q${names.size + 1}`;
  names.set(sql, name);
  return name;
}

const IDLE_TOO_LONG = "25P03";
/** Whether PostgreSQL ends the connection with this error, or it is the driver's own, after which nothing is sure. */
function isEnd(error: Error): boolean {
  const state = sqlStateOf(error);
  return state === null || state.startsWith("57P") || state === IDLE_TOO_LONG || state === READ_ONLY; // PostgreSQL itself would go on; but the primary may be another one now
}
