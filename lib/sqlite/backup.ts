import { backup, DatabaseSync } from "node:sqlite";
import { ChatError, messageOf } from "../errors.ts";

/** More pages than any file has: the copy is made in one step. In several, every commit meanwhile would start it anew. */
const ALL_PAGES = 2_000_000_000;

/**
 * Makes a consistent copy of a database in a new file, readable by its owner only. Others go on reading and writing meanwhile;
 * the calling thread does nothing else.
 * @throws {ChatError} `conflict` – the target exists; `unavailable` – it cannot be written.
 */
export async function backupFile(path: string, target: string): Promise<void> {
  try {
    (await Deno.open(target, { createNew: true, write: true, mode: 0o600 })).close();
  } catch (error) {
    if (error instanceof Deno.errors.AlreadyExists) {
      throw new ChatError("conflict", `Cannot write the backup as the file exists: ${target}`);
    }
    throw cannotWrite(error);
  }
  const source = new DatabaseSync(path, { readOnly: true });
  try {
    await backup(source, target, { rate: ALL_PAGES });
  } catch (error) {
    await Deno.remove(target).catch(() => {});
    throw cannotWrite(error);
  } finally {
    source.close();
  }
}

function cannotWrite(cause: unknown): ChatError {
  return new ChatError("unavailable", `Cannot write the backup: ${messageOf(cause)}`, { cause });
}
