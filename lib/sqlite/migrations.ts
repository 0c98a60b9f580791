// Brings a database file to the schema of this program.
// A list of migrations only ever grows at its end: the number of those that have run is the file's `user_version`. Each
// runs in a transaction of its own, so a program killed in the middle leaves the schema before or after, never between.
import type { DatabaseSync } from "node:sqlite";
import { UsageError } from "../errors.ts";

export interface Migration {
  readonly title: string; // for the reader
  readonly sql: string; // statements, each ended by a semicolon; never changed once released
}

/**
 * Runs the migrations that a file has not had yet. Several processes may do so at once: one of them does the work.
 * @throws {UsageError} The file was written by a newer program.
 */
export function migrate(database: DatabaseSync, migrations: readonly Migration[]): void {
  if (schemaVersion(database) === migrations.length) return;
  for (const [index, migration] of migrations.entries()) {
    if (schemaVersion(database) > index) continue;
    database.exec("BEGIN IMMEDIATE");
    try {
      // Another process may have done it while this one waited for the lock.
      if (schemaVersion(database) === index) {
        database.exec(migration.sql);
        database.exec(`PRAGMA user_version = ${index + 1}`);
      }
      database.exec("COMMIT");
    } catch (error) {
      if (database.isTransaction) database.exec("ROLLBACK");
      throw error;
    }
  }
  const version = schemaVersion(database);
  if (version > migrations.length) {
    throw new UsageError(
      `Cannot open the database, as a newer version of Mini-Chat wrote it: its schema is ${version}, ` +
        `this program knows 1 to ${migrations.length}; please update`,
    );
  }
}

export function schemaVersion(database: DatabaseSync): number {
  return Number(database.prepare("PRAGMA user_version").get()?.["user_version"] ?? 0);
}
