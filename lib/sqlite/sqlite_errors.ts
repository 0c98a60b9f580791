// What SQLite's failures mean to the people who see them.
// The rest of the program never sees an SQL error: a disk that takes nothing becomes `ChatError` `unavailable`,
// and anything else is a fault of ours. Result codes: https://www.sqlite.org/rescode.html
import { ChatError, messageOf, systemReasonOf, UsageError } from "../errors.ts";

const SQLITE_PERM = 3;
const SQLITE_BUSY = 5;
const SQLITE_LOCKED = 6;
const SQLITE_READONLY = 8;
const SQLITE_IOERR = 10;
const SQLITE_CORRUPT = 11;
const SQLITE_FULL = 13;
const SQLITE_CANTOPEN = 14;
const SQLITE_NOTADB = 26;

/** When to try again after the disk refused: somebody has to make room first. */
const RETRY_DISK_MS = 5_000;
/** When to try again after another process held the file: it is not for long. */
const RETRY_BUSY_MS = 1_000;

/** The error `unavailable` for a failure that may pass, with the failure as its cause; null when waiting does not help. */
export function unavailableFrom(error: unknown): ChatError | null {
  if (error instanceof ChatError && error.code === "unavailable") return error;
  const code = primaryCode(error);
  return isForbidden(code)
    ? unavailable("Cannot store anything now: the database file may not be written", RETRY_DISK_MS, error)
    : passing(code, "Cannot store anything now", error);
}

/** The error `unavailable` for a database of which this file is not where it was opened. */
export function displaced(path: string): ChatError {
  const cause = new Error(
    `${path} was moved, removed or replaced while it was in use: put it back, or stop the server and start it again`,
  );
  return unavailable(
    "Cannot store anything now: the database file is not where it was",
    RETRY_DISK_MS,
    cause,
  );
}

/**
 * What a failure to open, read or write a file means to the person whose file it is: `unavailable` where it may pass; a
 * {@linkcode UsageError} where the person has to do something; else the error itself, which is a fault of ours.
 */
export function fileErrorFrom(error: unknown, path: string): unknown {
  const cannotUse = (reason: string) => new UsageError(`Cannot use ${path}: ${reason}`, { cause: error });
  const code = primaryCode(error);
  switch (systemCode(error)) {
    case "EROFS":
      return cannotUse("its disk is read-only; look into the system's log for why (dmesg)");
    case "ENOSPC":
    case "EDQUOT":
      return passing(SQLITE_FULL, `Cannot use ${path} now`, error);
  }
  if (isForbidden(code)) {
    return cannotUse(
      "it may not be written; check who owns it and its folder, and whether its disk is read-only or full",
    );
  }
  if (isDamage(error)) {
    return cannotUse(
      "it is damaged, or no database; put a backup in its place, or move it away to begin anew",
    );
  }
  if (error instanceof Deno.errors.PermissionDenied) {
    return cannotUse(
      "this user may not write there; check who owns it and the folder around it, or choose another place",
    );
  }
  if (error instanceof Deno.errors.NotADirectory || error instanceof Deno.errors.AlreadyExists) {
    return cannotUse("a file is in the way, where a folder should be; choose another place");
  }
  // `File name too long (os error 36): mkdir '/…'`; for some of these Deno has no class.
  if (
    typeof systemCode(error) === "string" && / \(os error \d+\)/.test(messageOf(error)) ||
    Object.values(Deno.errors).some((kind) => error instanceof kind)
  ) {
    return cannotUse(systemReasonOf(error));
  }
  return passing(code, `Cannot use ${path} now`, error) ?? error;
}

/** Whether a file is damaged, or no database at all. */
export function isDamage(error: unknown): boolean {
  const code = primaryCode(error);
  return code === SQLITE_CORRUPT || code === SQLITE_NOTADB;
}

/** Whether a disk failed to read or write, for whatever reason. */
export function isDiskFailure(error: unknown): boolean {
  return primaryCode(error) === SQLITE_IOERR;
}

/** Whether a disk, or the rights on it, kept a file from being opened or written. */
export function isRefusal(error: unknown): boolean {
  const code = primaryCode(error);
  return isForbidden(code) || code === SQLITE_IOERR || code === SQLITE_FULL;
}

function isForbidden(code: number | null): boolean {
  return code === SQLITE_PERM || code === SQLITE_READONLY || code === SQLITE_CANTOPEN;
}

function passing(code: number | null, failure: string, cause: unknown): ChatError | null {
  switch (code) {
    case SQLITE_FULL:
      return unavailable(`${failure}: the disk is full`, RETRY_DISK_MS, cause);
    case SQLITE_IOERR:
      return unavailable(
        `${failure}: the disk is full, or could not be read or written`,
        RETRY_DISK_MS,
        cause,
      );
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
      return unavailable(`${failure}: another program is using the database`, RETRY_BUSY_MS, cause);
    default:
      return null;
  }
}

function unavailable(message: string, retryAfterMs: number, cause: unknown): ChatError {
  return new ChatError("unavailable", message, { retryAfterMs, cause });
}

/** SQLite's words for what has no number: Deno 2.8 gives none for a failure of `exec()`, or of opening a file. */
const CODES_BY_WORDS: readonly [words: string, code: number][] = [
  ["access permission denied", SQLITE_PERM],
  ["database is locked", SQLITE_BUSY],
  ["database table is locked", SQLITE_LOCKED],
  ["attempt to write a readonly database", SQLITE_READONLY],
  ["disk I/O error", SQLITE_IOERR],
  ["database disk image is malformed", SQLITE_CORRUPT],
  ["database or disk is full", SQLITE_FULL],
  ["unable to open database file", SQLITE_CANTOPEN],
  ["file is not a database", SQLITE_NOTADB],
];

/** The code of a failure of the operating system, such as `ENOSPC`; for some, Deno has no class. */
function systemCode(error: unknown): unknown {
  return error instanceof Error && "code" in error ? error.code : undefined;
}

/** The low byte is the primary code; the rest tells more about it. */
function primaryCode(error: unknown): number | null {
  if (!(error instanceof Error)) return null;
  if ("errcode" in error && typeof error.errcode === "number") return error.errcode & 0xff;
  if (!("code" in error) || error.code !== "ERR_SQLITE_ERROR") return null;
  return CODES_BY_WORDS.find(([words]) => error.message.startsWith(words))?.[1] ?? null;
}
