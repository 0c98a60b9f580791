// A finished mail on its way: into the outbox, to the server, with a bar for a large one, and what came of it.
import { Buffer } from "node:buffer";
import { Readable } from "node:stream";
import { UsageError } from "../../errors.ts";
import type { MailAccount } from "../../mail/account.ts";
import type { MailDraft } from "../../mail/draft.ts";
import { MailError } from "../../mail/mail_error.ts";
import { buildMessage, type MailContent } from "../../mail/message.ts";
import type { AddedMail, OutboxItem } from "../../mail/outbox.ts";
import type { OutboxEntry, SendOutcome } from "../../mail/outbox_entry.ts";
import type { SubmissionOptions } from "../../mail/submission.ts";
import { Interrupt } from "../../terminal/read_line.ts";
import { oneLine, safeText } from "../../terminal/safe_text.ts";
import { dim, green } from "../../terminal/style.ts";
import type { Terminal } from "../../terminal/terminal.ts";
import { type EmailParts, passwordAsker } from "./parts.ts";
import { outcomeLines, refusalLines } from "./words.ts";

const BAR_FROM_BYTES = 200_000; // smaller mails are gone before a bar could be read
export const KEPT_AS_DRAFT = "It is kept as a draft: option 6 continues it.";
const LABEL_COLUMNS = 30; // of a subject in the bar's label

/**
 * Sends a mail that a person has just written. From the moment that the outbox has it, the draft is not needed; a
 * refusal for good, or Ctrl+C before it was handed over, makes it a draft again.
 */
export async function sendContent(
  parts: EmailParts,
  account: MailAccount,
  mail: MailContent,
  draft: MailDraft,
  signal: AbortSignal,
): Promise<void> {
  const { terminal, store } = parts;
  using added = await addToOutbox(parts, account, mail);
  const { entry } = added;
  await store.removeMailDraft(draft.id);
  const label = `Sending ${oneLine(mail.subject, LABEL_COLUMNS) || "the mail"}`;
  let outcome: SendOutcome;
  try {
    outcome = await withBar(terminal, label, entry.sizeBytes, signal, added.send);
  } catch (error) {
    // Ctrl+C at the question for the password. What is a draft again must not go out by itself.
    if (error instanceof Interrupt) await takeBack(parts, entry, draft);
    throw error;
  }
  const isStopped = signal.aborted && outcome.kind === "queued";
  const isDraftAgain = isStopped || outcome.kind === "failed";
  if (isDraftAgain) await takeBack(parts, entry, draft);
  if (!isStopped) await terminal.print(outcomeLines(outcome, parts));
  if (!isDraftAgain) return;
  await terminal.print(`${isStopped ? "Stopped: nothing" : "Nothing"} was sent. ${KEPT_AS_DRAFT}`);
}

async function takeBack({ store, outbox, now }: EmailParts, entry: OutboxEntry, draft: MailDraft) {
  // The draft first: a crash in between leaves it twice, which is better than not at all.
  await store.saveMailDraft({ ...draft, savedAt: now() });
  await outbox.drop(entry.id);
}

export async function addToOutbox(
  parts: EmailParts,
  account: MailAccount,
  mail: MailContent,
): Promise<AddedMail> {
  try {
    return await parts.outbox.add(account.id, buildMessage(mail, { sentAt: parts.now() }), mail.subject);
  } catch (error) {
    const file = mail.attachments.find((item) => error instanceof Error && error.message.includes(item.path));
    if (file === undefined) throw error;
    throw new UsageError(`Cannot send ${safeText(file.fileName)}: it can no longer be read`, {
      cause: error,
    });
  }
}

/** Shows how far a large mail is while it is being sent; a small one has one line that vanishes. */
export async function withBar(
  terminal: Terminal,
  label: string,
  sizeBytes: number,
  signal: AbortSignal,
  send: (options: SubmissionOptions) => Promise<SendOutcome>,
): Promise<SendOutcome> {
  if (sizeBytes < BAR_FROM_BYTES) {
    using _line = briefLine(terminal, label);
    return await send({ signal });
  }
  using bar = terminal.progress({ label, total: sizeBytes });
  const outcome = await send({ signal, onProgress: (sentBytes) => bar.update(sentBytes) });
  if (outcome.kind === "sent") bar.finish();
  return outcome;
}

/** A line that says what is going on until it is disposed of; a pipe shows none. */
export function briefLine(terminal: Terminal, label: string): Disposable | undefined {
  return terminal.isInteractive ? terminal.liveLine(`${label} …`) : undefined;
}

/** Sends a mail of a list again, as the person saw it there, and says what came of it. */
export async function retryAndTell(
  parts: EmailParts,
  seen: OutboxItem,
  signal: AbortSignal,
): Promise<SendOutcome> {
  const { terminal, outbox } = parts;
  const retry = (options: SubmissionOptions) => outbox.retry(seen, options);
  const outcome = await withBar(terminal, "Sending again", seen.sizeBytes, signal, retry);
  await terminal.print(outcomeLines(outcome, parts));
  return outcome;
}

/** Sends it past the outbox, as a test that fails is not tried again. `null` when the server took it. */
export async function sendTestMail(
  parts: EmailParts,
  account: MailAccount,
  signal: AbortSignal,
): Promise<MailError | null> {
  const { terminal } = parts;
  const self = { name: account.name, address: account.address };
  const message = buildMessage({
    from: self,
    to: [self],
    cc: [],
    bcc: [],
    subject: "Mini-Chat can send from this account",
    text: "This is the test mail that you asked for. There is nothing to do.\n",
    attachments: [],
  }, { sentAt: parts.now() });
  const bytes = Buffer.concat(await Array.fromAsync(message.stream));
  const mail = {
    envelope: message.envelope,
    sizeBytes: bytes.length,
    open: () => Readable.from([bytes]),
  };
  try {
    using _line = briefLine(terminal, "Sending the test mail");
    const askPassword = passwordAsker(terminal);
    const taken = await parts.mailer.submit(account.id, mail, { signal, askPassword });
    await terminal.print(
      green(`The server accepted the test mail to ${safeText(account.address)}: check your inbox.`),
    );
    await terminal.print(dim(`  The server says: ${safeText(taken.reply)}`));
    return null;
  } catch (error) {
    if (!(error instanceof MailError)) throw error;
    await terminal.print(refusalLines(error));
    return error;
  }
}
