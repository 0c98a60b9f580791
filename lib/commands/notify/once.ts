// The subcommand `notify`: it needs no connection, since the choices are kept in the profile.
import { NotSignedInError, UsageError } from "../../errors.ts";
import type { AccountKey } from "../../profile/account_records.ts";
import type { App } from "../app.ts";
import { readChoices } from "./choices.ts";
import { changeNotify, describeNotify } from "./option.ts";
import { jsonLine } from "../../terminal/safe_text.ts";

/** @param account Finds the account whose conversations are meant. Throws `NotSignedInError` when there is none. */
export async function notifyOnce(
  app: App,
  words: string,
  options: { readonly json: boolean },
  account: () => AccountKey,
): Promise<void> {
  const { terminal, profile } = app;
  if (words.trim() !== "") {
    if (words.trim() === "test") mustBeAbleToNotify(app);
    changeNotify(app, words, account);
    return await app.notifier.settled();
  }
  const key = accountOrNull(account);
  if (!options.json) {
    for (const line of describeNotify(app, key)) await terminal.print(line);
    return;
  }
  const { isOn, way, command, quiet, hidesText } = readChoices(profile);
  const exceptions = key === null ? [] : profile.settings.notifiedConversations(key);
  const conversations = Object.fromEntries(exceptions.map(({ other, isOn }) => [other, isOn]));
  await terminal.print(
    jsonLine({ on: isOn, how: way, command, quiet, hideText: hidesText, conversations }),
  );
}

/** Throws `UsageError` where neither the terminal nor a command could call anybody. */
export function mustBeAbleToNotify(app: App): void {
  const { way, command } = readChoices(app.profile);
  if (app.terminal.alerts.style !== null || (way === "command" && command !== null)) return;
  throw new UsageError(
    "Cannot notify as the output is no terminal: give a command, such as notify command 'notify-send Mini-Chat'",
  );
}

function accountOrNull(account: () => AccountKey): AccountKey | null {
  try {
    return account();
  } catch (error) {
    if (error instanceof NotSignedInError) return null;
    throw error;
  }
}
