// What is handed in to a mail server, as whom, and what comes of it.
import type { Readable } from "node:stream";
import type { MailAccount, SignIn } from "./account.ts";
import type { MailError } from "./mail_error.ts";
import type { MailEnvelope } from "./message.ts";

/** How an account signs in, with the secret in hand; it is never logged, and never part of an error. */
export type Credentials =
  | Extract<SignIn, { kind: "none" | "password" }>
  | {
    readonly kind: "oauth2"; // XOAUTH2
    readonly user: string;
    /** Gives an access token; `renew` is true when the server has just refused the last one. */
    getAccessToken(renew: boolean): Promise<string>;
  };

export interface SubmissionTarget extends Pick<MailAccount, "endpoint" | "address"> {
  readonly credentials: Credentials;
}

export interface Submission {
  readonly envelope: MailEnvelope;
  readonly sizeBytes: number;
  open(): Readable;
}

export interface SubmissionOptions {
  /** Called while the mail is being read into the connection: bytes so far, bytes in all. */
  readonly onProgress?: (sentBytes: number, totalBytes: number) => void;
  /** Awaited before the end of the mail goes out; from then on a broken connection leaves it in doubt. */
  readonly beforeLastByte?: () => Promise<void>;
  /** Gives up: before the end of the mail nothing was sent, after it the mail is in doubt. */
  readonly signal?: AbortSignal | undefined;
  readonly connectTimeoutMs?: number; // milliseconds for connecting; 20,000 by default
  readonly silenceTimeoutMs?: number; // milliseconds of silence that end a conversation; 300,000 by default
}

export interface Acceptance {
  readonly reply: string; // the server's answer, such as `250 2.0.0 OK 1718000000 abc - gsmtp`
  readonly accepted: readonly string[];
  readonly refused: readonly MailError[]; // who does not, and why; one error for each
}
