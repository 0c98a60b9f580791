/**
 * E-mail as a subcommand, for scripts: everything from flags and standard input, stable exit codes, `--json`.
 *
 * Exit codes: 0 taken for all recipients, 1 refused for anybody, 2 wrong usage, 3 not now (kept in the outbox for whoever
 * does not have it), 4 sign in first.
 * @module
 */
import { Command, CommanderError } from "commander";
import { UsageError } from "../../errors.ts";
import type { MailAccount } from "../../mail/account.ts";
import { MailError } from "../../mail/mail_error.ts";
import { describeAttachment, type MailContent } from "../../mail/message.ts";
import type { SendOutcome } from "../../mail/outbox_entry.ts";
import { Interrupt } from "../../terminal/interrupt.ts";
import { safeText } from "../../terminal/safe_text.ts";
import { printable } from "../../terminal/style.ts";
import { listAccounts, makeDefault, removeAccount, testAccount } from "./accounts.ts";
import { readPath } from "./attachments.ts";
import { runOutboxCommand } from "./outbox.ts";
import { type EmailParts, findAccount } from "./parts.ts";
import { resolveRecipients } from "./recipients.ts";
import { addToOutbox, withBar } from "./send.ts";
import { setUpAccount } from "./setup.ts";
import { exitCodeOf, exitCodeOfRefusal, isKept, outcomeAsJson, outcomeLines, refusalLines } from "./words.ts";

/** What the subcommand needs beyond {@linkcode EmailParts}. */
export interface EmailScript {
  /** Reads all of standard input, for a text given as `-`. */
  readonly readInput: () => Promise<string>;
  /** Writes a line to standard error. */
  readonly printError: (line: string) => Promise<void> | void;
  readonly signal: AbortSignal;
}

interface SendFlags {
  readonly from?: string;
  readonly to?: string[];
  readonly cc?: string[];
  readonly bcc?: string[];
  readonly subject?: string;
  readonly attach?: string[];
  readonly json?: boolean;
}

