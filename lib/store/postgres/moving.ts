// PostgreSQL's side of a move: one transaction, in which the lock of the schema keeps servers from starting.
import { messageOf, UsageError } from "../../errors.ts";
import { MOVED_TABLES, type MovedRow, type MovedTable, type MovingSide, selectFrom } from "../tables.ts";
import { connect, type Connection } from "./connection.ts";
import { sqlStateOf } from "./errors.ts";
import { type StoredText, storedText, wholeText } from "./hot/texts.ts";
import { IS_ALIVE } from "./lease.ts";
import { checkSchema, LOCK_FAMILY, migratePostgres, SCHEMA_LOCK } from "./migrations.ts";
import { type DatabaseUrl, describeDatabase, parseDatabaseUrl } from "./url.ts";

export interface PostgresSideOptions {
  readonly fingerprint: string; // of the community's key
  readonly isTarget: boolean;
}

/** For a page of rows, and for the commit of millions. */
const DEADLINE_MS = 10 * 60_000;

/** As source and target take turns, this one may be idle for long. */
const IDLE_TIMEOUT = "10min";

/** Whoever should write all the same has to wait. */
const NOBODY_WRITES = `LOCK TABLE ${MOVED_TABLES.map(({ name }) => name).join(", ")} IN EXCLUSIVE MODE`;

const LIVING = `SELECT count(*) AS count FROM servers s WHERE ${IS_ALIVE}`;

/** @throws {UsageError} The database cannot be used, or servers use it. */
export async function openPostgresSide(
  text: string,
  { fingerprint, isTarget }: PostgresSideOptions,
): Promise<MovingSide> {
  const url = parseDatabaseUrl(text);
  const connection = await connect(url, { name: "move" });
  try {
    if (isTarget) await migratePostgres(connection, { fingerprint });
    else await checkSource(connection, fingerprint);
    await begin(connection, url);
    return new PostgresSide(connection, url);
  } catch (error) {
    await connection.close();
    throw error;
  }
}

async function checkSource(connection: Connection, fingerprint: string): Promise<void> {
  await checkSchema(connection);
  const [community] = await connection.rows<{ fingerprint: string }>("SELECT fingerprint FROM community");
  if (community!.fingerprint === fingerprint) return;
  throw new UsageError(
    "Cannot move to a folder with another key than the community's: copy server.key and server.crt from one of its servers " +
      "into the folder, or callers would be warned",
  );
}

async function begin(connection: Connection, url: DatabaseUrl): Promise<void> {
  await connection.query({ sql: "BEGIN" });
  await connection.rows("SELECT set_config('idle_in_transaction_session_timeout', $1, true)", [IDLE_TIMEOUT]);
  await connection.rows("SELECT pg_advisory_xact_lock($1, $2)", [LOCK_FAMILY, SCHEMA_LOCK]);
  await connection.query({ sql: NOBODY_WRITES });
  const [living] = await connection.rows<{ count: number }>(LIVING);
  if (living!.count > 0) {
    throw new UsageError(
      `Cannot move while servers use ${
        describeDatabase(url)
      }: stop them first (one that was killed counts for 15 s more)`,
    );
  }
}

class PostgresSide implements MovingSide {
  readonly place: string;
  readonly #connection: Connection;

  constructor(connection: Connection, url: DatabaseUrl) {
    this.place = describeDatabase(url);
    this.#connection = connection;
  }

  async countRows({ name }: MovedTable): Promise<number> {
    const [row] = await this.#rows<{ count: number }>(`SELECT count(*) AS count FROM ${name}`);
    return row!.count;
  }

  async readPage(table: MovedTable, after: MovedRow | null, limit: number): Promise<MovedRow[]> {
    const key = table.key.join(", ");
    const where = after === null
      ? ""
      : `WHERE (${key}) > (${table.key.map((_, at) => `$${at + 2}`).join(", ")})`;
    const rows = await this.#rows<MovedRow>(
      `${selectFrom(table, { text: "text, nul_at" })} ${where} ORDER BY ${key} LIMIT $1`,
      [limit, ...after === null ? [] : table.key.map((column) => after[column])],
    );
    if (!table.columns.includes("text")) return rows;
    return rows.map((row) => ({ ...row, text: wholeText(row as unknown as StoredText) }));
  }

  async insert({ name, columns }: MovedTable, rows: readonly MovedRow[]): Promise<void> {
    const hasText = columns.includes("text");
    const names = [...columns, ...hasText ? ["nul_at"] : []].join(", ");
    const stored = hasText ? rows.map((row) => ({ ...row, ...storedText(row["text"] as string) })) : rows;
    await this.#rows(
      `INSERT INTO ${name} (${names}) SELECT ${names} FROM json_populate_recordset(NULL::${name}, $1)`,
      [JSON.stringify(stored)],
    );
  }

  async lastNumber(table: MovedTable): Promise<number> {
    const [row] = await this.#rows<{ last: number }>(
      `SELECT CASE WHEN is_called THEN last_value ELSE 0 END AS last FROM ${sequenceOf(table)}`,
    );
    return row!.last;
  }

  async setLastNumber(table: MovedTable, last: number): Promise<void> {
    await this.#rows("SELECT setval($1, greatest($2, 1), $2 > 0)", [sequenceOf(table), last]);
  }

  async commit(): Promise<void> {
    await this.#connection.commit([], DEADLINE_MS).catch((error) => this.#fail(error));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#connection.close();
  }

  #rows<Row>(sql: string, values: readonly unknown[] = []): Promise<Row[]> {
    return this.#connection.rows<Row>(sql, values, DEADLINE_MS).catch((error) => this.#fail(error));
  }

  /** In PostgreSQL's words, which name the disk that is full and the like. */
  #fail(error: unknown): never {
    if (sqlStateOf(error) === null) throw error;
    throw new UsageError(`Cannot move, as ${this.place} refuses: ${messageOf(error)}`, { cause: error });
  }
}

/** PostgreSQL's own name for the sequence of an identity column. */
function sequenceOf({ name, key }: MovedTable): string {
  return `${name}_${key[0]}_seq`;
}
