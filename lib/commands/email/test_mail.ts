/**
 * A short mail to oneself, to see that an account works from end to end.
 * @module
 */
import { Readable } from "node:stream";
import type { MailAccount } from "../../mail/account.ts";
import { MailError } from "../../mail/mail_error.ts";
import { buildMessage } from "../../mail/message.ts";
import { safeText } from "../../terminal/safe_text.ts";
import { dim, green } from "../../terminal/style.ts";
import { type EmailParts, passwordAsker } from "./parts.ts";
import { refusalLines } from "./words.ts";

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
