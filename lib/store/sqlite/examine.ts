// A look at a server's database file that changes nothing in it, and waits for nobody.
import { fileProblems } from "../../sqlite/file_check.ts";
import { inspectDatabase } from "../../sqlite/backup.ts";
import { schemaVersion } from "../../sqlite/migrations.ts";
import { SERVER_MIGRATIONS } from "./migrations.ts";

/** How a database file was found. */
export interface DatabaseFile {
  /** Version of its schema. */
  readonly schema: number;
  /** Version that this program makes. */
  readonly knownSchema: number;
  /** What is wrong with it, in words; empty when it is not damaged. */
  readonly problems: readonly string[];
  /** When its newest message was stored; null when there is none, or it cannot be known. */
  readonly newestStoredAt: number | null;
}

/** @throws {UsageError} It cannot be read, or is no database. */
export async function examineFile(path: string): Promise<DatabaseFile> {
  // While somebody has it open, and after a crash, its log lies beside it; after a clean stop it does not.
  const isShut = await Deno.stat(`${path}-wal`).then(() => false, () => true);
  return inspectDatabase(path, (database) => {
    const schema = schemaVersion(database);
    const problems = fileProblems(database);
    const newest = schema > 0 && problems.length === 0
      ? database.prepare("SELECT stored_at FROM messages ORDER BY sequence DESC LIMIT 1").get()
      : undefined;
    const newestStoredAt = newest === undefined ? null : Number(newest["stored_at"]);
    return { schema, knownSchema: SERVER_MIGRATIONS.length, problems, newestStoredAt };
  }, isShut);
}
