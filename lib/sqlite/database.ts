/**
 * One connection to one SQLite file: opened safely, migrated, with queries built by Kysely and run at once.
 *
 * Queries run synchronously: SQLite is a library, not a server, so there is nothing to wait for. It also means that
 * nothing can come between two statements of a transaction, and it saves 3 µs a query (measured: Kysely's promises against a
 * 9 µs insert). Knows no table and no verb.
 * @module
 */
import { DatabaseSync, type SQLInputValue, type StatementSync } from "node:sqlite";
import { type Compilable, type Generated, Kysely, SqliteDialect } from "kysely";
import { Prepared } from "../sql/prepared.ts";
import { migrate, type Migration } from "./migrations.ts";
import { OpenFiles } from "./open_files.ts";
import { fileErrorFrom } from "./sqlite_errors.ts";
import { StatementCache } from "./statement_cache.ts";

/** How long a statement waits for another process's transaction. The longest of ours takes well under a second. */
const BUSY_TIMEOUT_MS = 5_000;

/** Pages in the write-ahead log before they are copied into the file: 16 MiB. A page changed often is copied once. */
const CHECKPOINT_PAGES = 4_000;

/** Size to which the log is cut back after a burst. */
const LOG_BYTES = 64 * 1024 * 1024;

/** Most memory for pages of the file. */
const CACHE_KIB = 32 * 1024;

/** A table of which some columns may be left out of an insert. */
export type WithDefaults<Table, Columns extends keyof Table> = {
  [Column in keyof Table]: Column extends Columns ? Generated<Table[Column]> : Table[Column];
};

/** A query that was compiled once and runs many times with other values. */
export interface PreparedQuery<Parameters, Row> {
  /** Runs it; the first row, or undefined. */
  get(parameters: Parameters): Row | undefined;
  /** Runs it; all rows. */
  all(parameters: Parameters): Row[];
  /** Runs it; rows one by one. Stop early by leaving the loop. */
  iterate(parameters: Parameters): IterableIterator<Row>;
  /** Runs it; how many rows it changed, and the id of the last row inserted. */
  run(parameters: Parameters): { readonly changes: number; readonly rowId: number };
}

/** Kysely builds and compiles queries; it runs none. */
const COMPILER = new SqliteDialect({
  database: () => Promise.reject(new TypeError("Kysely runs no queries")),
});

/** An open database file with the tables `Tables`. */
export class Database<Tables> implements Disposable {
  /** Where queries are built. */
  readonly tables: Kysely<Tables> = new Kysely<Tables>({ dialect: COMPILER });
  /** The connection itself, for the few things that Kysely has no word for. */
  readonly connection: DatabaseSync;
  readonly #files: OpenFiles;
  readonly #statements: StatementCache;
  readonly #describe: (error: unknown) => unknown;

  /**
   * Opens a file, makes it if there is none (readable by its owner only), and brings it to the newest schema.
   * @param path The file; its folder must exist.
   * @param migrations Every migration of this kind of file, oldest first.
   * @param options.describe Says what the failure of a query means; what it returns is thrown. Without it, SQLite's own error is.
   * @throws {UsageError} A newer program wrote the file, it is damaged, or it may not be written.
   * @throws {ChatError} `unavailable` – the disk is full, or another program holds the file.
   */
  constructor(
    path: string,
    migrations: readonly Migration[],
    options: { readonly describe?: (error: unknown) => unknown } = {},
  ) {
    try {
      makePrivateFile(path);
      [this.connection, this.#files] = openConnection(path, migrations);
    } catch (error) {
      throw fileErrorFrom(error, path);
    }
    this.#statements = new StatementCache(this.connection);
    this.#describe = options.describe ?? ((error) => error);
  }

  /**
   * Compiles a query once.
   * @param build Gets one stand-in for each parameter, to be used where its value would be.
   * @example `prepare((p: { name: string }) => tables.selectFrom("accounts").where("name", "=", p.name).select("id"))`
   */
  prepare<Parameters extends object, Row>(
    build: (parameters: Parameters) => Compilable<Row>,
  ): PreparedQuery<Parameters, Row> {
    const query = new Prepared(build);
    return this.#prepare(query.sql, (values) => query.bind(values));
  }

  #prepare<Parameters extends object, Row>(
    sql: string,
    valuesOf: (parameters: Parameters) => readonly unknown[],
  ): PreparedQuery<Parameters, Row> {
    const describe = this.#describe;
    let kept: StatementSync | undefined;
    const statement = () => kept ??= this.#statements.prepare(sql);
    const bind = valuesOf as (parameters: Parameters) => SQLInputValue[];
    const attempt = <Result>(body: () => Result): Result => {
      try {
        return body();
      } catch (error) {
        throw describe(error);
      }
    };
    return {
      get: (values) => attempt(() => statement().get(...bind(values))) as Row | undefined,
      all: (values) => attempt(() => statement().all(...bind(values))) as Row[],
      *iterate(values) {
        try {
          yield* statement().iterate(...bind(values)) as IterableIterator<Row>;
        } catch (error) {
          throw describe(error);
        }
      },
      run: (values) => {
        const result = attempt(() => statement().run(...bind(values)));
        return { changes: Number(result.changes), rowId: Number(result.lastInsertRowid) };
      },
    };
  }

