/**
 * What SQLite's failures mean to the people who see them.
 *
 * The rest of the program never sees an SQL error: a disk that takes nothing becomes {@linkcode ChatError} `unavailable`,
 * and anything else is a fault of ours. Result codes: https://www.sqlite.org/rescode.html
 * @module
 */
import { ChatError } from "../errors.ts";

const SQLITE_BUSY = 5;
const SQLITE_LOCKED = 6;
const SQLITE_READONLY = 8;
const SQLITE_IOERR = 10;
const SQLITE_FULL = 13;
const SQLITE_CANTOPEN = 14;

/** When to try again after the disk refused: somebody has to make room first. */
const RETRY_DISK_MS = 5_000;
/** When to try again after another process held the file: it is not for long. */
const RETRY_BUSY_MS = 1_000;

/**
 * Turns a failure that may pass into the error that says so.
 *
 * @returns `unavailable`, with the failure as its cause; null when it is not a matter of waiting.
 */
export function unavailableFrom(error: unknown): ChatError | null {
  switch (primaryCode(error)) {
    case SQLITE_FULL:
      return unavailable("the disk is full", RETRY_DISK_MS, error);
    case SQLITE_IOERR:
      return unavailable("the disk could not be read or written", RETRY_DISK_MS, error);
    case SQLITE_READONLY:
    case SQLITE_CANTOPEN:
      return unavailable("the database file may not be written", RETRY_DISK_MS, error);
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
      return unavailable("another process is using the database", RETRY_BUSY_MS, error);
    default:
      return null;
  }
}

function unavailable(reason: string, retryAfterMs: number, cause: unknown): ChatError {
  return new ChatError("unavailable", `Cannot store anything now: ${reason}`, { retryAfterMs, cause });
}

/** The low byte is the primary code; the rest tells more about it. */
function primaryCode(error: unknown): number | null {
  if (!(error instanceof Error) || !("errcode" in error) || typeof error.errcode !== "number") return null;
  return error.errcode & 0xff;
}
