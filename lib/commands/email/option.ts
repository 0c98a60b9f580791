// Option 6, Send an email, and the commands around it at the menu.
import { OPTIONS } from "../options.ts";
import { UsageError } from "../../errors.ts";
import { MailError } from "../../mail/mail_error.ts";
import { type CommandContext, completeFirstWord, type MenuCommand } from "../../terminal/menu.ts";
import type { App } from "../app.ts";
import { listAccounts, makeDefault, removeAccount, testAccount } from "./accounts.ts";
import { composeEmail } from "./compose.ts";
import { runOutboxCommand } from "./outbox.ts";
import { type EmailParts, type EmailSurroundings, makeEmailParts } from "./parts.ts";
import { setUpAccount } from "./setup.ts";
import { refusalLines } from "./words.ts";

const WORDS = ["setup", "accounts", "default", "remove", "test", "outbox"];

/** The e-mail part of a client at its menu, where a name is looked up as whoever is signed in. */
export function emailAtMenu(app: App, surroundings: EmailSurroundings): EmailParts {
  const { terminal, profile } = app;
  return makeEmailParts({
    ...surroundings,
    terminal,
    profile,
    triesAgain: true,
    findPublishedAddress: async (name) =>
      app.isOnline ? (await app.client().findUser(name))?.email ?? null : undefined,
  });
}

export function emailOption(parts: EmailParts): MenuCommand {
  return {
    ...OPTIONS.email,
    aliases: ["mail"],
    details: [
      "Without more words, it asks for everything; the first time it sets up an account.",
      "  email setup [--ca FILE]    set up an account, or sign in again",
      "  email accounts             list them",
      "  email default ADDRESS      choose the one that is used",
      "  email test [ADDRESS]       send a test mail to yourself",
      "  email remove ADDRESS       remove one with its secret",
      "  email outbox [retry [N] | drop N]",
    ].join("\n"),
    complete: (args) => completeFirstWord(args, WORDS),
    run: async (args, context) => {
      try {
        await runAtMenu(parts, args.trim(), context);
      } catch (error) {
        if (!(error instanceof MailError)) throw error;
        await context.terminal.print(refusalLines(error));
      }
    },
  };
}

async function runAtMenu(parts: EmailParts, args: string, { signal }: CommandContext): Promise<void> {
  const [word = "", ...rest] = args.split(/\s+/);
  const argument = args.slice(word.length).trim();
  switch (word) {
    case "setup":
      await setUpAccount(parts, readCaFlag(argument), signal);
      return;
    case "accounts":
      return await listAccounts(parts, { json: false });
    case "default":
      return await makeDefault(parts, argument);
    case "remove":
      return await removeAccount(parts, argument, { mustAsk: true });
    case "test":
      await testAccount(parts, argument, signal);
      return;
    case "outbox":
      await runOutboxCommand(parts, rest, { json: false, signal });
      return;
  }
  if ((await parts.store.listMailAccounts()).length === 0) {
    await parts.terminal.print("There is no mail account yet. Setting one up takes a minute.");
    if (!await setUpAccount(parts, undefined, signal)) return;
  }
  await composeEmail(parts, args, signal);
}

function readCaFlag(argument: string): string | undefined {
  const file = /^--ca[= ](.+)$/.exec(argument)?.[1];
  if (file === undefined && argument !== "") {
    throw new UsageError(`Cannot set up with ${argument}: only --ca FILE may follow`);
  }
  return file;
}
