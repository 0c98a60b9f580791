/**
 * Asking how an account signs in: a password (stored, from a command, or asked each time), OAuth2, or nothing.
 * @module
 */
import { type SignIn, tidyPassword } from "../../mail/account.ts";
import type { SmtpEndpoint } from "../../mail/providers.ts";
import { dim } from "../../terminal/style.ts";
import { askOAuth } from "./oauth.ts";
import type { EmailParts } from "./parts.ts";

/** A way to sign in with a password, wherever that comes from. */
export type PasswordSignIn = Exclude<SignIn, { kind: "none" | "oauth2" }>;

export function isPasswordSignIn(signIn: SignIn): signIn is PasswordSignIn {
  return signIn.kind !== "none" && signIn.kind !== "oauth2";
}

export interface SignInQuestion {
  readonly address: string;
  readonly accountId: string;
  readonly endpoint: SmtpEndpoint;
  readonly before: SignIn | null;
  readonly signal: AbortSignal;
}

/**
 * @returns The way, secret and all; `null` at the end of the input.
 * @throws {MailError} When the sign-in in the browser fails.
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
  const { terminal } = parts;
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
      { value: "password", label: "Stored here", description: "in a file that only you can read" },
      {
        value: "password_command",
        label: "A command",
        description: "such as a password manager's, run each time",
      },
      { value: "password_asked", label: "Asked each time", description: "kept nowhere" },
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
  const before = question.before?.kind === "password_command" ? question.before.command : "";
  return await askSecret(parts, question, { kind: place, user, command: before }, {
    password: isGmail ? "App password: " : "Password: ",
    command: "Command: ",
  });
}

/**
 * Asks once more for a password, or for the command that prints it, which the server has just refused.
 *
 * @returns The same way with another secret; `null` when none was given.
 */
export async function askSecretAgain(
  parts: EmailParts,
  question: Pick<SignInQuestion, "accountId">,
  refused: PasswordSignIn,
): Promise<SignIn | null> {
  const command = refused.kind === "password_command" ? refused.command : "";
  const { kind, user } = refused;
  return await askSecret(parts, question, { kind, user, command }, {
    password: "Password (Enter: something else): ",
    command: "Command (empty: something else): ",
  });
}

async function askSecret(
  { terminal, mailer }: EmailParts,
  { accountId }: Pick<SignInQuestion, "accountId">,
  way: { kind: PasswordSignIn["kind"]; user: string; command: string },
  prompts: { password: string; command: string },
): Promise<SignIn | null> {
  const { kind, user } = way;
  if (kind === "password_command") {
    const command = await terminal.readLine({
      prompt: prompts.command,
      initial: way.command,
      multiline: false,
    });
    return command === null || command.trim() === "" ? null : { kind, user, command };
  }
  const typed = await terminal.readSecret(prompts.password);
  if (typed === null || typed.trim() === "") return null;
  const password = tidyPassword(typed);
  if (kind === "password") return { kind, user, password };
  mailer.rememberPassword(accountId, password);
  return { kind, user };
}
