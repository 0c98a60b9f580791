// An e-mail as it travels: headers, text and attachments put together once, and never changed by a retry.
// The building is nodemailer's. Any script and any sign in names, subject, text and file names is encoded so that
// it arrives as written (RFC 2047, RFC 2231); the message id and the date are ours, so that sending the same mail
// again sends the same bytes.
import { basename } from "node:path";
import type { Readable } from "node:stream";
import MailComposer from "nodemailer/lib/mail-composer";
import { systemReasonOf, UsageError } from "../errors.ts";
import { canonicalAddress, type MailAddress } from "./address.ts";

export interface MailAttachment {
  readonly path: string;
  readonly fileName: string; // the name it arrives under
  readonly sizeBytes: number; // when it was looked at
}

export interface MailContent {
  readonly from: MailAddress;
  readonly to: readonly MailAddress[];
  readonly cc: readonly MailAddress[]; // who gets a copy, seen by all
  readonly bcc: readonly MailAddress[]; // who gets a copy, seen by nobody
  readonly subject: string; // one line; may be empty
  readonly text: string; // plain text, lines separated by LF
  readonly attachments: readonly MailAttachment[]; // in the order shown
}

export interface BuiltMessage {
  readonly messageId: string; // the `Message-ID`, with its angle brackets
  readonly envelope: MailEnvelope; // the addresses that the server is told, each once
  readonly stream: Readable; // the bytes, lines ended by CRLF; attachments are read while it is read
}

/** Whom the server is told, whatever the headers say (RFC 5321 §3.3). */
export interface MailEnvelope {
  readonly from: string; // sender, without a name
  readonly to: readonly string[]; // recipients, without names: to, cc and bcc
}

export interface BuildOptions {
  readonly sentAt?: number; // epoch milliseconds for the `Date` header; now by default
  readonly uniqueId?: string; // a unique word for the message id; a random UUID by default
}

export function buildMessage(content: MailContent, options: BuildOptions = {}): BuiltMessage {
  const domain = canonicalAddress(content.from.address).split("@").at(-1) ?? "localhost";
  const messageId = `<${options.uniqueId ?? crypto.randomUUID()}@${domain}>`;
  const composer = new MailComposer({
    from: content.from,
    to: [...content.to],
    cc: [...content.cc],
    subject: content.subject,
    // RFC 5322 §2.3: CR and LF travel only as a pair, which nodemailer makes of each LF.
    text: content.text.replace(/\r\n?/g, "\n"),
    attachments: content.attachments.map((file) => ({ path: file.path, filename: file.fileName })),
    messageId,
    date: new Date(options.sentAt ?? Date.now()),
    newline: "windows",
    disableUrlAccess: true,
  });
  const recipients = [...content.to, ...content.cc, ...content.bcc].map((item) => item.address);
  return {
    messageId,
    envelope: { from: content.from.address, to: dropRepeated(recipients) },
    stream: composer.compile().createReadStream(),
  };
}

function dropRepeated(addresses: readonly string[]): string[] {
  return [...Map.groupBy(addresses, canonicalAddress).values()].map(([first = ""]) => first);
}

/** Looks at a file that is to be sent along. Throws `UsageError` when it is none, or may not be read. */
export async function describeAttachment(path: string): Promise<MailAttachment> {
  try {
    // Opened, not only looked at: a file that may not be read is told now, not after the yes.
    using file = await Deno.open(path, { read: true });
    const info = await file.stat();
    if (!info.isFile) throw new UsageError(`it is ${info.isDirectory ? "a folder" : "no plain file"}`);
    return { path, fileName: basename(path), sizeBytes: info.size };
  } catch (error) {
    const reason = error instanceof Deno.errors.NotFound
      ? "there is no such file"
      : error instanceof Deno.errors.PermissionDenied
      ? "it may not be read"
      : error instanceof Deno.errors.IsADirectory
      ? "it is a folder"
      : systemReasonOf(error);
    throw new UsageError(`Cannot attach ${path}: ${reason}`, { cause: error });
  }
}
