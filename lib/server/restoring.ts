// A restore in a data folder, so that a kill at any moment leaves either the old files or the new ones, never some of each.
// The new files are made in a folder of their own. Giving that folder its final name is the decision: from then on whoever takes
// the data folder next, be it a server that starts, brings the restore to its end before anything else.
import { dirname, join } from "node:path";
import { CERTIFICATE_FILE, KEY_FILE } from "../net/identity.ts";
import { renameAndSync, syncFolder } from "../sync_folder.ts";
import { ChatError, messageOf, UsageError } from "../errors.ts";
import { DATABASE_FILE, type DataPaths, isThere } from "./data_folder.ts";

/** Where the new files are in the folder of a restore; the old ones come to lie beside this. */
const NEW_FILES = "new";

/** A database's log and its index belong to it, and go first: the log of one database in another would damage that. */
const OF_DATABASE = [`${DATABASE_FILE}-wal`, `${DATABASE_FILE}-shm`, DATABASE_FILE];

/** A date in UTC as a file name may hold it, such as `2026-11-25T19-00-00.000Z`. */
export function fileStamp(date: Date): string {
  return date.toISOString().replaceAll(":", "-");
}

/**
 * Makes the new files of a restore, and decides for them; the data folder has to be locked. What fails changes nothing.
 * @param make Writes `mini-chat.db`, and key and certificate if they are to be replaced, to an empty folder.
 * @throws {ChatError} `unavailable` – the disk does not take them.
 * @throws {UsageError} What `make` throws.
 */
export async function prepareRestore(
  { restoring }: DataPaths,
  make: (folder: string) => Promise<void>,
): Promise<void> {
  const unfinished = `${restoring}.partial`;
  await Deno.remove(unfinished, { recursive: true }).catch(() => {});
  const made = join(unfinished, NEW_FILES);
  try {
    await Deno.mkdir(made, { recursive: true, mode: 0o700 });
    await make(made);
    for await (const { name } of Deno.readDir(made)) {
      using file = await Deno.open(join(made, name), { read: true, write: true });
      await file.sync();
    }
    await syncFolder(made);
    await syncFolder(unfinished);
    await renameAndSync(unfinished, restoring);
  } catch (error) {
    await Deno.remove(unfinished, { recursive: true }).catch(() => {});
    if (error instanceof ChatError || error instanceof UsageError) throw error;
    throw unavailable(`Cannot restore, so nothing was changed: ${messageOf(error)}`, error);
  }
}

/**
 * Brings a restore that was decided to its end, if there is one; the data folder has to be locked.
 * @returns The folder that keeps what was there before; null when nothing was, or there is no restore.
 * @throws {ChatError} `unavailable` – the disk or the folder does not take it.
 */
export async function finishRestore(paths: DataPaths): Promise<string | null> {
  const steps = restoreSteps(paths);
  try {
    for (;;) {
      const { done, value } = await steps.next();
      if (done) return value;
    }
  } catch (error) {
    const words =
      `Cannot bring the restore in ${paths.restoring} to its end: ${
        messageOf(error)
      }; mend that, then start the ` +
      "server, which goes on with it";
    throw unavailable(words, error);
  }
}

/** {@linkcode finishRestore} in its steps: after each the program may end, and the next one goes on from there. */
export async function* restoreSteps({ folder, restoring }: DataPaths): AsyncGenerator<void, string | null> {
  if (!await isThere(restoring)) return null;
  const made = join(restoring, NEW_FILES);
  for (const name of [DATABASE_FILE, KEY_FILE, CERTIFICATE_FILE]) {
    // Moved already, or the restore leaves it as it is.
    if (!await isThere(join(made, name))) continue;
    for (const old of name === DATABASE_FILE ? OF_DATABASE : [name]) {
      if (!await isThere(join(folder, old))) continue;
      await move(join(folder, old), join(restoring, old));
      yield;
    }
    await move(join(made, name), join(folder, name));
    yield;
  }
  if (await isThere(made)) {
    await Deno.remove(made);
    yield;
  }
  const isEmpty = (await Array.fromAsync(Deno.readDir(restoring))).length === 0;
  if (isEmpty) {
    await Deno.remove(restoring);
    return null;
  }
  const kept = join(folder, `before-restore-${fileStamp(new Date())}`);
  await renameAndSync(restoring, kept);
  return kept;
}

async function move(from: string, to: string): Promise<void> {
  await renameAndSync(from, to);
  await syncFolder(dirname(from));
}

function unavailable(message: string, cause: unknown): ChatError {
  return new ChatError("unavailable", message, { cause });
}
