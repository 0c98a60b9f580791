/**
 * Outbox entries: what is kept about each mail that is not yet done with.
 * @module
 */

import type { MailFault } from "../mail_error.ts";

/**
 * Where a mail stands.
 *
 * - `queued`: waits for its next attempt.
 * - `sending`: an attempt is under way and the end of the mail is not out; after a crash it was certainly not taken.
 * - `in_doubt`: the end of the mail may be out and the answer is not noted; only a person can settle it after a crash.
 * - `failed`: refused for good, or given up; kept until the person retries or drops it.
 */
export type OutboxState = "queued" | "sending" | "in_doubt" | "failed";

/** One mail. The bytes are in the spool, under the same id. */
export interface OutboxEntry {
  /** A UUID. */
  readonly id: string;
  /** The account that sends it. */
  readonly accountId: string;
  /** `Message-ID` with its angle brackets; the same at every attempt. */
  readonly messageId: string;
  /** Sender that the server is told. */
  readonly from: string;
  /** Recipients that still have to get it. */
  readonly to: readonly string[];
  /** For lists. */
  readonly subject: string;
  /** Size in bytes. */
  readonly sizeBytes: number;
  /** Epoch milliseconds. */
  readonly queuedAt: number;
  /** Where it stands. */
  readonly state: OutboxState;
  /** Attempts so far. */
  readonly attempts: number;
  /** Epoch milliseconds of the next attempt; means nothing unless `queued`. */
  readonly nextAttemptAt: number;
  /** Why the last attempt failed; `null` before there was one. */
  readonly problem: OutboxProblem | null;
}

/** Why an attempt failed. */
export interface OutboxProblem {
  /** The fault. */
  readonly fault: MailFault;
  /** The sentence for the person. */
  readonly message: string;
  /** The server's own words; empty when it said nothing. */
  readonly serverWords: string;
}

/** The fields that an attempt changes. */
export type OutboxChange = Partial<
  Pick<OutboxEntry, "to" | "state" | "attempts" | "nextAttemptAt" | "problem">
>;

/** Where entries are kept. Each method is on disk when it returns. */
export interface OutboxStore {
  /** Adds an entry. */
  insertOutboxEntry(entry: OutboxEntry): Promise<void>;
  /** Every entry, oldest first. */
  listOutboxEntries(): Promise<OutboxEntry[]>;
  /** One entry; `null` when it is gone. */
  findOutboxEntry(id: string): Promise<OutboxEntry | null>;
  /** Changes an entry; nothing happens when it is gone. */
  updateOutboxEntry(id: string, change: OutboxChange): Promise<void>;
  /** Removes an entry; nothing happens when it is gone. */
  removeOutboxEntry(id: string): Promise<void>;
}
