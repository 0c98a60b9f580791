// The data folder: where it is, who may read it, and that only one server uses it.
import { join, resolve } from "node:path";
import { systemReasonOf, UsageError } from "../errors.ts";
import { readRunFile } from "./live/run_file.ts";

export const DATABASE_FILE = "mini-chat.db";

export interface DataPaths {
  readonly folder: string;
  readonly database: string;
  readonly lock: string; // locked while a server runs
  readonly restoring: string; // there while a restore is to be brought to its end (`restoring.ts`)
}

export function dataPaths(folder: string): DataPaths {
  const absolute = resolve(folder);
  return {
    folder: absolute,
    database: join(absolute, DATABASE_FILE),
    lock: join(absolute, "server.lock"),
    restoring: join(absolute, "restoring"),
  };
}

/** Makes the folder if there is none, readable by its owner alone. @throws {UsageError} when it cannot be one, or is not for root. */
export async function prepareDataFolder(folder: string): Promise<DataPaths> {
  const paths = dataPaths(folder);
  try {
    await Deno.mkdir(paths.folder, { recursive: true, mode: 0o700 });
  } catch (error) {
    throw new UsageError(`Cannot use ${paths.folder} as data folder: ${reason(error)}`, { cause: error });
  }
  await refuseRootElsewhere(paths.folder);
  return paths;
}

/**
 * @param flag By which the folder is named.
 * @throws {UsageError} No server has made a database in it, a restore of it was cut off, it is not for root, or as by
 * {@linkcode checkLogIsThere}.
 */
export async function checkDatabaseIsThere(paths: DataPaths, flag = "--data"): Promise<void> {
  const { folder, database, restoring } = paths;
  await refuseRootElsewhere(folder);
  if (await isThere(restoring)) {
    throw new UsageError(
      `Cannot use ${database}: a restore was cut off; start the server, which brings it to its end`,
    );
  }
  let size: number;
  try {
    ({ size } = await Deno.stat(database));
  } catch (cause) {
    const words =
      `Cannot find a database at ${database}: start the server once, or name its folder with ${flag} DIR`;
    throw new UsageError(words, { cause });
  }
  // SQLite would make a new one of it, and take away what its log may still hold.
  if (size === 0) {
    throw new UsageError(`Cannot use ${database}: it is empty; put the database or a backup in its place`);
  }
  await checkLogIsThere(paths);
}

/**
 * For what opens the database beside a running server. Were the log or its index gone, it would make others, of which that server
 * knows nothing: it would not see what is written, and write over it.
 * @throws {UsageError} One of them is gone while a server uses it.
 */
export async function checkLogIsThere(
  { folder, database }: Pick<DataPaths, "folder" | "database">,
): Promise<void> {
  const files = ["-wal", "-shm"].map((ending) => `${database}${ending}`);
  const isGone = await Promise.all(files.map(async (file) => !await isThere(file)));
  const gone = files.find((_, index) => isGone[index]);
  if (gone === undefined) return; // after a crash, too
  const running = await readRunFile(folder);
  if (running === null || running.isShared) return;
  const { isServerThere } = await import("./live/control.ts");
  if (!await isServerThere(folder)) return;
  throw new UsageError(
    `Cannot use ${database}: ${gone} is gone, which the running server needs; stop that server, and start it again`,
  );
}

/**
 * What root makes in the folder of another user, such as that of a service, that one could not write any more; and to give it away
 * afterwards, by names in a folder that somebody else may change meanwhile, could give away the system's own files.
 * @throws {UsageError} This process is root, and the folder is another user's.
 */
async function refuseRootElsewhere(folder: string): Promise<void> {
  if (Deno.build.os === "windows" || Deno.uid() !== 0) return;
  const { uid } = await Deno.stat(folder).catch(() => ({ uid: 0 })); // that it is missing is said by others
  if (uid === null || uid === 0) return;
  throw new UsageError(
    `Cannot use ${folder} as root, as it belongs to user ${uid}: run this as that user, with sudo -u '#${uid}' in front`,
  );
}

/**
 * Locks the folder until what this returns is disposed of, or the process ends, however it ends.
 * @param cannot What else is not possible, for the words.
 * @throws {UsageError} A server runs on it, or it may not be written.
 */
export async function lockDataFolder(paths: DataPaths, cannot = "Cannot start"): Promise<Disposable> {
  let file: Deno.FsFile;
  try {
    file = await Deno.open(paths.lock, { read: true, write: true, create: true, mode: 0o600 });
  } catch (error) {
    throw new UsageError(`Cannot write to data folder ${paths.folder}: ${reason(error)}`, { cause: error });
  }
  if (await file.tryLock(true)) return file;
  file.close();
  throw new UsageError(
    `${cannot}: a server already uses data folder ${paths.folder}; stop it, or name another folder with --data DIR`,
  );
}

/** Size to which a database's log is cut back; a burst makes it larger for a moment. */
export const USUAL_LOG_BYTES = 64 * 1024 * 1024;

/** Size of the log of a database file; 0 where there is none. */
export async function databaseLogBytes({ database }: Pick<DataPaths, "database">): Promise<number> {
  return await Deno.stat(`${database}-wal`).then(({ size }) => size, () => 0);
}

/** Whether a log is so large that somebody must have been reading the database for long: until that ends, it only grows. */
export function isLogHeld(logBytes: number): boolean {
  return logBytes > 2 * USUAL_LOG_BYTES;
}

/** Whether there is something at a path. */
export async function isThere(path: string): Promise<boolean> {
  return await Deno.lstat(path).then(() => true, () => false);
}

function reason(error: unknown): string {
  if ((error as { code?: unknown }).code === "EROFS") return "its disk is read-only";
  if (error instanceof Deno.errors.PermissionDenied) return "no permission";
  if (error instanceof Deno.errors.AlreadyExists || error instanceof Deno.errors.NotADirectory) {
    return "it is a file";
  }
  return systemReasonOf(error);
}
