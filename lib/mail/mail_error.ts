// What can go wrong with an e-mail, told so that the next step is clear.
// The message of a MailError is one sentence for the person; the server's own words travel beside it,
// to be shown beneath. Neither ever holds a password or a token.

const SIGN_IN_FAULTS = [
  "app_password_needed", // the provider wants a password made for this program alone
  "wrong_password", // wrong, or revoked since
  "token_refused", // OAuth2: expired for good, or revoked; sign in again
  "web_login_needed", // the provider wants to see the person in a browser first
  "password_login_disabled", // only OAuth2 is taken
  "sign_in_needed", // the server takes mail only after a sign-in, and the account has none
  "no_common_sign_in", // the server offers no way of signing in that we know
  "secret_missing", // no password at hand: none given, or the password command failed
  "oauth_client_wrong", // the client id or its secret is not known to the provider
  "consent_denied", // the person, or the provider, said no in the browser
  "consent_failed", // the browser's answer was not the one asked for
] as const;

/** The list is closed, so that a screen or a script can match it. */
export type MailFault =
  | typeof SIGN_IN_FAULTS[number]
  | "mailbox_unknown" // no such recipient
  | "mailbox_full" // the recipient has no room
  | "sender_refused" // this account may not send as that address
  | "too_large" // over the server's limit
  | "rate_limited" // too many mails or sign-ins
  | "greylisted" // the server wants to see us come back
  | "content_refused" // policy, spam or virus filter
  | "certificate" // TLS: not the host that it claims to be
  | "no_tls" // the server offers no encryption
  | "connection_refused" // the host answers, and nothing listens at that port
  | "port_blocked" // nothing answers at that host and port
  | "no_network" // the name cannot be resolved, or there is no route
  | "connection_lost" // broke before the mail was handed over
  | "in_doubt" // broke after the mail was handed over, before the answer
  | "server_busy" // any other temporary refusal
  | "refused"; // any other lasting refusal

export function isSignInFault(fault: MailFault): boolean {
  return SIGN_IN_FAULTS.some((known) => known === fault);
}

/** Whether a server did not accept a password, so that another one may do. */
export function isPasswordFault(fault: MailFault): boolean {
  return fault === "wrong_password" || fault === "app_password_needed";
}

export interface MailErrorDetails {
  readonly isTemporary?: boolean; // whether the same mail may be taken later; false by default
  readonly smtpCode?: number; // three digits of the SMTP reply; absent where no server answered
  /** What the server said, unfolded to one line per sentence, without its codes; absent where it said nothing. */
  readonly serverWords?: string | undefined;
  readonly recipients?: readonly string[] | undefined; // the recipients it is about; absent when it is about the whole mail
  readonly cause?: unknown; // the error underneath, for the operator's log; never one that can hold a secret
}

export class MailError extends Error {
  override readonly name = "MailError";
  readonly fault: MailFault;
  readonly isTemporary: boolean;
  readonly smtpCode: number | undefined;
  readonly serverWords: string | undefined;
  readonly recipients: readonly string[] | undefined;

  constructor(fault: MailFault, message: string, details: MailErrorDetails = {}) {
    super(message, "cause" in details ? { cause: details.cause } : undefined);
    this.fault = fault;
    this.isTemporary = details.isTemporary ?? false;
    this.smtpCode = details.smtpCode;
    this.serverWords = details.serverWords;
    this.recipients = details.recipients;
  }
}
