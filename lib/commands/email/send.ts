/**
 * A finished mail on its way: into the outbox, to the server, with a bar for a large one, and what came of it.
 * @module
 */
import { Readable } from "node:stream";
import { UsageError } from "../../errors.ts";
import type { MailAccount } from "../../mail/account.ts";
import type { MailDraft } from "../../mail/draft.ts";
import { MailError } from "../../mail/mail_error.ts";
import { buildMessage, type MailContent } from "../../mail/message.ts";
import type { AddedMail, OutboxItem } from "../../mail/outbox.ts";
import type { OutboxEntry, SendOutcome } from "../../mail/outbox_entry.ts";
import type { SubmissionOptions } from "../../mail/submission.ts";
import { Interrupt } from "../../terminal/interrupt.ts";
import { oneLine, safeText } from "../../terminal/safe_text.ts";
import { dim, green } from "../../terminal/style.ts";
import type { Terminal } from "../../terminal/terminal.ts";
import { type EmailParts, passwordAsker } from "./parts.ts";
import { outcomeLines, refusalLines } from "./words.ts";

/** Mails below this size are gone before a bar could be read, bytes. */
const BAR_FROM_BYTES = 200_000;
/** Columns of a subject in the bar's label. */
const LABEL_COLUMNS = 30;

/**
 * Sends a mail that a person has just written. From the moment that the outbox has it, the draft is not needed; a
 * refusal for good, or Ctrl+C before it was handed over, makes it a draft again.
 */
export async function sendContent(
  parts: EmailParts,
  account: MailAccount,
  mail: MailContent,
  options: { draft: MailDraft; signal: AbortSignal },
): Promise<void> {
  const { terminal, store } = parts;
  using added = await addToOutbox(parts, account, mail);
  const { entry } = added;
  await store.removeMailDraft(options.draft.id);
  let outcome: SendOutcome;
  try {
    outcome = await withBar(
      terminal,
      `Sending ${oneLine(mail.subject, LABEL_COLUMNS) || "the mail"}`,
      entry.sizeBytes,
      (watching) => added.send({ ...watching, signal: options.signal }),
    );
  } catch (error) {
    // Ctrl+C at the question for the password. What is a draft again must not go out by itself.
    if (error instanceof Interrupt) await takeBack(parts, entry, options.draft);
    throw error;
  }
  const isStopped = options.signal.aborted && outcome.kind === "queued";
  if (outcome.kind === "failed" || isStopped) {
    await takeBack(parts, entry, options.draft);
  }
  if (isStopped) {
    await terminal.print("Stopped: nothing was sent. It is kept as a draft: 6 goes on with it.");
    return;
  }
  await terminal.print(outcomeLines(outcome, parts));
  if (outcome.kind === "failed") {
    await terminal.print("Nothing was sent. It is kept as a draft: 6 goes on with it.");
  }
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

/**
 * Shows how far a large mail is while it is being sent; a small one has one line that vanishes.
 *
 * @param sizeBytes Size of the mail.
 */
export async function withBar(
  terminal: Terminal,
  label: string,
  sizeBytes: number,
  run: (watching: Pick<SubmissionOptions, "onProgress">) => Promise<SendOutcome>,
): Promise<SendOutcome> {
  if (sizeBytes < BAR_FROM_BYTES) {
    using _line = terminal.isInteractive ? terminal.liveLine(`${label} …`) : undefined;
    return await run({});
  }
  using bar = terminal.progress({ label, total: sizeBytes });
  const outcome = await run({ onProgress: (sentBytes) => bar.update(sentBytes) });
  if (outcome.kind === "sent") bar.finish();
  return outcome;
}

/**
 * Sends a mail of a list again, with a bar, and says what came of it.
 *
 * @param seen The mail as the person saw it.
 */
export async function retryAndTell(
  parts: EmailParts,
  seen: OutboxItem,
  options: { signal?: AbortSignal } = {},
): Promise<SendOutcome> {
  const outcome = await withBar(
    parts.terminal,
    "Sending again",
    seen.sizeBytes,
    (watching) => parts.outbox.retry(seen, { ...watching, ...options }),
  );
  await parts.terminal.print(outcomeLines(outcome, parts));
  return outcome;
}

/**
 * Sends it, past the outbox: a test that fails is told, not tried again.
 *
 * @returns `null` when the server took it, its refusal otherwise.
 */
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
  const chunks = await Array.fromAsync(message.stream as AsyncIterable<Uint8Array>);
  const mail = {
    envelope: message.envelope,
    sizeBytes: chunks.reduce((sum, chunk) => sum + chunk.length, 0),
    open: () => Readable.from(chunks),
  };
  try {
    using _line = terminal.isInteractive ? terminal.liveLine("Sending the test mail …") : undefined;
    const taken = await parts.mailer.submit(account.id, mail, {
      signal,
      askPassword: passwordAsker(terminal),
    });
    await terminal.print(
      green(`The test mail to ${safeText(account.address)} was taken: look into your inbox.`),
    );
    await terminal.print(dim(`  The server says: ${safeText(taken.reply)}`));
    return null;
  } catch (error) {
    if (!(error instanceof MailError)) throw error;
    await terminal.print(refusalLines(error));
    return error;
  }
}
