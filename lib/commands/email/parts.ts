// What every e-mail command works with: accounts, drafts and outbox of one profile, and the ways out of the program.
import { join } from "node:path";
import type { MailAccount, MailAccountStore } from "../../mail/account.ts";
import type { DraftStore } from "../../mail/draft.ts";
import { type AskPassword, Mailer } from "../../mail/mailer.ts";
import { Outbox } from "../../mail/outbox.ts";
import type { OutboxStore } from "../../mail/outbox_entry.ts";
import { readPasswordCommand } from "../../mail/password_command.ts";
import { ProfileMailStore } from "../../profile/mail_store.ts";
import type { Profile } from "../../profile/profile.ts";
import type { ReadLineOptions } from "../../terminal/read_line.ts";
import { safeText } from "../../terminal/safe_text.ts";
import type { Terminal } from "../../terminal/terminal.ts";
import { retypeLines } from "./words.ts";

export interface EmailSurroundings {
  readonly profileFolder: string;
  readonly homeFolder?: string | undefined; // folder that `~` stands for; unset where it is not known
  /** Opens a link in the person's browser; `false` where there is none, as over ssh. */
  readonly openBrowser: (url: string) => Promise<boolean>;
}

export interface EmailOptions extends EmailSurroundings {
  readonly terminal: Terminal;
  readonly profile: Profile;
  /** The address that a Mini-Chat user has published; `null` when none, undefined when it cannot be asked now. */
  readonly findPublishedAddress: (userName: string) => Promise<string | null | undefined>;
  /** Whether this run of the program sends what is due by itself: at the menu, not in a script, which ends. */
  readonly triesAgain: boolean;
  readonly now?: () => number; // epoch milliseconds; `Date.now` by default
}

export interface EmailParts extends Omit<EmailOptions, "profile" | "profileFolder" | "now"> {
  readonly store: MailAccountStore & DraftStore & OutboxStore;
  readonly mailer: Mailer;
  readonly outbox: Outbox; // sends while somebody can be asked for a password
  readonly backgroundOutbox: Outbox; // sends while nobody can
  readonly now: () => number;
}

export interface EmailScript {
  readonly parts: EmailParts;
  readonly readInput: () => Promise<string>; // all of standard input, for a text given as `-`
  readonly printError: (line: string) => Promise<void> | void; // a line to standard error
  readonly signal: AbortSignal;
}

export function makeEmailParts(options: EmailOptions): EmailParts {
  const { profile, profileFolder, ...rest } = options;
  const now = options.now ?? Date.now;
  const store = new ProfileMailStore(profile.database, now);
  const { terminal } = options;
  const mailer = new Mailer({
    accounts: store,
    now,
    runPasswordCommand: (command, canAsk) =>
      canAsk && terminal.isInteractive
        ? terminal.runOutside(() => readPasswordCommand(command))
        : readPasswordCommand(command, false),
  });
  const spoolFolder = join(profileFolder, "mail-outbox");
  const askPassword = passwordAsker(terminal);
  const outbox = new Outbox({
    store,
    spoolFolder,
    now,
    submit: (accountId, mail, options) => mailer.submit(accountId, mail, { ...options, askPassword }),
  });
  const backgroundOutbox = new Outbox({ store, spoolFolder, now, submit: mailer.submit.bind(mailer) });
  return { ...rest, store, mailer, now, outbox, backgroundOutbox };
}

/** In a pipe nobody is asked for a password, as the input may be the mail's text. */
export function passwordAsker(terminal: Terminal): AskPassword {
  return async (account, refused) => {
    if (!terminal.isInteractive) return null;
    if (refused !== null) await terminal.print(retypeLines(refused));
    const wayOut = refused === null ? "" : " (Enter: give up)";
    return await terminal.readSecret(`Password of ${safeText(account.address)}${wayOut}: `);
  };
}

/** Finds an account by its address, in any case; an empty one means the default account. */
export async function findAccount(parts: EmailParts, address: string): Promise<MailAccount | null> {
  const accounts = await parts.store.listMailAccounts();
  if (address === "") return accounts[0] ?? null;
  const wanted = address.toLowerCase();
  return accounts.find((account) => account.address.toLowerCase() === wanted) ?? null;
}

/** Says that {@linkcode findAccount} found none; a sentence without its period. */
export function noAccountWords(address: string): string {
  return address === ""
    ? 'There is no mail account yet: "email setup" makes one'
    : `There is no mail account ${safeText(address)}: "email accounts" lists them`;
}

/** Asks for one line, and gives it without the spaces around it; `null` at the end of the input. */
export async function askLine(terminal: Terminal, prompt: string, initial = ""): Promise<string | null> {
  const typed = await terminal.readLine({ prompt, initial, multiline: false });
  return typed === null ? null : typed.trim();
}

/** Asks until the answer can be used; a pipe, which would be asked the same for ever, is asked once. */
export async function askUntil<Value>(
  terminal: Terminal,
  question: ReadLineOptions,
  read: (text: string) => Value | null,
  advice: string,
): Promise<Value | null> {
  while (true) {
    const typed = await terminal.readLine({ ...question, multiline: false });
    if (typed === null) return null;
    const value = read(typed.trim());
    if (value !== null) return value;
    await terminal.print(`  ${advice}`);
    if (!terminal.isInteractive) return null;
  }
}
