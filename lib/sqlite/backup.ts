// Whole copies of a database in one file, and a look into such a file that changes nothing in it.
import { backup, DatabaseSync } from "node:sqlite";
import { ChatError, messageOf, systemReasonOf, UsageError } from "../errors.ts";
import { fileProblems } from "./file_check.ts";
import { fileErrorFrom, isDamage, isDiskFailure, isRefusal } from "./sqlite_errors.ts";

/** What a copy is changed, and looked at, through. */
export type Connection = DatabaseSync;

/** How long a look waits for a program that is just opening or closing the file. */
const BUSY_TIMEOUT_MS = 5_000;

/** More pages than any file has: the copy is made in one step. In several, every commit meanwhile would start it anew. */
const ALL_PAGES = 2_000_000_000;

/**
 * Makes a consistent copy of a database in one new file, readable by its owner only: changed, checked, and on disk when this
 * returns. Others go on reading and writing meanwhile; the calling thread does nothing else. What failed leaves no file.
 * @throws {ChatError} `conflict` – the target exists; `unavailable` – it cannot be written.
 * @throws {UsageError} The database cannot be read, or is damaged.
 */
export async function copyDatabase(
  path: string,
  target: string,
  change: (copy: Connection) => void,
): Promise<void> {
  try {
    (await Deno.open(target, { createNew: true, write: true, mode: 0o600 })).close();
  } catch (error) {
    if (error instanceof Deno.errors.AlreadyExists) {
      throw new ChatError("conflict", `Cannot write ${target} as it exists`);
    }
    throw cannotWrite(target, error);
  }
  try {
    await copyPages(path, target);
    changeAndCheck(path, target, change);
    using file = await Deno.open(target, { read: true, write: true });
    await file.sync();
  } catch (error) {
    for (const suffix of ["", "-journal", "-wal", "-shm"]) {
      await Deno.remove(target + suffix).catch(() => {});
    }
    throw error;
  }
}

async function copyPages(path: string, target: string): Promise<void> {
  let source: DatabaseSync;
  try {
    source = openToRead(path);
  } catch (error) {
    if (!lacksLog(error) || !hasEmptyLog(path)) throw error;
    return await copyFile(path, target);
  }
  try {
    await backup(source, target, { rate: ALL_PAGES });
  } catch (error) {
    throw isDamage(error) ? wordsFor(error, path) : cannotCopy(path, target, error);
  } finally {
    source.close();
  }
}

/** Of a database without a log, on a disk where none can be made, by others neither, the file is all there is. */
async function copyFile(path: string, target: string): Promise<void> {
  try {
    using source = await Deno.open(path);
    using copy = await Deno.open(target, { write: true });
    await source.readable.pipeTo(copy.writable);
  } catch (error) {
    throw unavailable(`Cannot copy ${path} to ${target}: ${messageOf(error)}`, error);
  }
}

/** What is damaged in a copy was so in its source. */
function changeAndCheck(path: string, target: string, change: (copy: Connection) => void): void {
  const copy = new DatabaseSync(target);
  try {
    // The copy says of itself that it has a write-ahead log, as its source does; without one it is a single file.
    copy.exec("PRAGMA journal_mode = DELETE");
    copy.exec("PRAGMA synchronous = FULL");
    copy.exec("PRAGMA secure_delete = ON");
    change(copy);
    refuseDamaged(copy, path);
  } catch (error) {
    throw isDamage(error) ? wordsFor(error, path) : fileErrorFrom(error, target);
  } finally {
    copy.close();
  }
}

/**
 * Looks into a database file, in which nothing is changed.
 * @param isShut Nobody has it open: then the log and index that SQLite makes beside it are taken away again, which takes the right
 * to write to it.
 * @throws {UsageError} It cannot be read, is no database, or is damaged where it was looked at.
 */
export function inspectDatabase<Result>(
  path: string,
  look: (database: Connection) => Result,
  isShut = false,
): Result {
  const database = openToRead(path, isShut);
  try {
    return look(database);
  } catch (error) {
    throw wordsFor(error, path);
  } finally {
    database.close();
  }
}

function openToRead(path: string, isShut = false): DatabaseSync {
  try {
    Deno.statSync(path); // SQLite might make a file that is not there; not opened, for the reason that `database.ts` gives
  } catch (error) {
    throw new UsageError(`Cannot read ${path}: ${systemReasonOf(error)}`, { cause: error });
  }
  const database = new DatabaseSync(path, { readOnly: !isShut, timeout: BUSY_TIMEOUT_MS });
  try {
    database.exec("PRAGMA query_only = ON");
    database.prepare("SELECT 1 FROM sqlite_schema").get(); // SQLite opens nothing before the first look
    return database;
  } catch (error) {
    database.close();
    if (!lacksLog(error)) throw wordsFor(error, path);
    const reason = whyNotRead(path);
    if (reason !== null) throw new UsageError(`Cannot read ${path}: ${reason}`, { cause: error });
    throw unavailable(
      `Cannot read ${path} as its log cannot be made beside it: its disk is full or read-only, or its folder may not be written`,
      error,
    );
  }
}

/** The system's words, which are better than SQLite's; null where it can be read. */
function whyNotRead(path: string): string | null {
  try {
    Deno.openSync(path).close();
    return null;
  } catch (error) {
    return messageOf(error);
  }
}

/** Whether a file may have failed to open for no more than that its log and the log's index could not be made. */
function lacksLog(error: unknown): boolean {
  return isRefusal(error instanceof ChatError ? error.cause : error);
}

function hasEmptyLog(path: string): boolean {
  try {
    return Deno.statSync(`${path}-wal`).size === 0;
  } catch {
    return true;
  }
}

/** Checks all of a file. @throws {UsageError} It is damaged. */
export function refuseDamaged(database: DatabaseSync, path: string): void {
  const problems = fileProblems(database);
  if (problems.length > 0) {
    throw new UsageError(`Cannot use ${path} as it is damaged:\n${problems.join("\n")}`);
  }
}

function wordsFor(error: unknown, path: string): unknown {
  if (!isDamage(error)) return fileErrorFrom(error, path);
  return new UsageError(`Cannot use ${path} as it is damaged, or no database`, { cause: error });
}

function cannotCopy(path: string, target: string, cause: unknown): ChatError {
  if (!isDiskFailure(cause)) return cannotWrite(target, cause);
  // Which of the two, SQLite does not say.
  const words = `Cannot copy ${path} to ${target}: one of their disks could not be read or written`;
  return unavailable(words, cause);
}

function cannotWrite(target: string, cause: unknown): ChatError {
  return unavailable(`Cannot write ${target}: ${systemReasonOf(cause)}`, cause);
}

function unavailable(message: string, cause: unknown): ChatError {
  return new ChatError("unavailable", message, { cause });
}
