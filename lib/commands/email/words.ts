// How e-mail reads on the screen: sizes, outcomes, refusals with the server's words beneath.
import { isSignInFault, type MailError } from "../../mail/mail_error.ts";
import type { SendOutcome } from "../../mail/outbox_entry.ts";
import type { OutboxItem } from "../../mail/outbox.ts";
import { formatBytes } from "../../bytes.ts";
import { oneLine, safeText } from "../../terminal/safe_text.ts";
import { bold, dim, green, red, yellow } from "../../terminal/style.ts";
import { count } from "../../count.ts";
import { ago, moment } from "../format.ts";

interface Later {
  readonly now: () => number;
  readonly triesAgain: boolean; // whether this program tries again by itself
}

const SUBJECT_COLUMNS = 40;
const RECIPIENTS_COLUMNS = 60;

/** A refusal: one sentence with the next step, the server's own words beneath. */
export function refusalLines(error: MailError): string {
  return `${red(`${safeText(error.message)}.`)}${wordsBeneath(error)}`;
}

/** A password that was not accepted, where it is asked for again at once. */
export function retypeLines(error: MailError): string {
  if (error.fault !== "wrong_password") return refusalLines(error);
  return `${red("That password is not accepted.")}${wordsBeneath(error)}`;
}

function wordsBeneath({ serverWords }: MailError): string {
  return serverWords === undefined ? "" : `\n${dim(`  ${safeText(serverWords)}`)}`;
}

export function outcomeLines(outcome: SendOutcome, later: Later): string {
  switch (outcome.kind) {
    case "sent":
      return [
        green(`Sent to ${safeText(outcome.accepted.join(", "))}.`),
        dim(`  The server says: ${safeText(outcome.reply)}`),
        dim(`  Message id: ${safeText(outcome.messageId)}`),
        ...outcome.refused.map(refusedRecipient),
      ].join("\n");
    case "queued":
      return `${refusalLines(outcome.error)}\n${yellow(keptWords(outcome, later))}`;
    case "failed":
    case "in_doubt":
      return refusalLines(outcome.error);
    case "skipped":
      return "Not sent: the mail was removed, needs your decision, or another Mini-Chat is sending it.";
  }
}

function keptWords(outcome: Extract<SendOutcome, { kind: "queued" }>, later: Later): string {
  // A try without the password would be in vain, and the refusal has said what to do.
  if (outcome.error.fault === "secret_missing") return "It is kept in the outbox.";
  return later.triesAgain
    ? `It is kept in the outbox and tried again at ${moment(outcome.nextAttemptAt, later.now())}.`
    : 'It is kept in the outbox: "email outbox retry" tries again, and so does Mini-Chat while its menu is open.';
}

function refusedRecipient(error: MailError): string {
  const whom = safeText(error.recipients?.join(", ") ?? "one recipient");
  const later = error.isTemporary ? yellow(" It stays in the outbox for them.") : "";
  return `${yellow(`Not to ${whom}:`)} ${red(`${safeText(error.message)}.`)}${later}${wordsBeneath(error)}`;
}

export function outboxLines(item: OutboxItem, position: number, later: Later): string {
  const to = oneLine(item.to.join(", "), RECIPIENTS_COLUMNS);
  const about = `to ${to}, ${formatBytes(item.sizeBytes)}, written ${ago(item.queuedAt, later.now())}`;
  const lines = [`${bold(String(position))}  ${subjectOf(item)}  ${dim(about)}`, stateWords(item, later)];
  if (item.problem !== null && !item.isBeingSent) {
    lines.push(`${safeText(item.problem.message)}.`);
    if (item.problem.serverWords !== "") lines.push(dim(safeText(item.problem.serverWords)));
  }
  return lines.join("\n     ");
}

export function subjectOf(mail: { readonly subject: string }): string {
  return oneLine(mail.subject, SUBJECT_COLUMNS) || "(no subject)";
}

function stateWords(item: OutboxItem, later: Later): string {
  if (item.isBeingSent) return "being sent";
  switch (item.state) {
    case "queued": {
      const tried = item.attempts === 0 ? "" : ` after ${count(item.attempts, "attempt")}`;
      return yellow(`waits${tried}; it is tried ${whenTried(item, later)}`);
    }
    case "sending":
      return yellow(`was interrupted before it was handed over; it is tried ${whenTried(item, later)}`);
    case "in_doubt":
      return red("in doubt: it may have arrived; it is not sent again unless you say so");
    case "failed":
      return red("refused; it is not tried again unless you say so");
  }
}

function whenTried(item: OutboxItem, { now, triesAgain }: Later): string {
  if (!triesAgain) return "while the menu of Mini-Chat is open";
  const isDue = item.state === "sending" || item.nextAttemptAt <= now();
  return isDue ? "soon" : `again at ${moment(item.nextAttemptAt, now())}`;
}

/** Of a script: 0 taken for all, 1 refused for anybody, 3 not now (kept for whoever does not have it), 4 sign in first. */
export function exitCodeOf(outcome: SendOutcome): number {
  if (outcome.kind === "failed") return exitCodeOfRefusal(outcome.error);
  if (outcome.kind !== "sent") return 3; // when it was skipped, too: nobody has refused it
  if (outcome.refused.some((error) => !error.isTemporary)) return 1;
  return isKept(outcome) ? 3 : 0;
}

export function isKept(outcome: SendOutcome): boolean {
  if (outcome.kind === "sent") return outcome.refused.some((error) => error.isTemporary);
  return outcome.kind === "queued" || outcome.kind === "in_doubt";
}

export function exitCodeOfRefusal(error: MailError): number {
  if (isSignInFault(error.fault)) return 4;
  return error.isTemporary ? 3 : 1;
}

/** An outcome as a script reads it: stable names, no colours. */
export function outcomeAsJson(outcome: SendOutcome): Record<string, unknown> {
  if (outcome.kind === "skipped") return { state: "skipped" };
  if (outcome.kind === "sent") {
    const { kind, refused, ...rest } = outcome;
    return { state: kind, ...rest, refused: refused.map(refusalAsJson) };
  }
  const { kind, error, ...rest } = outcome;
  return { state: kind, ...rest, problem: refusalAsJson(error) };
}

function refusalAsJson(error: MailError): Record<string, unknown> {
  return {
    fault: error.fault,
    message: error.message,
    temporary: error.isTemporary,
    smtpCode: error.smtpCode ?? null,
    serverWords: error.serverWords ?? null,
    recipients: error.recipients ?? null,
  };
}
