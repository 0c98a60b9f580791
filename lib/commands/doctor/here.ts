// What `doctor` looks at on this machine: the profile, and the mail account.
import { messageOf } from "../../errors.ts";
import { error, type Finding, ok, warning } from "../../findings/finding.ts";
import { Mailer } from "../../mail/mailer.ts";
import { ProfileMailStore } from "../../profile/mail_store.ts";
import { PROFILE_FILE } from "../../profile/schema.ts";
import { safeText } from "../../terminal/safe_text.ts";
import type { App } from "../app.ts";
import { count } from "../../count.ts";

/** How long a mail server may take for each answer, in milliseconds. */
const MAIL_ANSWER_MS = 8_000;

/** Whether the profile is whole, and nobody else's to read. */
export async function* examineProfile({ profile }: App, folder: string): AsyncGenerator<Finding> {
  const mode = Deno.build.os === "windows" ? null : (await Deno.stat(folder)).mode;
  const faults = profile.faults();
  if (faults !== null) {
    yield error(
      "profile",
      `${folder}/${PROFILE_FILE} is damaged: ${faults}.`,
      "Move the folder aside and log in again; messages are on the server, only unsent ones and the copy were here.",
    );
  } else if (mode !== null && (mode & 0o077) !== 0) {
    yield warning(
      "profile",
      `${folder} can be opened by other users of this machine (mode ${(mode & 0o777).toString(8)}).`,
      `Type chmod 700 ${folder}`,
    );
  } else {
    const who = mode === null ? "" : ", for you alone";
    yield ok("profile", `${folder} can be read and written${who}.`);
  }
  const waiting = profile.countUnsent();
  if (waiting > 0) {
    yield warning(
      "outbox",
      `${count(waiting, "message")} wait to be sent.`,
      "They go out, once, at the next connection: start mini-chat-client.",
    );
  }
}

/** Connects to the mail server of the default account and signs in, without sending; null where there is no account. */
export async function examineMail({ profile }: App, signal: AbortSignal): Promise<Finding | null> {
  const accounts = new ProfileMailStore(profile.database);
  const [account] = await accounts.listMailAccounts();
  if (!account) return null;
  const place = `${safeText(account.address)} at ${safeText(account.endpoint.host)}:${account.endpoint.port}`;
  if (account.signIn.kind === "password_asked") {
    return warning(
      "mail",
      `${place} was not tried, as its password is asked for each time.`,
      "Type mini-chat-client email test, which asks.",
    );
  }
  try {
    const patience = { connectTimeoutMs: MAIL_ANSWER_MS, silenceTimeoutMs: MAIL_ANSWER_MS };
    await new Mailer({ accounts }).check(account, { signal, ...patience });
    return ok("mail", `${place} lets you sign in.`);
  } catch (failure) {
    signal.throwIfAborted();
    return error(
      "mail",
      `${place} does not: ${safeText(messageOf(failure))}.`,
      "Type mini-chat-client email setup to change the account.",
    );
  }
}
