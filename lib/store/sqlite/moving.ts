// SQLite's side of a move. It holds the write lock all the while, as source and as target.
import { Database } from "../../sqlite/database.ts";
import { type MovedRow, type MovedTable, type MovingSide, selectFrom } from "../tables.ts";
import type { ServerTables } from "../verbs/schema.ts";
import { SERVER_MIGRATIONS } from "./migrations.ts";

// `node:sqlite` ends a text at its first NUL (see `whole_text.ts`).
const AS_BYTES = { text: "CAST(text AS BLOB) AS text" };

const LAST_NUMBER = "SELECT seq FROM sqlite_sequence WHERE name = ?";
const FORGET_NUMBER = "DELETE FROM sqlite_sequence WHERE name = ?";
const SET_NUMBER = "INSERT INTO sqlite_sequence (name, seq) VALUES (?, ?)";

export function openSqliteSide(path: string): MovingSide {
  return new SqliteSide(path);
}

class SqliteSide implements MovingSide {
  readonly place: string;
  readonly #database: Database<ServerTables>;
  readonly #decoder = new TextDecoder("utf-8", { ignoreBOM: true });

  constructor(path: string) {
    this.place = path;
    this.#database = new Database<ServerTables>(path, SERVER_MIGRATIONS);
    this.#database.begin("write");
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
    for (const row of rows) this.#database.execute(insert, columns.map((column) => row[column]), "changes");
    return Promise.resolve();
  }

  lastNumber({ name }: MovedTable): Promise<number> {
    return Promise.resolve(this.#rows<{ seq: number }>(LAST_NUMBER, [name])[0]?.seq ?? 0);
  }

  setLastNumber({ name }: MovedTable, last: number): Promise<void> {
    this.#database.execute(FORGET_NUMBER, [name], "changes");
    this.#database.execute(SET_NUMBER, [name, last], "changes");
    return Promise.resolve();
  }

  commit(): Promise<void> {
    this.#database.commit();
    return Promise.resolve();
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#database.rollback();
    this.#database[Symbol.dispose]();
    return Promise.resolve();
  }

  #rows<Row>(sql: string, values: readonly unknown[] = []): Row[] {
    return this.#database.execute(sql, values, "rows") as Row[];
  }
}
