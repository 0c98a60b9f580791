// The subcommand `email`: its flags and words, which are its help too. What it does is loaded when it runs.
import { type Command, Option } from "commander";
import { UsageError } from "../../errors.ts";
import { checkOneText } from "../command_line.ts";
import type { SendFlags } from "./once.ts";
import type { EmailScript } from "./parts.ts";
import type { SetupFlags } from "./setup/from_flags.ts";

/** Gives the work what it needs; its result is the exit code, 0 when there is none. */
type WithEmail = (work: (script: EmailScript) => Promise<number | void>) => Promise<void>;

export function addEmailCommand(program: Command, withEmail: WithEmail): void {
  const list = (value: string, before: string[] = []) => [...before, value];
  const email = program.command("email").description("send an e-mail; manage mail accounts and the outbox")
    .argument("[text]", "the text; - reads it from standard input, none is needed with --attach")
    .option(
      "--to <recipient>",
      "recipient, or several with commas; a Mini-Chat name if you are signed in",
      list,
    )
    .option("--cc <recipient>", "gets a copy, seen by all", list)
    .option("--bcc <recipient>", "gets a copy, seen by nobody", list)
    .option("--subject <text>", "subject")
    .option("--attach <file>", "file to send along; may be given several times", list)
    .option("--from <address>", "account to send from; the default one otherwise")
    .option("--json", "print the result as one JSON object")
    .addHelpText(
      "after",
      "\nExit codes: 0 taken for all, 1 refused for anybody, 2 wrong usage, 3 not now for\nsome or all (kept in the outbox), 4 sign in first.",
    )
    .allowExcessArguments()
    .action(async (text: string | undefined, flags: SendFlags, { args, commands }: Command) => {
      if (flags.to === undefined) await checkNotMistyped(args[0], commands.map((command) => command.name()));
      checkOneText(args, "send", 'email --to bob "hello there"');
      await withEmail(async (script) => await (await import("./once.ts")).sendOnce(script, text, flags));
    });
  email.command("setup").description(
    "set up an account in a short dialogue; with --address without a question",
  )
    .option("--address <address>", "address that mails come from")
    .option("--name <text>", "name that recipients see")
    .option("--provider <provider>", "mail provider, such as Gmail (default: that of the address)")
    .option("--host <name>", "mail server, in place of a provider's")
    .option("--port <number>", "its port (default: 465 for TLS, 587 for STARTTLS)")
    .addOption(
      new Option("--security <kind>", "how it is encrypted").default(undefined, "as its port has it").choices(
        [
          "tls",
          "starttls",
        ],
      ),
    )
    .option("--user <name>", "name to sign in with (default: the address)")
    .addOption(
      new Option(
        "--auth <kind>",
        "sign in with the password on the first line of standard input, kept; with what a command prints each " +
          "time; with a password that is asked for each time; or not at all",
      ).choices(["password", "command", "asked", "none"]),
    )
    .option("--command <command>", "command that prints the password, run each time")
    .option("--ca <file>", "trust only the CAs in this file (PEM)")
    .option("--default", "make it the account that is used unless --from says otherwise")
    .option("--no-check", "save it without signing in first")
    .option("--json", "print the account as one JSON object")
    .action((_flags, command: Command) =>
      withEmail(async (script) => {
        const flags: SetupFlags = { ...command.opts<SetupFlags>(), json: wantsJson(command) };
        if (command.options.some((it) => it.long !== "--ca" && isGiven(command, it)) || flags.json) {
          const { setUpFromFlags } = await import("./setup/from_flags.ts");
          return await setUpFromFlags(script, flags);
        }
        const { setUpAccount } = await import("./setup.ts");
        return await setUpAccount(script.parts, flags.ca, script.signal) ? 0 : 1;
      })
    );
  email.command("accounts").description("list the accounts").option("--json", "one JSON object per line")
    .action((_flags, command: Command) =>
      withEmail(async ({ parts }) =>
        await (await import("./accounts.ts")).listAccounts(parts, { json: wantsJson(command) })
      )
    );
  email.command("default").description("choose the account that is used unless --from says otherwise")
    .argument("<address>", "address of the account")
    .action((address: string) =>
      withEmail(async ({ parts }) => await (await import("./accounts.ts")).makeDefault(parts, address))
    );
  email.command("remove").description("remove an account with its secret")
    .argument("<address>", "address of the account")
    .action((address: string) =>
      withEmail(async ({ parts }) => {
        const { removeAccount } = await import("./accounts.ts");
        await removeAccount(parts, address, { mustAsk: parts.terminal.isInteractive });
      })
    );
  email.command("test").description("send a test mail to yourself")
    .argument("[address]", "the account; the default one otherwise")
    .action((address = "") =>
      withEmail(async ({ parts, signal }) =>
        await (await import("./accounts.ts")).testAccount(parts, address, signal)
      )
    );
  const outbox = (words: readonly string[], command: Command) =>
    withEmail(async ({ parts, signal }) => {
      const { runOutboxCommand } = await import("./outbox.ts");
      return await runOutboxCommand(parts, words, { json: wantsJson(command), signal });
    });
  const waiting = email.command("outbox").description("list what is not sent yet; try it again, or drop it")
    .option("--json", "one JSON object per line")
    .allowExcessArguments()
    .action((_flags, command: Command) => outbox(command.args, command));
  waiting.command("retry").description("send one of them now, or all")
    .argument("[mail]", "its number, as email outbox shows it; all of them without one")
    .action((number: string | undefined, _flags, command: Command) =>
      outbox(number === undefined ? ["retry"] : ["retry", number], command)
    );
  waiting.command("drop").description("remove one without sending it")
    .argument("<mail>", "its number, as email outbox shows it")
    .action((number: string, _flags, command: Command) => outbox(["drop", number], command));
}

/** A text without a recipient is rather meant to be a subcommand, where it is near to one. */
async function checkNotMistyped(word: string | undefined, names: readonly string[]): Promise<void> {
  if (word === undefined) return;
  if (word === "help") throw new UsageError("Cannot find email help: help email explains it");
  const { nearestName } = await import("../../terminal/nearest_name.ts");
  const near = nearestName(word, names);
  if (near !== null) throw new UsageError(`Cannot find email ${word}: did you mean email ${near}?`);
}

function isGiven(command: Command, option: Option): boolean {
  return command.getOptionValueSource(option.attributeName()) === "cli";
}

/** `--json` may stand before or behind the inner command's name. */
function wantsJson(command: Command): boolean {
  return command.optsWithGlobals()["json"] === true;
}
