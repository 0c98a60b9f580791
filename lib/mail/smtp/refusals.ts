// Refusals turned into the next step: one sentence for each fault, with the server's own words beside it.
// A sentence never says that a mail is tried again: only who holds the outbox knows whether anything will.
import { MailError, type MailErrorDetails } from "../mail_error.ts";
import type { Credentials } from "../submission.ts";
import * as replies from "./replies.ts";
import { formatHostAndPort } from "../../addresses.ts";
import { formatBytes } from "../../bytes.ts";
import { isGoogle } from "../providers.ts";

export interface RefusalContext {
  readonly host: string;
  readonly port: number;
  readonly signIn: Credentials["kind"]; // decides whether a refusal is about a password or a token
  readonly address: string; // the account's own address
  readonly sizeBytes: number | undefined; // of the mail; unset where only the sign-in is tried
}

const TEMPORARY_LINK_FAULTS: ReadonlySet<replies.SmtpFault> = new Set([
  "no_network",
  "port_blocked",
  "connection_refused",
  "connection_lost",
]);

export function explainFailure(
  failure: replies.SmtpFailure,
  stage: replies.SendStage,
  context: RefusalContext,
  recipients?: readonly string[],
): MailError {
  const reply = failure.response === undefined ? null : replies.parseReply(failure.response);
  if (reply === null || reply.code < 400) {
    const fault = replies.classifyBrokenLink(failure, stage);
    const isTemporary = TEMPORARY_LINK_FAULTS.has(fault);
    const serverWords = fault === "too_large" ? undefined : describeLinkFailure(failure) || undefined;
    return explainFault(fault, context, { recipients, isTemporary, serverWords });
  }
  // Asked for encryption and refused: nothing else is sent before STARTTLS.
  const fault = failure.code === "ETLS" ? "no_tls" : replies.classifyReply(reply, stage, context.signIn);
  const code = reply.enhanced === "" ? String(reply.code) : `${reply.code} ${reply.enhanced}`;
  return explainFault(fault, context, {
    recipients,
    isTemporary: reply.code < 500 && fault !== "no_tls", // RFC 5321 §4.2.1: 4yz is transient, 5yz is not
    smtpCode: reply.code,
    serverWords: `${code} ${reply.words}`.trim(),
  });
}

/** The system's words, which a person can search for; a code alone says nothing, so it only follows words. */
function describeLinkFailure(failure: replies.SmtpFailure): string {
  const code = failure.originalCode ?? failure.code ?? "";
  const { message } = failure;
  return message === "" || message.includes(code) ? message : `${message} (${code})`;
}

export function explainFault(
  fault: replies.SmtpFault,
  context: RefusalContext,
  details: MailErrorDetails = {},
): MailError {
  return new MailError(fault, SENTENCES[fault](context, details), details);
}

const SENTENCES: Readonly<
  Record<replies.SmtpFault, (context: RefusalContext, details: MailErrorDetails) => string>
> = {
  app_password_needed: (c) => {
    const place = isGoogle(c.host)
      ? "at https://myaccount.google.com/apppasswords"
      : "in the provider's security settings";
    return `${c.host} wants an app password, not the usual one: make one ${place}, then run "email setup" and paste it`;
  },
  wrong_password: (c) => {
    const which = isGoogle(c.host) ? "a new app password" : "it again";
    return `${c.host} does not accept the password of ${c.address}: it is wrong, or was revoked; run "email setup" and give ${which}`;
  },
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
  mailbox_unknown: (_c, d) => `${listRecipients(d)} does not exist: check the address for a typing mistake`,
  mailbox_full: (_c, d) =>
    `${listRecipients(d)} has no room for more mail: reach them another way, or try again later`,
  sender_refused: (c) =>
    `${c.host} does not let this account send as ${c.address}: run "email setup" with the address that you sign in with`,
  too_large: (c) => {
    const size = c.sizeBytes === undefined ? "" : ` (${formatBytes(c.sizeBytes)} with its encoding)`;
    return `The mail${size} is larger than ${c.host} takes: send fewer or smaller attachments, or a link`;
  },
  rate_limited: (c, d) =>
    d.isTemporary
      ? `${c.host} is asked too often: wait a while before the next try`
      : `You have reached a sending limit of ${c.host}: try again in 24 hours`,
  greylisted: (c) =>
    `${c.host} puts off senders that it does not know yet, and takes the same mail a few minutes later`,
  content_refused: (c) =>
    `${c.host} refuses this mail because of its content: change the text, or leave out the attachment (programs and some archives are refused)`,
  certificate: (c) =>
    `The certificate of ${c.host} cannot be trusted, so nothing was sent: check the host name; for a server of your own give its CA with "email setup --ca FILE"`,
  no_tls: (c) =>
    `${addressOf(c)} offers no encryption, so nothing was sent: use port 465 (TLS) or 587 (STARTTLS)`,
  connection_refused: (c) =>
    `${c.host} refuses connections to port ${c.port}: the mail server may be stopped, or listen on another port, which "email setup" changes`,
  port_blocked: (c) => {
    const other = c.port === 465 ? 587 : 465;
    const advice = `try ${other} with "email setup", or another network`;
    return `${addressOf(c)} does not answer: the network may block that port; ${advice}`;
  },
  no_network: (c) => `Cannot find ${c.host}: check the network, and the host name`,
  connection_lost: (c) => {
    const when = c.sizeBytes === undefined ? "" : " before the mail was handed over, so it was not sent";
    return `The connection to ${c.host} broke${when}`;
  },
  in_doubt: (c) =>
    `The connection to ${c.host} broke just as the mail was handed over, so it may or may not have been taken: look in your Sent folder, then settle it with "email outbox"`,
  server_busy: (c) => `${c.host} cannot take the mail just now`,
  refused: (c) => `${c.host} refuses the mail, and trying again will not help: see its words below`,
};

function addressOf({ host, port }: RefusalContext): string {
  return formatHostAndPort(host, port);
}

function listRecipients(details: MailErrorDetails): string {
  return details.recipients?.join(", ") || "The recipient";
}
