/**
 * A consistent copy of an open database.
 * @module
 */
import { backup, type DatabaseSync } from "node:sqlite";
import { ChatError, messageOf } from "../errors.ts";

/**
 * Copies a database into a new file, readable by its owner only, while it goes on being used.
 *
 * @param database The open connection.
 * @param path Where to; must not exist.
 * @throws {ChatError} `conflict` – the file exists; `unavailable` – it cannot be written.
 */
export async function backupDatabase(database: DatabaseSync, path: string): Promise<void> {
  try {
    (await Deno.open(path, { createNew: true, write: true, mode: 0o600 })).close();
  } catch (error) {
    if (error instanceof Deno.errors.AlreadyExists) {
      throw new ChatError("conflict", `Cannot write the backup as the file exists: ${path}`);
    }
    throw new ChatError("unavailable", `Cannot write the backup: ${messageOf(error)}`, { cause: error });
  }
  try {
    await backup(database, path);
  } catch (error) {
    await Deno.remove(path).catch(() => {});
    throw new ChatError("unavailable", `Cannot write the backup: ${messageOf(error)}`, { cause: error });
  }
}
