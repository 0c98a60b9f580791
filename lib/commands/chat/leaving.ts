// `delete-account`: the end of one's own account.
import { NotSignedInError, UsageError } from "../../errors.ts";
import type { MenuCommand } from "../../terminal/menu.ts";
import { jsonLine, safeText } from "../../terminal/safe_text.ts";
import type { App } from "../app.ts";

export function deleteAccountCommand(app: App): MenuCommand {
  return {
    name: "delete-account",
    summary: "Delete your account for ever",
    details:
      "The server asks for your password again. What you wrote is cleared in the mailboxes of others too.",
    isSecret: true,
    forgetsLines: true,
    run: () => deleteAccount(app, {}),
  };
}

/** Deletes the account that is signed in, for ever; asks first, unless `yes`. */
export async function deleteAccount(
  app: App,
  { yes = false, json = false }: { readonly yes?: boolean; readonly json?: boolean },
): Promise<void> {
  const { account, terminal } = app;
  if (!account) throw new NotSignedInError("Cannot delete an account before you are connected: 0 connects");
  if (!yes && !await isMeant(app, account.name, account.server.host)) {
    return await terminal.print("Nothing was deleted.");
  }
  const password = await app.askPassword(`Password of ${safeText(account.name)}: `);
  if (!password) throw new UsageError("Cannot delete the account without its password");
  await app.change("delete_account", { password }, {
    whether: `${safeText(account.name)} was deleted`,
    look:
      "The next connection shows it: a deleted account cannot log in; logout then removes what is kept of it here",
  });
  app.profile.forgetAccount(account.key);
  app.profile.clearHistory();
  await app.leave();
  await terminal.print(
    json
      ? jsonLine({ name: account.name })
      : `Deleted ${
        safeText(account.name)
      }. What you wrote is cleared from the mailboxes of others within minutes.`,
  );
}

async function isMeant({ terminal }: App, name: string, host: string): Promise<boolean> {
  if (!terminal.isInteractive) {
    throw new UsageError(
      "Cannot ask whether you mean it, as nobody sits here: give --yes to delete the account",
    );
  }
  await terminal.print(
    `This deletes ${safeText(name)} at ${
      safeText(host)
    } for ever: your messages, settings and devices there, and the texts that ` +
      "you wrote, in the mailboxes of others too (not in copies that they have made). Nobody ever gets the name again.",
  );
  const typed = await terminal.readLine({
    prompt: "Type the name of the account to delete it: ",
    multiline: false,
  });
  return typed?.trim().toLowerCase() === name;
}
