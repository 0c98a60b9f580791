// Asking how an account signs in: a password (stored, from a command, or asked each time), OAuth2, or nothing.
import { type MailAccount, type SignIn, tidyPassword } from "../../../mail/account.ts";
import { beginConsent, finishConsent, type PendingConsent } from "../../../mail/oauth.ts";
import { LoopbackRedirect, readPastedAnswer } from "../../../mail/oauth_redirect.ts";
import {
  findOAuthService,
  GOOGLE,
  type OAuthService,
  type OAuthSettings,
} from "../../../mail/oauth_service.ts";
import { isGoogle } from "../../../mail/providers.ts";
import { cyan, dim, green } from "../../../terminal/style.ts";
import type { Terminal } from "../../../terminal/terminal.ts";
import { unlessAborted } from "../../../waiting.ts";
import { askLine, askUntil, type EmailParts } from "../parts.ts";

const APP_PASSWORD_STEPS = [
  "Turn on 2-Step Verification, if it is off: https://myaccount.google.com/signinoptions/twosv",
  "Make an app password, named Mini-Chat for example: https://myaccount.google.com/apppasswords",
  "Paste its 16 letters here, with or without the spaces. Your own Google password is never needed.",
];
const OAUTH_CLIENT_STEPS = [
  'Make a client of the type "Desktop app": https://console.cloud.google.com/auth/clients',
  "Turn on the Gmail API for its project, and add yourself as a test user.",
  "Paste its client id and client secret here.",
];

async function printSteps(terminal: Terminal, steps: readonly string[]): Promise<void> {
  for (const [at, step] of steps.entries()) await terminal.print(dim(`  ${at + 1}. ${step}`));
}

export type PasswordSignIn = Exclude<SignIn, { kind: "none" | "oauth2" }>;

const PLACES: readonly SignIn["kind"][] = ["password", "password_command", "password_asked"];

export function isPasswordSignIn(signIn: SignIn): signIn is PasswordSignIn {
  return PLACES.includes(signIn.kind);
}

interface SignInQuestion extends Pick<MailAccount, "id" | "address" | "endpoint"> {
  readonly before: SignIn | null; // `null` for a new account
  readonly signal: AbortSignal;
}

/** `null` at the end of the input; throws {@linkcode MailError} when the sign-in in the browser fails. */
export async function askSignIn(parts: EmailParts, question: SignInQuestion): Promise<SignIn | null> {
  const isGmail = isGoogle(question.endpoint.host);
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
      { value: "none", label: "Without a sign-in", description: "for a server that trusts its network" },
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
  const { address, before, endpoint } = question;
  if (/(?:gmail|outlook|office365|me|yahoo|gmx)\.(?:com|net)$/.test(endpoint.host)) return address;
  const initial = before !== null && "user" in before ? before.user : address;
  const typed = await askLine(parts.terminal, "User name: ", initial);
  return typed === "" ? address : typed;
}

async function askPassword(
  parts: EmailParts,
  question: SignInQuestion,
  user: string,
  isGmail: boolean,
): Promise<SignIn | null> {
  const { terminal } = parts;
  if (isGmail) await printSteps(terminal, APP_PASSWORD_STEPS);
  const place = await terminal.choose(
    "Where does the password come from?",
    [
      { value: "password", label: "Stored here", description: "in a file that only you can read" },
      { value: "password_command", label: "A command", description: "of a password manager, run each time" },
      { value: "password_asked", label: "Asked each time", description: "kept nowhere" },
    ] as const,
    { byDefault: Math.max(0, PLACES.indexOf(question.before?.kind ?? "password")) },
  );
  if (place === null) return null;
  const command = question.before?.kind === "password_command" ? question.before.command : "";
  return await askSecret(parts, question.id, { kind: place, user, command }, {
    password: isGmail ? "App password: " : "Password: ",
    command: "Command: ",
  });
}

/** Asks once more for a password, or for the command that prints it, which the server has just refused. */
export async function askSecretAgain(
  parts: EmailParts,
  accountId: string,
  refused: PasswordSignIn,
): Promise<SignIn | null> {
  return await askSecret(parts, accountId, { command: "", ...refused }, {
    password: "Password (Enter: something else): ",
    command: "Command (empty: something else): ",
  });
}

async function askSecret(
  { terminal, mailer }: EmailParts,
  accountId: string,
  { kind, user, command: initial }: { kind: PasswordSignIn["kind"]; user: string; command: string },
  prompts: { password: string; command: string },
): Promise<SignIn | null> {
  if (kind === "password_command") {
    const command = await terminal.readLine({ prompt: prompts.command, initial, multiline: false });
    return command?.trim() ? { kind, user, command } : null;
  }
  const typed = await terminal.readSecret(prompts.password);
  if (!typed?.trim()) return null;
  const password = tidyPassword(typed);
  if (kind === "password") return { kind, user, password };
  mailer.rememberPassword(accountId, password);
  return { kind, user };
}

