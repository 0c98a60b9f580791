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
  readonly id: string;
  readonly accountId: string;
  /** `Message-ID` with its angle brackets; the same at every attempt. */
  readonly messageId: string;
  readonly from: string;
  /** Recipients that still have to get it. */
  readonly to: readonly string[];
  readonly subject: string;
  readonly sizeBytes: number;
  readonly queuedAt: number;
  readonly state: OutboxState;
  readonly attempts: number;
  /** Epoch milliseconds of the next attempt; means nothing unless `queued`. */
  readonly nextAttemptAt: number;
  /** Why the last attempt failed; `null` before there was one. */
  readonly problem: OutboxProblem | null;
}

export interface OutboxProblem {
  readonly fault: MailFault;
  readonly message: string;
  readonly serverWords: string;
}

/** The fields that an attempt changes. */
export type OutboxChange = Partial<
  Pick<OutboxEntry, "to" | "state" | "attempts" | "nextAttemptAt" | "problem">
>;

/** Where entries are kept. Each method is on disk when it returns. */
export interface OutboxStore {
  insertOutboxEntry(entry: OutboxEntry): Promise<void>;
  /** Every entry, oldest first. */
  listOutboxEntries(): Promise<OutboxEntry[]>;
  findOutboxEntry(id: string): Promise<OutboxEntry | null>;
  updateOutboxEntry(id: string, change: OutboxChange): Promise<void>;
  removeOutboxEntry(id: string): Promise<void>;
}
