// Outbox entries: what is kept about each mail that is not yet done with.
import type { MailError, MailFault } from "./mail_error.ts";

/**
 * Where a mail stands.
 * - `queued`: waits for its next attempt.
 * - `sending`: an attempt is under way and the end of the mail is not out; after a crash it was certainly not taken.
 * - `in_doubt`: the end of the mail may be out and the answer is not noted; only a person can settle it after a crash.
 * - `failed`: refused for good, or given up; kept until the person retries or drops it.
 */
export type OutboxState = "queued" | "sending" | "in_doubt" | "failed";

export interface OutboxEntry {
  readonly id: string;
  readonly accountId: string;
  readonly messageId: string; // `Message-ID` with its angle brackets; the same at every attempt
  readonly from: string;
  readonly to: readonly string[]; // recipients that still have to get it
  readonly subject: string;
  readonly sizeBytes: number;
  readonly queuedAt: number;
  readonly state: OutboxState;
  readonly attempts: number;
  readonly nextAttemptAt: number; // epoch milliseconds of the next attempt; means nothing unless `queued`
  readonly problem: OutboxProblem | null; // why the last attempt failed; `null` before there was one
}

export interface OutboxProblem {
  readonly fault: MailFault;
  readonly message: string;
  readonly serverWords: string;
}

export type OutboxChange = Partial<
  Pick<OutboxEntry, "to" | "state" | "attempts" | "nextAttemptAt" | "problem">
>;

/** Where entries are kept. Each method is on disk when it returns. */
export interface OutboxStore {
  insertOutboxEntry(entry: OutboxEntry): Promise<void>;
  listOutboxEntries(): Promise<OutboxEntry[]>; // oldest first
  findOutboxEntry(id: string): Promise<OutboxEntry | null>;
  updateOutboxEntry(id: string, change: OutboxChange): Promise<void>;
  removeOutboxEntry(id: string): Promise<void>;
}

export type SendOutcome =
  | {
    readonly kind: "sent"; // the server took it
    readonly reply: string;
    readonly messageId: string;
    readonly accepted: readonly string[];
    readonly refused: readonly MailError[]; // one for each recipient; those refused only for now stay queued
  }
  | { readonly kind: "queued"; readonly error: MailError; readonly nextAttemptAt: number } // for now; epoch milliseconds
  | { readonly kind: "failed"; readonly error: MailError } // refused for good; the entry stays until it is retried or dropped
  | { readonly kind: "in_doubt"; readonly error: MailError } // may or may not have been taken; only a person can settle it
  | { readonly kind: "skipped" }; // nothing was done: it is gone, waits for a decision, or another process is sending it
