// A quick look into a database file that other programs may be using: for a Tab at the shell, which nothing may wait for.
import { DatabaseSync, type SQLInputValue } from "node:sqlite";

/** The writer holds the file for a few milliseconds at most; a look does without an answer then. */
const BUSY_TIMEOUT_MS = 20;

/**
 * Runs a query on a file as it is: nothing is made and no schema changed.
 * @returns Its rows; none where there is no such file, it may not be read, or its schema is another one.
 */
export function readRows<Row>(path: string, sql: string, ...values: SQLInputValue[]): Row[] {
  try {
    using database = new DatabaseSync(path, { readOnly: true, timeout: BUSY_TIMEOUT_MS });
    return database.prepare(sql).all(...values) as Row[];
  } catch {
    return [];
  }
}
