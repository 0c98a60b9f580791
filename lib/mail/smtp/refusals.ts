/**
 * Refusals turned into the next step: one sentence for each fault, with the server's own words beside it.
 *
 * A sentence never says that a mail is tried again: only who holds the outbox knows whether anything will.
 * @module
 */
import { MailError, type MailErrorDetails, type MailFault } from "../mail_error.ts";
import {
  classifyBrokenLink,
  classifyReply,
  isTransientReply,
  parseReply,
  type SendStage,
  type SignInKind,
  type SmtpFailure,
} from "./replies.ts";
import { formatBytes } from "../../bytes.ts";
import { isGoogle } from "../providers.ts";

export interface RefusalContext {
  readonly host: string;
  readonly port: number;
  readonly signIn: SignInKind; // how the account signs in; decides whether a refusal is about a password or a token
  readonly address: string; // the account's own address
  readonly sizeBytes?: number;
}

/** Faults without a reply that may be gone later. */
const TEMPORARY_LINK_FAULTS: ReadonlySet<MailFault> = new Set([
  "no_network",
  "port_blocked",
  "connection_refused",
  "connection_lost",
]);

export function explainFailure(
  failure: SmtpFailure,
  stage: SendStage,
  context: RefusalContext,
  recipients?: readonly string[],
): MailError {
  const reply = failure.response === undefined ? null : parseReply(failure.response);
  const about = recipients === undefined ? {} : { recipients };
  if (reply === null || reply.code < 400) {
    const fault = classifyBrokenLink(failure, stage);
    const words = fault === "too_large" ? "" : describeLinkFailure(failure);
    return explainFault(fault, context, {
      ...about,
      isTemporary: TEMPORARY_LINK_FAULTS.has(fault),
      ...(words === "" ? {} : { serverWords: words }),
    });
  }
  // Asked for encryption and refused: nothing else is sent before STARTTLS.
  const fault = failure.code === "ETLS" ? "no_tls" : classifyReply(reply, stage, context.signIn);
  const code = reply.enhanced === "" ? String(reply.code) : `${reply.code} ${reply.enhanced}`;
  return explainFault(fault, context, {
    ...about,
    isTemporary: isTransientReply(reply) && fault !== "no_tls",
    smtpCode: reply.code,
    serverWords: `${code} ${reply.words}`.trim(),
  });
}

/**
 * The system's words for a broken link, which a person can search for; a code alone says nothing, so it only follows words.
 */
function describeLinkFailure(failure: SmtpFailure): string {
  const code = failure.originalCode ?? failure.code ?? "";
  const { message } = failure;
  return message === "" || message.includes(code) ? message : `${message} (${code})`;
}

export function explainFault(
  fault: MailFault,
  context: RefusalContext,
  details: MailErrorDetails = {},
): MailError {
  return new MailError(fault, SENTENCES[fault](context, details), details);
}

const SENTENCES: Readonly<Record<MailFault, (context: RefusalContext, details: MailErrorDetails) => string>> =
  {
    app_password_needed: (c) =>
      `${c.host} wants an app password, not the usual one: ${
        appPasswordHint(c.host)
      }, then run "email setup" and paste it`,
    wrong_password: (c) =>
      `${c.host} does not accept the password of ${c.address}: it is wrong, or was revoked; run "email setup" and give ${
        isGoogle(c.host) ? "a new app password" : "it again"
      }`,
    token_refused: (c) =>
      `The sign-in of ${c.address} has expired or was revoked: run "email setup" to sign in again`,
    web_login_needed: (c) =>
      `${c.host} wants to see you first: sign in to ${c.address} once in a web browser, confirm that it was you, then try again`,
    password_login_disabled: (c) =>
      `${c.host} no longer takes passwords for ${c.address}: run "email setup" and choose OAuth2`,
    sign_in_needed: (c) =>
      `${c.host} takes mail only after a sign-in: run "email setup" and choose a way to sign in`,
    no_common_sign_in: (c) =>
      `${c.host} does not offer the account's way of signing in: run "email setup" and choose another`,
    secret_missing: (c) =>
      `There is no password for ${c.address}: run "email outbox retry" and type it, or "email setup" to store one`,
    oauth_client_wrong: (c) =>
      `The provider does not know the OAuth2 client of ${c.address}: check client id and secret, then run "email setup"`,
    consent_denied: (c) =>
      `Sign-in for ${c.address} was declined in the browser: run "email setup" to try again`,
    consent_failed: (c) =>
      `The browser's answer for ${c.address} is not the one that was asked for: run "email setup" to try again`,
    mailbox_unknown: (_c, d) =>
      `${listRecipients(d, "The recipient")} does not exist: check the address for a typing mistake`,
    mailbox_full: (_c, d) =>
      `${
        listRecipients(d, "The recipient")
      } has no room for more mail: reach them another way, or try again later`,
    sender_refused: (c) =>
      `${c.host} does not let this account send as ${c.address}: run "email setup" with the address that you sign in with`,
    too_large: (c) =>
      `The mail${
        c.sizeBytes === undefined ? "" : ` (${formatBytes(c.sizeBytes)} with its encoding)`
      } is larger than ${c.host} takes: send fewer or smaller attachments, or a link`,
    rate_limited: (c, d) =>
      d.isTemporary
        ? `${c.host} is asked too often: wait a while before the next try`
        : `A sending limit of ${c.host} is reached: try again in 24 hours`,
    greylisted: (c) =>
      `${c.host} puts off senders that it does not know yet, and takes the same mail a few minutes later`,
    content_refused: (c) =>
      `${c.host} refuses this mail for what is in it: change the text, or leave out the attachment (programs and some archives are refused)`,
    certificate: (c) =>
      `The certificate of ${c.host} cannot be trusted, so nothing was sent: check the host name; for a server of your own give its CA with "email setup --ca FILE"`,
    no_tls: (c) =>
      `${c.host}:${c.port} offers no encryption, so nothing was sent: use port 465 (TLS) or 587 (STARTTLS)`,
    connection_refused: (c) =>
      `${c.host} refuses connections to port ${c.port}: the mail server may be stopped, or listen on another port, which "email setup" changes`,
    port_blocked: (c) =>
      `Nothing answers at ${c.host}:${c.port}: the network may block that port; try ${
        c.port === 465 ? "587" : "465"
      } with "email setup", or another network`,
    no_network: (c) => `Cannot find ${c.host}: check the network, and the host name`,
    connection_lost: (c) =>
      `The connection to ${c.host} broke${
        c.sizeBytes === undefined ? "" : " before the mail was handed over, so it was not sent"
      }`,
    in_doubt: (c) =>
      `The connection to ${c.host} broke just as the mail was handed over, so it may or may not have been taken: look in your Sent folder, then settle it with "email outbox"`,
    server_busy: (c) => `${c.host} cannot take the mail just now`,
    refused: (c) => `${c.host} refuses the mail, and trying again will not help: see its words below`,
  };

function appPasswordHint(host: string): string {
  return isGoogle(host)
    ? "make one at https://myaccount.google.com/apppasswords"
    : "make one in the provider's security settings";
}

function listRecipients(details: MailErrorDetails, otherwise: string): string {
  return details.recipients === undefined || details.recipients.length === 0
    ? otherwise
    : details.recipients.join(", ");
}
