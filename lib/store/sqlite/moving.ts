// SQLite's side of a move. It holds the write lock all the while, as source and as target. A target is a new file, which takes its
// name in one step: a kill leaves none that a server would take for a community without people.
import { Database } from "../../sqlite/database.ts";
import { fileErrorFrom } from "../../sqlite/sqlite_errors.ts";
import { renameAndSync } from "../../sync_folder.ts";
import {
  type MovedRow,
  type MovedTable,
  type MovingSide,
  refuseFilled,
  selectFrom,
  unfinishedMove,
} from "../tables.ts";
import type { ServerTables } from "../verbs/schema.ts";
import { SERVER_MIGRATIONS } from "./migrations.ts";

// `node:sqlite` ends a text at its first NUL (see `whole_text.ts`).
const AS_BYTES = { text: "CAST(text AS BLOB) AS text" };

const OF_LOG = ["-wal", "-shm"];

const LAST_NUMBER = "SELECT seq FROM sqlite_sequence WHERE name = ?";
const FORGET_NUMBER = "DELETE FROM sqlite_sequence WHERE name = ?";
const SET_NUMBER = "INSERT INTO sqlite_sequence (name, seq) VALUES (?, ?)";

export async function openSqliteSide(
  path: string,
  { isTarget }: { readonly isTarget: boolean },
): Promise<MovingSide> {
  if (!isTarget) return new SqliteSide(path);
  if (await isThere(path)) {
    await using there = new SqliteSide(path);
    await refuseFilled(there);
  }
  return await SqliteTarget.open(path);
}

class SqliteSide implements MovingSide {
  readonly place: string;
  readonly database: Database<ServerTables>;
  readonly #decoder = new TextDecoder("utf-8", { ignoreBOM: true });

  /** @param path Its file, which may have another name than `place`. */
  constructor(place: string, path: string = place) {
    this.place = place;
    const describe = (error: unknown) => fileErrorFrom(error, path);
    this.database = new Database<ServerTables>(path, SERVER_MIGRATIONS, { describe });
    // One transaction of everything in a log would take the disk's room twice.
    if (path !== place) this.database.connection.exec("PRAGMA journal_mode = DELETE");
    this.database.begin("write");
  }

  countRows({ name }: MovedTable): Promise<number> {
    const [row] = this.#rows<{ count: number }>(`SELECT count(*) AS count FROM ${name}`);
    return Promise.resolve(row!.count);
  }

  readPage(table: MovedTable, after: MovedRow | null, limit: number): Promise<MovedRow[]> {
    const key = table.key.join(", ");
    const where = after === null ? "" : `WHERE (${key}) > (${table.key.map(() => "?").join(", ")})`;
    const rows = this.#rows<Record<string, string | number | null | Uint8Array>>(
      `${selectFrom(table, AS_BYTES)} ${where} ORDER BY ${key} LIMIT ?`,
      [...after === null ? [] : table.key.map((column) => after[column]), limit],
    );
    for (const row of rows) {
      if (row["text"] instanceof Uint8Array) row["text"] = this.#decoder.decode(row["text"]);
    }
    return Promise.resolve(rows as MovedRow[]);
  }

  insert({ name, columns }: MovedTable, rows: readonly MovedRow[]): Promise<void> {
    const places = columns.map(() => "?").join(", ");
    const insert = `INSERT INTO ${name} (${columns.join(", ")}) VALUES (${places})`;
    for (const row of rows) this.database.execute(insert, columns.map((column) => row[column]), "changes");
    return Promise.resolve();
  }

  lastNumber({ name }: MovedTable): Promise<number> {
    return Promise.resolve(this.#rows<{ seq: number }>(LAST_NUMBER, [name])[0]?.seq ?? 0);
  }

  setLastNumber({ name }: MovedTable, last: number): Promise<void> {
    this.database.execute(FORGET_NUMBER, [name], "changes");
    this.database.execute(SET_NUMBER, [name, last], "changes");
    return Promise.resolve();
  }

  commit(): Promise<void> {
    this.database.commit();
    return Promise.resolve();
  }

  [Symbol.asyncDispose](): Promise<void> {
    if (this.database.connection.isOpen) this.database.rollback();
    this.database[Symbol.dispose]();
    return Promise.resolve();
  }

  #rows<Row>(sql: string, values: readonly unknown[] = []): Row[] {
    return this.database.execute(sql, values, "rows") as Row[];
  }
}

class SqliteTarget extends SqliteSide {
  /** Takes away what a move that was killed has left. */
  static async open(path: string): Promise<SqliteTarget> {
    await removeAll(unfinishedMove(path), ["", "-journal", ...OF_LOG]);
    return new SqliteTarget(path, unfinishedMove(path));
  }

  override async commit(): Promise<void> {
    await super.commit();
    this.database[Symbol.dispose]();
    // The log of one database in another would damage that.
    await removeAll(this.place, OF_LOG);
    await renameAndSync(unfinishedMove(this.place), this.place);
  }

  override async [Symbol.asyncDispose](): Promise<void> {
    await super[Symbol.asyncDispose]();
    await removeAll(unfinishedMove(this.place), ["", "-journal", ...OF_LOG]);
  }
}

async function removeAll(path: string, endings: readonly string[]): Promise<void> {
  for (const ending of endings) {
    if (await isThere(path + ending)) await Deno.remove(path + ending);
  }
}

async function isThere(path: string): Promise<boolean> {
  return await Deno.lstat(path).then(() => true, () => false);
}