export async function runEmailSubcommand(
  args: readonly string[],
  parts: EmailParts,
  script: EmailScript,
): Promise<number> {
  let code = 0;
  // Standard error has no terminal of ours before it that would take colours out.
  const printError = (line: string) => script.printError(printable(line, false));
  const program = describeSubcommand(parts, { ...script, printError }, (result) => code = result);
  try {
    await program.parseAsync([...args], { from: "user" });
    return code;
  } catch (error) {
    // commander has printed its own sentence; help and version end with 0.
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
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

/** The flags and words, which also make the help. */
function describeSubcommand(parts: EmailParts, script: EmailScript, finish: (code: number) => void): Command {
  const { signal } = script;
  const program = new Command("email");
  const list = (value: string, before: string[] = []) => [...before, value];
  program.exitOverride().configureOutput({
    writeOut: (text) => void parts.terminal.print(text.trimEnd()),
    writeErr: (text) => void script.printError(text.trimEnd()),
  });
  program
    .description("Send an e-mail, or manage mail accounts and the outbox")
    .argument("[text]", "the text; - reads it from standard input")
    .option(
      "--to <address>",
      "recipient, or several with commas; a Mini-Chat name where one is signed in",
      list,
      [],
    )
    .option("--cc <address>", "gets a copy, seen by all", list)
    .option("--bcc <address>", "gets a copy, seen by nobody", list)
    .option("--subject <text>", "subject")
    .option("--attach <file>", "file to send along; may be given several times", list)
    .option("--from <address>", "account to send from; the default one otherwise")
    .option("--json", "print what came of it as one JSON object")
    .addHelpText(
      "after",
      "\nExit codes: 0 taken for all, 1 refused for anybody, 2 wrong usage, 3 not now for\nsome or all (kept in the outbox), 4 sign in first.",
    )
    .action(async (text: string | undefined, flags: SendFlags) =>
      finish(await sendOnce(parts, script, text ?? "", flags))
    );
  program.command("setup").description("set up an account in a short dialogue")
    .option("--ca <file>", "trust only the CAs in this file (PEM)")
    .action(async (flags: { ca?: string }) => {
      const account = await setUpAccount(parts, {
        ...(flags.ca === undefined ? {} : { caFile: flags.ca }),
        signal,
      });
      finish(account === null ? 1 : 0);
    });
  program.command("accounts").description("list the accounts").option("--json", "one JSON object a line")
    .action((_flags, command: Command) => listAccounts(parts, { json: wantsJson(command) }));
  program.command("default").description("choose the account that is used unless --from says otherwise")
    .argument("<address>", "address of the account").action((address: string) => makeDefault(parts, address));
  program.command("remove").description("remove an account with its secret").argument(
    "<address>",
    "address of the account",
  )
    .action((address: string) => removeAccount(parts, address, { mustAsk: parts.terminal.isInteractive }));
  program.command("test").description("send a test mail to oneself").argument(
    "[address]",
    "the account; the default one otherwise",
  )
    .action(async (address = "") => finish(await testAccount(parts, address, signal)));
  program.command("outbox").description(
    "list what is not sent yet; retry [N] tries again, drop N forgets one",
  )
    .argument("[words...]", "retry [N], or drop N").option("--json", "one JSON object a line")
    .action(async (words: string[], _flags, command: Command) =>
      finish(await runOutboxCommand(parts, words, { json: wantsJson(command), signal }))
    );
  return program;
}

/** `--json` may stand before or behind the inner command's name. */
function wantsJson(command: Command): boolean {
  return command.optsWithGlobals()["json"] === true;
}

async function sendOnce(
  parts: EmailParts,
  script: EmailScript,
  text: string,
  flags: SendFlags,
): Promise<number> {
  const { terminal, outbox } = parts;
  const account = await findAccount(parts, flags.from ?? "");
  if (account === null) {
    await script.printError(
      flags.from === undefined
        ? 'There is no mail account yet: run "email setup" first.'
        : `There is no mail account ${safeText(flags.from)}: "email accounts" lists them.`,
    );
    return 4;
  }
  const mail = await readMail(parts, script, account, text, flags);
  using added = await addToOutbox(parts, account, mail);
  const { entry } = added;
  const send = (watching: object) => added.send({ ...watching, signal: script.signal });
  let outcome: SendOutcome;
  try {
    outcome = flags.json || !terminal.isInteractive
      ? await send({})
      : await withBar(terminal, "Sending", entry.sizeBytes, send);
  } catch (error) {
    if (error instanceof Interrupt) await outbox.drop(entry.id); // Ctrl+C at the question for the password
    throw error;
  }
  // A script sees the refusal and has the mail still: keeping it would only pile up.
  if (outcome.kind === "failed") await outbox.drop(entry.id);
  if (flags.json) {
    const id = isKept(outcome) ? { outboxId: entry.id } : {};
    await terminal.print(JSON.stringify({ ...outcomeAsJson(outcome), ...id }));
  } else if (outcome.kind === "sent") await terminal.print(outcomeLines(outcome, parts));
  else await script.printError(outcomeLines(outcome, parts));
  return exitCodeOf(outcome);
}

async function readMail(
  parts: EmailParts,
  script: EmailScript,
  account: MailAccount,
  text: string,
  flags: SendFlags,
): Promise<MailContent> {
  const lists = { to: flags.to ?? [], cc: flags.cc ?? [], bcc: flags.bcc ?? [] };
  const resolved = { to: [], cc: [], bcc: [] } as { [List in keyof typeof lists]: MailContent["to"] };
  for (const [list, typed] of Object.entries(lists) as [keyof typeof lists, string[]][]) {
    const { addresses, problems } = await resolveRecipients(typed.join(", "), parts.findPublishedAddress);
    if (problems.length > 0) throw new UsageError(`Cannot send: ${problems.join("; ")}`);
    resolved[list] = addresses;
  }
  if (resolved.to.length === 0) throw new UsageError("Cannot send to nobody: give --to ADDRESS");
  const attachments = await Promise.all(
    (flags.attach ?? []).map((path) => describeAttachment(readPath(path, parts.homeFolder))),
  );
  return {
    from: { name: account.name, address: account.address },
    ...resolved,
    subject: flags.subject ?? "",
    text: text === "-" ? await script.readInput() : text,
    attachments,
  };
}
