// Whole copies of a database in one file, and a look into such a file that changes nothing in it.
import { backup, DatabaseSync } from "node:sqlite";
import { ChatError, messageOf, UsageError } from "../errors.ts";
import { fileProblems } from "./file_check.ts";
import { fileErrorFrom, isDamage } from "./sqlite_errors.ts";

/** What a copy is changed, and looked at, through. */
export type Connection = DatabaseSync;

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
    changeAndCheck(target, change);
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
  const source = openToRead(path);
  try {
    await backup(source, target, { rate: ALL_PAGES });
  } catch (error) {
    throw cannotWrite(target, error);
  } finally {
    source.close();
  }
}

function changeAndCheck(target: string, change: (copy: Connection) => void): void {
  const copy = new DatabaseSync(target);
  try {
    // The copy says of itself that it has a write-ahead log, as its source does; without one it is a single file.
    copy.exec("PRAGMA journal_mode = DELETE");
    copy.exec("PRAGMA synchronous = FULL");
    copy.exec("PRAGMA secure_delete = ON");
    change(copy);
    refuseDamaged(copy, target);
  } catch (error) {
    throw wordsFor(error, target);
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
    const database = new DatabaseSync(path, { readOnly: !isShut });
    database.exec("PRAGMA query_only = ON");
    return database;
  } catch (error) {
    throw new UsageError(`Cannot read ${path}: ${whyNotRead(path) ?? messageOf(error)}`, { cause: error });
  }
}

/** The system's words, which are better than SQLite's; undefined where it can be read. */
function whyNotRead(path: string): string | undefined {
  try {
    Deno.openSync(path).close();
  } catch (error) {
    return messageOf(error);
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

function cannotWrite(target: string, cause: unknown): ChatError {
  return new ChatError("unavailable", `Cannot write ${target}: ${messageOf(cause)}`, { cause });
}
