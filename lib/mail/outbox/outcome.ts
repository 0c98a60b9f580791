import type { MailError } from "../mail_error.ts";

export type SendOutcome =
  | {
    readonly kind: "sent"; // the server took it
    readonly reply: string;
    readonly messageId: string;
    readonly accepted: readonly string[];
    readonly refused: readonly MailError[]; // who does not; those refused only for now stay queued
  }
  | {
    readonly kind: "queued"; // refused for now: tried again at `nextAttemptAt`, epoch milliseconds
    readonly error: MailError;
    readonly nextAttemptAt: number; // epoch milliseconds
  }
  | {
    readonly kind: "failed"; // refused for good; the entry stays until it is retried or dropped
    readonly error: MailError;
  }
  | {
    readonly kind: "in_doubt"; // may or may not have been taken; only a person can settle it
    readonly error: MailError;
  }
  | {
    readonly kind: "skipped"; // nothing was done: it is gone, waits for a decision, or another process is sending it
  };