async function askOAuth(parts: EmailParts, question: SignInQuestion, user: string): Promise<SignIn | null> {
  const settings = await askSettings(parts, question);
  if (settings === null) return null;
  await using redirect = new LoopbackRedirect(settings.service.redirectHost);
  const pending = await beginConsent(settings, redirect.redirectUri, user);
  const answer = await waitForAnswer(parts, redirect, pending, question.signal);
  if (answer === null) return null;
  const tokens = await finishConsent(settings, pending, answer, parts.now());
  await parts.terminal.print(green("The provider lets Mini-Chat send for you."));
  return { kind: "oauth2", user, settings, tokens };
}

/** Opens the browser and waits for whichever comes first: its answer, or a pasted address. */
async function waitForAnswer(
  parts: EmailParts,
  redirect: LoopbackRedirect,
  pending: PendingConsent,
  signal: AbortSignal,
): Promise<URL | null> {
  const { terminal } = parts;
  // Before the browser opens: one that is signed in already answers at once.
  const arrived = new AbortController();
  const fromBrowser = redirect.waitFor(pending).finally(() => arrived.abort());
  const isOpen = await parts.openBrowser(pending.url);
  const otherwise = isOpen ? "Your browser shows the sign-in. If it does not, open this" : "Open this";
  await terminal.print(`${otherwise} link in a browser:`);
  // On a line of its own, and whole: it must survive being copied.
  await terminal.print(cyan(pending.url));
  const elsewhere = "If it runs on another machine, paste the address of its last page here";
  await terminal.print(dim(`Waiting for the browser. ${elsewhere}, even if that page did not load.`));
  const promptSignal = AbortSignal.any([arrived.signal, signal]);
  const question = { prompt: "Address: ", multiline: false, after: "erase" } as const;
  while (true) {
    let pasted: string | null;
    try {
      pasted = await terminal.readLine({ ...question, signal: promptSignal });
    } catch (error) {
      if (arrived.signal.aborted) return await fromBrowser;
      throw error;
    }
    // The end of a pipe is no refusal: the browser may still answer.
    if (pasted === null) return terminal.isInteractive ? null : await unlessAborted(signal, fromBrowser);
    if (pasted.trim() === "") continue;
    const answer = readPastedAnswer(pasted, pending);
    if (answer instanceof URL) return answer;
    await terminal.print(`  ${answer}.`);
  }
}

async function askSettings(parts: EmailParts, question: SignInQuestion): Promise<OAuthSettings | null> {
  const { terminal } = parts;
  const { before, endpoint } = question;
  if (before?.kind === "oauth2" && await terminal.confirm("Use the same OAuth2 client as before?", true)) {
    return before.settings;
  }
  const service = findOAuthService(endpoint.host) ?? await askService(parts);
  if (service === null) return null;
  if (service === GOOGLE) await printSteps(terminal, OAUTH_CLIENT_STEPS);
  const clientId = await askLine(terminal, "Client id: ");
  if (!clientId) return null;
  const secret = await terminal.readSecret("Client secret (Enter: it has none): ");
  if (secret === null) return null;
  return {
    service,
    clientId,
    ...(secret.trim() === "" ? {} : { clientSecret: secret.trim() }),
    // A provider of one's own, as in a company, has its mail server and its sign-in under the same CA.
    ...(endpoint.caPem === undefined ? {} : { caPem: endpoint.caPem }),
  };
}

async function askService(parts: EmailParts): Promise<OAuthService | null> {
  await parts.terminal.print(
    "Mini-Chat does not know this provider's OAuth2 addresses; look them up in its documentation.",
  );
  const authorizationUrl = await askUrl(parts, "Authorization address (https://…): ");
  if (authorizationUrl === null) return null;
  const tokenUrl = await askUrl(parts, "Token address (https://…): ");
  if (tokenUrl === null) return null;
  const scope = await askLine(parts.terminal, "Scope: ");
  if (!scope) return null;
  const issuer = new URL(authorizationUrl).origin;
  return { issuer, authorizationUrl, tokenUrl, scope, redirectHost: "127.0.0.1" };
}

/** An empty line gives up, as the end of the input does. */
async function askUrl(parts: EmailParts, prompt: string): Promise<string | null> {
  const isHttps = (text: string) => URL.parse(text)?.protocol === "https:";
  const read = (text: string) => text === "" || isHttps(text) ? text : null;
  return await askUntil(parts.terminal, { prompt }, read, "It must begin with https://.") || null;
}