  /** Runs a statement that was compiled elsewhere: its rows, or how many it changed. */
  execute(sql: string, values: readonly unknown[], wanted: "rows" | "changes"): unknown[] | number {
    const query = this.#prepare<object, unknown>(sql, () => values);
    return wanted === "rows" ? query.all({}) : query.run({}).changes;
  }

  /** Runs a query once and gives its rows. */
  all<Row>(query: Compilable<Row>): Row[] {
    return this.#once<Row>(query).all({});
  }

  /** Runs a query once and gives its first row. */
  get<Row>(query: Compilable<Row>): Row | undefined {
    return this.#once<Row>(query).get({});
  }

  /** Runs a query once; how many rows it changed. */
  run(query: Compilable<unknown>): number {
    return this.#once(query).run({}).changes;
  }

  #once<Row>(query: Compilable<Row>): PreparedQuery<object, Row> {
    const { sql, parameters } = query.compile();
    return this.#prepare(sql, () => parameters);
  }

  /**
   * Opens a transaction.
   * @param mode `read` sees one state throughout; `write` also holds the write lock from the start, so what was checked in it
   * stays true until it ends.
   */
  begin(mode: "read" | "write"): void {
    this.#say(mode === "write" ? "BEGIN IMMEDIATE" : "BEGIN").run({});
  }

  /** Makes the transaction last: with `synchronous=FULL`, it is on disk when this returns. */
  commit(): void {
    this.#say("COMMIT").run({});
  }

  /** Undoes the transaction, if SQLite has not already done so itself. */
  rollback(): void {
    if (this.connection.isTransaction) this.#say("ROLLBACK").run({});
  }

  /** Runs `body` in a write transaction; undone if it throws. */
  transaction<Result>(body: () => Result): Result {
    this.begin("write");
    try {
      const result = body();
      this.commit();
      return result;
    } catch (error) {
      this.rollback();
      throw error;
    }
  }

  /** Path of a file of the database whose name leads to it no more: what is committed now is lost with the process. Else null. */
  displacedFile(): string | null {
    return this.#files.displaced();
  }

  /** A number that changes when another connection has changed the file. */
  dataVersion(): number {
    return this.#say<{ data_version: number }>("PRAGMA data_version").get({})!.data_version;
  }

  /** Rows that this connection has changed since it was opened. */
  changes(): number {
    return this.#say<{ changes: number }>("SELECT total_changes() AS changes").get({})!.changes;
  }

  #say<Row>(sql: string): PreparedQuery<object, Row> {
    return this.#prepare(sql, () => []);
  }

  /** Closes the file. */
  [Symbol.dispose](): void {
    this.#statements.clear();
    if (this.connection.isOpen) this.connection.close();
  }
}

/**
 * SQLite gives its log and lock files the mode of the database, so it has to be right before they exist. A file that is there is not
 * opened: with a descriptor of it that is closed, POSIX takes away every lock that this process has on it, those of other connections
 * too, and the next program that closes the database takes itself for the last one and removes the log under them.
 */
function makePrivateFile(path: string): void {
  if (path === ":memory:") return;
  try {
    Deno.openSync(path, { createNew: true, write: true, mode: 0o600 }).close();
  } catch (error) {
    if (!(error instanceof Deno.errors.AlreadyExists)) throw error;
  }
}

function openConnection(path: string, migrations: readonly Migration[]): [DatabaseSync, OpenFiles] {
  const connection = new DatabaseSync(path);
  try {
    setPragmas(connection);
    migrate(connection, migrations);
    return [connection, new OpenFiles(path)];
  } catch (error) {
    connection.close();
    throw error;
  }
}

function setPragmas(connection: DatabaseSync): void {
  // First of all: everything after it may have to wait for another process.
  connection.exec(`PRAGMA busy_timeout = ${BUSY_TIMEOUT_MS}`);
  // Readers never wait for the writer, and a commit is one write and one fsync.
  connection.exec("PRAGMA journal_mode = WAL");
  // NORMAL would lose the last commits at a power cut; an acknowledged message must survive it.
  connection.exec("PRAGMA synchronous = FULL");
  // On macOS, fsync leaves data in the drive's own memory; this asks for more, elsewhere it does nothing.
  connection.exec("PRAGMA fullfsync = ON");
  connection.exec("PRAGMA foreign_keys = ON");
  // What was deleted is overwritten. FAST would leave nearly all of it in the file.
  connection.exec("PRAGMA secure_delete = ON");
  connection.exec(`PRAGMA wal_autocheckpoint = ${CHECKPOINT_PAGES}`);
  connection.exec(`PRAGMA journal_size_limit = ${LOG_BYTES}`);
  connection.exec(`PRAGMA cache_size = -${CACHE_KIB}`);
  connection.exec("PRAGMA temp_store = MEMORY");
  // The schema may not call functions that could do harm if somebody else wrote the file.
  connection.exec("PRAGMA trusted_schema = OFF");
}
