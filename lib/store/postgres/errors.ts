// What PostgreSQL's failures mean to the people who see them.
// The rest of the program never sees an SQL error: what may pass becomes `ChatError` `unavailable`, and anything else is a
// fault of ours. Codes: https://www.postgresql.org/docs/current/errcodes-appendix.html
import { ChatError } from "../../errors.ts";

/** When to try again: by then there is a new connection, or the lock is free. */
export const RETRY_MS = 1_000;

/** The primary has become a standby, or somebody, such as the one who hosts it, lets nothing be written. */
export const READ_ONLY = "25006";

/** Classes and codes (`SQLSTATE`) that time mends. */
const PASSING = [
  "08", // the connection
  "53", // resources: disk, memory, connections
  "57P", // shut down, starting, crashed
  "58030", // the disk could not be read or written
  READ_ONLY,
  "25P03", // idle in a transaction for too long: this process was frozen
  "40001",
  "40P01",
  "55P03", // a lock was not free in time
];
const SERIALIZATION_FAILURE = "40001";
const DEADLOCK = "40P01";

/** The connection was lost while COMMIT was on its way: nobody can say yet whether it was done. */
export class OutcomeUnknown extends ChatError {}

export function connectionLost(cause: unknown): ChatError {
  const message = sqlStateOf(cause) === READ_ONLY
    ? "Cannot store anything now: the database takes no writes, as it is read-only or has become a standby"
    : "Cannot reach the database now";
  return new ChatError("unavailable", message, { retryAfterMs: RETRY_MS, cause });
}

export function outcomeUnknown(cause: unknown): OutcomeUnknown {
  const message = "Cannot tell whether it was stored, as the database was lost while it confirmed";
  return new OutcomeUnknown("unavailable", message, { retryAfterMs: RETRY_MS, cause });
}

/** The error `unavailable` for a failure that may pass, with the failure as its cause; null when waiting does not help. */
export function unavailableFrom(error: unknown): ChatError | null {
  if (error instanceof ChatError) return error.code === "unavailable" ? error : null;
  const state = sqlStateOf(error);
  if (state === null || !PASSING.some((start) => state.startsWith(start))) return null;
  const reason = state.startsWith("53")
    ? "it has no room or no connections left"
    : "the database is busy or restarting";
  return new ChatError("unavailable", `Cannot store anything now: ${reason}`, {
    retryAfterMs: RETRY_MS,
    cause: error,
  });
}

/** Whether the same transaction may succeed when it runs again at once. */
export function mayRunAgain(error: unknown): boolean {
  const state = sqlStateOf(error);
  return state === SERIALIZATION_FAILURE || state === DEADLOCK;
}

/** PostgreSQL's five characters; null for what PostgreSQL did not say. */
export function sqlStateOf(error: unknown): string | null {
  if (!(error instanceof Error) || !("code" in error) || typeof error.code !== "string") return null;
  return "severity" in error && error.code.length === 5 ? error.code : null;
}
