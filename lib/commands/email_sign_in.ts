/**
 * Asking how an account signs in: a password (stored, from a command, or asked each time), OAuth2, or nothing.
 * @module
 */
import { type SignIn, tidyPassword } from "../mail/account.ts";
import type { SmtpEndpoint } from "../mail/providers.ts";
import { readPasswordCommand } from "../mail/password_command.ts";
import { dim } from "../terminal/style.ts";
import { askOAuth } from "./email_oauth.ts";
import type { EmailParts } from "./email_parts.ts";

/** What is known when the way to sign in is asked for. */
export interface SignInQuestion {
  /** The account's address. */
  readonly address: string;
  /** The account's id. */
  readonly accountId: string;
  /** The server. */
  readonly endpoint: SmtpEndpoint;
  /** How it signed in so far; `null` for a new account. */
  readonly before: SignIn | null;
  /** Stops what is under way. */
  readonly signal: AbortSignal;
}

/**
 * Asks.
 *
 * @param parts See {@linkcode EmailParts}.
 * @param question What is known.
 * @returns The way, secret and all; `null` at the end of the input.
 * @throws {MailError} When the sign-in in the browser fails.
 * @throws {Interrupt} at Ctrl+C.
 */
export async function askSignIn(parts: EmailParts, question: SignInQuestion): Promise<SignIn | null> {
  const isGmail = /(?:^|\.)gmail\.com$/.test(question.endpoint.host);
  const way = await parts.terminal.choose(
    "How do you sign in?",
    [
      {
        value: "password",
        label: isGmail ? "App password" : "Password",
        description: isGmail
          ? "16 letters that Google makes for this program"
          : "or an app password, where the provider has them",
      },
      { value: "oauth2", label: "OAuth2", description: "in the browser, with a client id of your own" },
      { value: "none", label: "Not at all", description: "for a server that trusts its network" },
    ] as const,
    { byDefault: question.before?.kind === "oauth2" ? 1 : question.before?.kind === "none" ? 2 : 0 },
  );
  if (way === null) return null;
  if (way === "none") return { kind: "none" };
  const user = await askUser(parts, question);
  if (user === null) return null;
  return way === "oauth2"
    ? await askOAuth(parts, question, user)
    : await askPassword(parts, question, user, isGmail);
}

/** The name to sign in with; the big providers take the address, so they are not asked about. */
async function askUser(parts: EmailParts, question: SignInQuestion): Promise<string | null> {
  const before = question.before !== null && "user" in question.before
    ? question.before.user
    : question.address;
  if (/(?:gmail|outlook|office365|me|yahoo|gmx)\.(?:com|net)$/.test(question.endpoint.host)) {
    return question.address;
  }
  const typed = await parts.terminal.readLine({ prompt: "User name: ", initial: before, multiline: false });
  return typed === null ? null : typed.trim() || question.address;
}

async function askPassword(
  parts: EmailParts,
  question: SignInQuestion,
  user: string,
  isGmail: boolean,
): Promise<SignIn | null> {
  const { terminal, mailer } = parts;
  if (isGmail) {
    for (
      const line of [
        "1. Turn on 2-Step Verification, if it is off: https://myaccount.google.com/signinoptions/twosv",
        "2. Make an app password, called Mini-Chat say: https://myaccount.google.com/apppasswords",
        "3. Paste its 16 letters here, spaces and all. Your own Google password is never needed.",
      ]
    ) await terminal.print(dim(`  ${line}`));
  }
  const place = await terminal.choose(
    "Where does the password come from?",
    [
      { value: "stored", label: "Stored here", description: "in a file that only you can read" },
      { value: "command", label: "A command", description: "such as a password manager's, run each time" },
      { value: "asked", label: "Asked each time", description: "kept nowhere" },
    ] as const,
    {
      byDefault: question.before?.kind === "password_command"
        ? 1
        : question.before?.kind === "password_asked"
        ? 2
        : 0,
    },
  );
  if (place === null) return null;
  if (place === "command") {
    const before = question.before?.kind === "password_command" ? question.before.command : "";
    const command = await terminal.readLine({ prompt: "Command: ", initial: before, multiline: false });
    if (command === null || command.trim() === "") return null;
    // Tried at once, with keyboard and screen lent to it: a password manager may ask for its own password.
    await terminal.runOutside(() => readPasswordCommand(command));
    return { kind: "password_command", user, command };
  }
  const typed = await terminal.readSecret(isGmail ? "App password: " : "Password: ");
  if (typed === null || typed.trim() === "") return null;
  const password = tidyPassword(typed);
  if (place === "stored") return { kind: "password", user, password };
  mailer.rememberPassword(question.accountId, password);
  return { kind: "password_asked", user };
}
