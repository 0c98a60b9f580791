import type { MailError } from "../mail_error.ts";

export type SendOutcome =
  | {
    /** The server took it. */
    readonly kind: "sent";
    readonly reply: string;
    readonly messageId: string;
    readonly accepted: readonly string[];
    /** Who does not; those refused only for now stay queued. */
    readonly refused: readonly MailError[];
  }
  | {
    /** Refused for now: tried again at `nextAttemptAt`, epoch milliseconds. */
    readonly kind: "queued";
    readonly error: MailError;
    readonly nextAttemptAt: number; // epoch milliseconds
  }
  | {
    /** Refused for good; the entry stays until it is retried or dropped. */
    readonly kind: "failed";
    readonly error: MailError;
  }
  | {
    /** May or may not have been taken; only a person can settle it. */
    readonly kind: "in_doubt";
    readonly error: MailError;
  }
  | {
    /** Nothing was done: it is gone, waits for a decision, or another process is sending it. */
    readonly kind: "skipped";
  };
