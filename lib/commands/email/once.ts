// E-mail as a subcommand, for scripts: everything from flags and standard input, stable exit codes, `--json`.
// Exit codes: 0 taken for all recipients, 1 refused for anybody, 2 wrong usage, 3 not now (kept in the outbox for whoever
// does not have it), 4 sign in first.
import { UsageError } from "../../errors.ts";
import type { MailAccount } from "../../mail/account.ts";
import { MailError } from "../../mail/mail_error.ts";
import { describeAttachment, type MailContent } from "../../mail/message.ts";
import type { SendOutcome } from "../../mail/outbox_entry.ts";
import { Interrupt } from "../../terminal/read_line.ts";
import { printable } from "../../terminal/style.ts";
import type { App } from "../app.ts";
import { openAccount } from "../scripts.ts";
import { readPath } from "./attachments.ts";
import {
  type EmailScript,
  type EmailSurroundings,
  findAccount,
  makeEmailParts,
  noAccountWords,
} from "./parts.ts";
import { resolveRecipients } from "./recipients.ts";
import { addToOutbox, withBar } from "./send.ts";
import { exitCodeOf, exitCodeOfRefusal, isKept, outcomeAsJson, outcomeLines, refusalLines } from "./words.ts";
import { jsonLine } from "../../terminal/safe_text.ts";

export interface SendFlags {
  readonly from?: string;
  readonly to?: string[];
  readonly cc?: string[];
  readonly bcc?: string[];
  readonly subject?: string;
  readonly attach?: string[];
  readonly json?: boolean;
}

export async function runEmailOnce(
  app: App,
  surroundings: EmailSurroundings,
  printError: (line: string) => Promise<void>,
  work: (script: EmailScript) => Promise<number | void>,
): Promise<number> {
  const { terminal, profile } = app;
  const parts = makeEmailParts({
    ...surroundings,
    terminal,
    profile,
    triesAgain: false,
    // A script connects only when a name has to be looked up, as the account that signed in last.
    findPublishedAddress: async (name) => {
      if (app.account === null) await openAccount(app, {});
      return (await app.client().findUser(name))?.email ?? null;
    },
  });
  const { signal } = new AbortController();
  return await withExitCode({ parts, readInput: () => app.readInput(), printError, signal }, work);
}

/** Does the work, and turns a refusal into a line on standard error and an exit code. */
export async function withExitCode(
  script: EmailScript,
  work: (script: EmailScript) => Promise<number | void>,
): Promise<number> {
  // Standard error has no terminal of ours before it that would take colours out.
  const printError = (line: string) => script.printError(printable(line, false));
  try {
    return await work({ ...script, printError }) ?? 0;
  } catch (error) {
    if (error instanceof UsageError) {
      await printError(`${error.message}.`);
      return 2;
    }
    if (error instanceof MailError) {
      await printError(refusalLines(error));
      return exitCodeOfRefusal(error);
    }
    throw error;
  }
}

/** @param text None sends files alone: what a pipe holds for a text must not be dropped in silence. */
export async function sendOnce(
  script: EmailScript,
  text: string | undefined,
  flags: SendFlags,
): Promise<number> {
  const { parts, printError } = script;
  const { terminal, outbox } = parts;
  const account = await findAccount(parts, flags.from ?? "");
  if (account === null) {
    await printError(`${noAccountWords(flags.from ?? "")}.`);
    return 4;
  }
  const mail = await readMail(script, account, text, flags);
  using added = await addToOutbox(parts, account, mail);
  const { entry } = added;
  const { signal } = script;
  let outcome: SendOutcome;
  try {
    outcome = flags.json || !terminal.isInteractive
      ? await added.send({ signal })
      : await withBar(terminal, "Sending", entry.sizeBytes, signal, added.send);
  } catch (error) {
    if (error instanceof Interrupt) await outbox.drop(entry.id); // Ctrl+C at the question for the password
    throw error;
  }
  // A script sees the refusal and has the mail still: keeping it would only pile up.
  if (outcome.kind === "failed") await outbox.drop(entry.id);
  if (flags.json) {
    const id = isKept(outcome) ? { outboxId: entry.id } : {};
    await terminal.print(jsonLine({ ...outcomeAsJson(outcome), ...id }));
  } else if (outcome.kind === "sent") await terminal.print(outcomeLines(outcome, parts));
  else await printError(outcomeLines(outcome, parts));
  return exitCodeOf(outcome);
}

async function readMail(
  { parts, readInput }: EmailScript,
  account: MailAccount,
  text: string | undefined,
  flags: SendFlags,
): Promise<MailContent> {
  const resolve = async (typed: readonly string[] = []) => {
    const { addresses, problems } = await resolveRecipients(typed.join(", "), parts.findPublishedAddress);
    if (problems.length > 0) throw new UsageError(`Cannot send: ${problems.join("; ")}`);
    return addresses;
  };
  const to = await resolve(flags.to);
  const cc = await resolve(flags.cc);
  const bcc = await resolve(flags.bcc);
  if (to.length === 0) throw new UsageError("Cannot send without a recipient: give --to ADDRESS");
  if (text === undefined && flags.attach === undefined) {
    throw new UsageError(
      'Cannot send without a text: put it in quotes behind the flags, - to read standard input, or "" for none',
    );
  }
  const attachments = await Promise.all(
    (flags.attach ?? []).map((path) => describeAttachment(readPath(path, parts.homeFolder))),
  );
  return {
    from: { name: account.name, address: account.address },
    to,
    cc,
    bcc,
    subject: flags.subject ?? "",
    text: text === "-" ? await readInput() : text ?? "",
    attachments,
  };
}
