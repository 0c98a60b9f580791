/**
 * Signing in with OAuth2: the client id, the browser, and the answer that it brings back or that is pasted.
 * @module
 */
import type { SignIn } from "../../mail/account.ts";
import { LoopbackRedirect, readPastedAnswer } from "../../mail/oauth_redirect.ts";
import { beginConsent, finishConsent, type PendingConsent } from "../../mail/oauth.ts";
import { findOAuthService, GOOGLE, type OAuthService, type OAuthSettings } from "../../mail/oauth_service.ts";
import { cyan, dim, green } from "../../terminal/style.ts";
import type { EmailParts } from "./parts.ts";
import type { SignInQuestion } from "./sign_in.ts";

/**
 * @returns The way to sign in, tokens and all; `null` when the person gave up.
 * @throws {MailError} When the provider refuses.
 */
export async function askOAuth(
  parts: EmailParts,
  question: SignInQuestion,
  user: string,
): Promise<SignIn | null> {
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
  const fromBrowser = redirect.waitFor(pending).then((answer) => {
    arrived.abort("the browser has answered");
    return answer;
  });
  const isOpen = await parts.openBrowser(pending.url);
  await terminal.print(
    isOpen
      ? "Your browser shows the sign-in. If it does not, open this link:"
      : "Open this link in a browser:",
  );
  // On a line of its own, and whole: it must survive being copied.
  await terminal.print(cyan(pending.url));
  await terminal.print(
    dim(
      "Waiting for the browser. Is it on another machine? Then paste the address of its last page here, though it could not be opened.",
    ),
  );
  const promptSignal = AbortSignal.any([arrived.signal, signal]);
  while (true) {
    let pasted: string | null;
    try {
      pasted = await terminal.readLine({
        prompt: "Address: ",
        multiline: false,
        after: "erase",
        signal: promptSignal,
      });
    } catch (error) {
      if (arrived.signal.aborted) return await fromBrowser;
      throw error;
    }
    // The end of a pipe is no refusal: the browser may still answer.
    if (pasted === null) return terminal.isInteractive ? null : await fromBrowser;
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
  if (service === GOOGLE) {
    await terminal.print(
      dim('  1. Make a client of the type "Desktop app": https://console.cloud.google.com/auth/clients'),
    );
    await terminal.print(dim("  2. Turn on the Gmail API for its project, and add yourself as a test user."));
    await terminal.print(dim("  3. Paste its id and its secret here."));
  }
  const clientId = await askWord(parts, "Client id: ");
  if (clientId === null) return null;
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

/** Asks for the addresses of a provider that is not known here. */
async function askService(parts: EmailParts): Promise<OAuthService | null> {
  await parts.terminal.print(
    "The provider's OAuth2 addresses are not known here; its documentation has them.",
  );
  const authorizationUrl = await askUrl(parts, "Authorization address (https://…): ");
  if (authorizationUrl === null) return null;
  const tokenUrl = await askUrl(parts, "Token address (https://…): ");
  if (tokenUrl === null) return null;
  const scope = await askWord(parts, "Scope: ");
  if (scope === null) return null;
  return {
    issuer: new URL(authorizationUrl).origin,
    authorizationUrl,
    tokenUrl,
    scope,
    redirectHost: "127.0.0.1",
  };
}

async function askUrl(parts: EmailParts, prompt: string): Promise<string | null> {
  while (true) {
    const typed = await askWord(parts, prompt);
    if (typed === null) return null;
    if (URL.canParse(typed) && new URL(typed).protocol === "https:") return typed;
    await parts.terminal.print("  An address that begins with https:// is needed.");
    if (!parts.terminal.isInteractive) return null;
  }
}

async function askWord(parts: EmailParts, prompt: string): Promise<string | null> {
  const typed = await parts.terminal.readLine({ prompt, multiline: false });
  return typed === null || typed.trim() === "" ? null : typed.trim();
}
