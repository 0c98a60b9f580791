// Setting up a mail account in a short dialogue: address, provider, way to sign in, saved, a test.
import { messageOf, UsageError } from "../../errors.ts";
import type { MailAccount, SignIn } from "../../mail/account.ts";
import { findAddressFault } from "../../mail/address.ts";
import { isPasswordFault, isSignInFault, MailError } from "../../mail/mail_error.ts";
import type { SmtpEndpoint } from "../../mail/providers.ts";
import { safeText } from "../../terminal/safe_text.ts";
import { dim, green } from "../../terminal/style.ts";
import { readPath } from "./attachments.ts";
import { askLine, type EmailParts, findAccount } from "./parts.ts";
import { readCaFile } from "./setup/ca_file.ts";
import { askEndpoint } from "./setup/server.ts";
import { askSecretAgain, askSignIn, isPasswordSignIn, type PasswordSignIn } from "./setup/sign_in.ts";
import { briefLine, sendTestMail } from "./send.ts";
import { retypeLines } from "./words.ts";

/** @returns `false` when the person gave up. */
export async function setUpAccount(
  parts: EmailParts,
  caFile: string | undefined,
  signal: AbortSignal,
): Promise<boolean> {
  const { terminal } = parts;
  const caPem = caFile === undefined ? undefined : await readCaFile(readPath(caFile, parts.homeFolder));
  const address = await askAddress(parts);
  if (address === null) return false;
  const known = await findAccount(parts, address);
  const name = await askLine(terminal, "Name that recipients see (Enter: none): ", known?.name);
  if (name === null) return false;
  let endpoint = await askEndpoint(terminal, address, known?.endpoint ?? null);
  if (endpoint === null) return false;
  if (caPem !== undefined) endpoint = { ...endpoint, caPem };
  const base = { id: known?.id ?? crypto.randomUUID(), address, name };
  return await signInAndSave(parts, base, endpoint, known?.signIn ?? null, signal);
}

/** Asks for a way to sign in until one works or the person gives up. */
async function signInAndSave(
  parts: EmailParts,
  base: Pick<MailAccount, "id" | "address" | "name">,
  startEndpoint: SmtpEndpoint,
  known: SignIn | null,
  signal: AbortSignal,
): Promise<boolean> {
  const { terminal, mailer } = parts;
  let endpoint = startEndpoint;
  let before = known; // the answers that questions begin with
  let signIn: SignIn | null = null; // unset while it must be asked for
  while (true) {
    try {
      signIn ??= await askSignIn(parts, { ...base, endpoint, before, signal });
      if (signIn === null) return false;
      before = signIn;
      const account: MailAccount = { ...base, endpoint, signIn };
      {
        using _line = briefLine(terminal, `Signing in at ${endpoint.host}`);
        // A password that is not accepted comes back here, where it can be asked for in another way too.
        await mailer.check(account, { signal, askPassword: () => Promise.resolve(null) });
      }
      await terminal.print(
        green(signIn.kind === "none" ? `${endpoint.host} answers.` : `${endpoint.host} accepts the sign-in.`),
      );
      await saveAndTest(parts, account, signal);
      return true;
    } catch (error) {
      if (!(error instanceof MailError) || signal.aborted) throw error;
      await terminal.print(retypeLines(error));
      const next = await mend(parts, error, { id: base.id, endpoint, signIn });
      if (next === null) return false;
      ({ endpoint, signIn } = next);
    }
  }
}

interface Tried extends Pick<MailAccount, "id" | "endpoint"> {
  readonly signIn: SignIn | null; // unset where asking for it is what failed, or to ask for it anew
}

/** What to try next after a failure; `null` when the person gives up. */
async function mend(parts: EmailParts, error: MailError, tried: Tried): Promise<Tried | null> {
  const { terminal } = parts;
  const { endpoint } = tried;
  if (!terminal.isInteractive) return null; // a pipe has no second answer
  if (error.fault === "certificate") {
    const path = await askLine(terminal, "File with the server's own CA (Enter: stop): ");
    if (!path) return null;
    try {
      const caPem = await readCaFile(readPath(path, parts.homeFolder));
      return { ...tried, endpoint: { ...endpoint, caPem } };
    } catch (problem) {
      await terminal.print(`  ${safeText(messageOf(problem))}.`);
      return tried;
    }
  }
  const mayRetype = isPasswordFault(error.fault) || error.fault === "secret_missing";
  if (mayRetype && tried.signIn !== null && isPasswordSignIn(tried.signIn)) {
    return await retype(parts, tried, tried.signIn);
  }
  if (isSignInFault(error.fault) && error.fault !== "web_login_needed") {
    return await terminal.confirm("Try again?", true) ? { ...tried, signIn: null } : null;
  }
  const choice = await terminal.choose("What now?", [
    { value: "again", label: "Try again" },
    { value: "server", label: "Give another host and port" },
    { value: "stop", label: "Stop" },
  ], { byDefault: 0 });
  if (choice === "again") return tried;
  if (choice !== "server") return null;
  const other = await askEndpoint(terminal, "", endpoint);
  return other === null ? null : { ...tried, endpoint: other };
}

/** Asks for the password alone; who gives none may sign in another way. */
async function retype(parts: EmailParts, tried: Tried, refused: PasswordSignIn): Promise<Tried | null> {
  const signIn = await askSecretAgain(parts, tried.id, refused);
  if (signIn !== null) return { ...tried, signIn };
  const choice = await parts.terminal.choose("What now?", [
    { value: "other", label: "Sign in another way", description: "or with another user name" },
    { value: "stop", label: "Stop" },
  ], { byDefault: 0 });
  return choice === "other" ? { ...tried, signIn: null } : null;
}

async function saveAndTest(parts: EmailParts, account: MailAccount, signal: AbortSignal): Promise<void> {
  const { terminal, store } = parts;
  // Saved before the test: what was typed is worth keeping, whatever becomes of the test.
  await store.saveMailAccount(account);
  await terminal.print(`Saved as an account of this profile: ${safeText(account.address)}.`);
  if (await terminal.confirm(`Send a test mail to ${safeText(account.address)}?`, true)) {
    await sendTestMail(parts, account, signal);
  }
  const accounts = await store.listMailAccounts();
  if (accounts.length > 1 && accounts[0]?.id !== account.id) {
    if (await terminal.confirm("Make it the default?", false)) await store.setDefaultMailAccount(account.id);
  }
  await terminal.print(dim("6 writes a mail."));
}

async function askAddress(parts: EmailParts): Promise<string | null> {
  const { terminal } = parts;
  while (true) {
    const typed = await terminal.readLine({
      prompt: "Your e-mail address: ",
      multiline: false,
      hint: (text) => findAddressFault(text.trim()) === null ? "looks right" : undefined,
    });
    if (typed === null) return null;
    const address = typed.trim();
    const fault = findAddressFault(address);
    if (fault === null) return address;
    if (!terminal.isInteractive) {
      throw new UsageError(`Cannot use ${safeText(address)} as an address: ${fault}`);
    }
    await terminal.print(`  That is not an address: ${safeText(fault)}.`);
  }
}
