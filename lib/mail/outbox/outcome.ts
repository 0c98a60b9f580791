/**
 * How an attempt to send a mail of the outbox ends.
 * @module
 */

import type { MailError } from "../mail_error.ts";

/** How an attempt ended. */
export type SendOutcome =
  | {
    /** The server took it. */
    readonly kind: "sent";
    /** Its answer. */
    readonly reply: string;
    /** `Message-ID` of the mail. */
    readonly messageId: string;
    /** Who gets it. */
    readonly accepted: readonly string[];
    /** Who does not; those refused only for now stay queued. */
    readonly refused: readonly MailError[];
  }
  | {
    /** Refused for now: tried again at `nextAttemptAt`, epoch milliseconds. */
    readonly kind: "queued";
    /** Why. */
    readonly error: MailError;
    /** Epoch milliseconds. */
    readonly nextAttemptAt: number;
  }
  | {
    /** Refused for good; the entry stays until it is retried or dropped. */
    readonly kind: "failed";
    /** Why. */
    readonly error: MailError;
  }
  | {
    /** May or may not have been taken; only a person can settle it. */
    readonly kind: "in_doubt";
    /** Why. */
    readonly error: MailError;
  }
  | {
    /** Nothing was done: it is gone, waits for a decision, or another process is sending it. */
    readonly kind: "skipped";
  };
