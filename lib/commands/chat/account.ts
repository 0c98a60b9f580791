// Commands about the person's own account: blocking, settings, password, logout.
import { UsageError } from "../../errors.ts";
import { readPasswordCommand } from "../../mail/password_command.ts";
import { emailField } from "../../protocol/fields.ts";
import { checked } from "../../protocol/requests.ts";
import { completeFirstWord, type MenuCommand } from "../../terminal/menu.ts";
import { jsonLine, safeText } from "../../terminal/safe_text.ts";
import type { App } from "../app.ts";
import { typedName } from "./typed_name.ts";

export function accountCommands(app: App): MenuCommand[] {
  return [
    {
      name: "block",
      usage: "[USER]",
      summary: "Refuse messages from a user; without a name, list the users you blocked",
      complete: (args) => completeFirstWord(args, app.names()),
      run: async (args, { terminal, signal }) => {
        const name = typedName(args);
        if (!name) {
          const blocked = (await listBlocked(app, signal)).map((name) => safeText(name)).join(", ");
          return await terminal.print(blocked ? `Blocked: ${blocked}` : "You have blocked nobody.");
        }
        await setBlocked(app, name, true);
        await terminal.print(
          `Blocked ${safeText(name)}: their messages are refused, and they are told so. ` +
            "What they wrote before is left out of your new messages, and stays in the history.",
        );
      },
    },
    {
      name: "unblock",
      usage: "USER",
      summary: "Accept messages from a user again",
      complete: (args) => completeFirstWord(args, app.names()),
      run: async (args, { terminal }) => {
        const name = typedName(args);
        if (!name) throw new UsageError("Cannot unblock without a name: type, for example, unblock bob");
        await setBlocked(app, name, false);
        await terminal.print(`${safeText(name)} can write to you again.`);
      },
    },
    {
      name: "settings",
      usage: "[NAME VALUE]",
      summary: "See or change what others learn about you, and what is kept",
      details: "settings read-receipts on|off: whether senders learn when you read their messages.\n" +
        "settings address EMAIL|none: an e-mail address for other users.\n" +
        "settings local-history on|off: whether a copy of your messages is kept on this disk, to be read without a " +
        "connection; off removes it.",
      run: async (args, { terminal }) => {
        const { shared, localHistory } = await changeSettings(app, args);
        if (shared) {
          const meaning = shared.readReceipts
            ? "on: senders learn when you read their messages"
            : "off: senders learn only that their messages arrived";
          await terminal.print(`read-receipts ${meaning}`);
          await terminal.print(
            `address ${shared.email === null ? "none published" : safeText(shared.email)}`,
          );
        }
        const copy = localHistory ? "on: a copy of your messages is kept on this disk" : "off";
        await terminal.print(`local-history ${copy}`);
      },
    },
    {
      name: "password",
      summary: "Change your password; your other devices are logged out",
      isSecret: true,
      run: async (_args, { terminal }) => {
        if (!await changePassword(app)) return;
        await terminal.print("Changed. Your other devices have to log in again.");
      },
    },
    {
      name: "logout",
      summary: "Log out: the next login asks for the password",
      forgetsLines: true,
      run: async (_args, { terminal }) => {
        await app.logOut();
        await terminal.print(
          "Logged out. The copy of your messages on this disk is removed, and what you typed here.",
        );
      },
    },
  ];
}

/** The subcommand `block`: blocks a user, or prints those that are blocked. */
export async function blockOnce(app: App, name: string | undefined, { json }: ScriptOutput): Promise<void> {
  if (name !== undefined) {
    await setBlocked(app, name, true);
    if (json) await app.terminal.print(jsonLine({ name, blocked: true }));
    return;
  }
  for (const blocked of await listBlocked(app)) {
    await app.terminal.print(json ? jsonLine({ name: blocked }) : safeText(blocked));
  }
}

export async function unblockOnce(app: App, name: string, { json }: ScriptOutput): Promise<void> {
  await setBlocked(app, name, false);
  if (json) await app.terminal.print(jsonLine({ name, blocked: false }));
}

/** The subcommand `settings`: changes one, if any is named, and prints them all. */
export async function settingsOnce(app: App, words: string, { json }: ScriptOutput): Promise<void> {
  const { shared, localHistory } = await changeSettings(app, words);
  if (json) return await app.terminal.print(jsonLine({ ...shared, localHistory }));
  if (shared) {
    await app.terminal.print(`read-receipts ${shared.readReceipts ? "on" : "off"}`);
    await app.terminal.print(`address ${shared.email === null ? "none" : safeText(shared.email)}`);
  }
  await app.terminal.print(`local-history ${localHistory ? "on" : "off"}`);
}

/** The subcommand `password`; `newCommand` prints the new one, if it is not asked for. */
export async function changePasswordOnce(app: App, newCommand: string | undefined): Promise<void> {
  const ask = newCommand === undefined ? undefined : () => readPasswordCommand(newCommand);
  if (await changePassword(app, ask)) return;
  throw new UsageError(
    "Cannot change the password without the old one and a new one: give them as two lines of standard input, " +
      "or with --password-command and --new-password-command",
  );
}

interface ScriptOutput {
  readonly json: boolean;
}

async function listBlocked(app: App, signal?: AbortSignal): Promise<readonly string[]> {
  return (await app.client().call("list_blocked", {}, { ...(signal && { signal }) })).names;
}

async function setBlocked(app: App, name: string, blocked: boolean): Promise<void> {
  await app.change(blocked ? "block_user" : "unblock_user", { name }, {
    whether: `${safeText(name)} was ${blocked ? "blocked" : "unblocked"}`,
    look: "Once it answers, block lists whom you have blocked",
  });
}

async function changeSettings(app: App, words: string) {
  const { localHistory: wanted, ...changes } = parseSettings(words);
  if (wanted !== undefined) app.profile.copyMessages(wanted);
  const localHistory = app.profile.copiesMessages;
  // What is kept here needs no connection.
  if (wanted !== undefined && Object.keys(changes).length === 0) return { shared: null, localHistory };
  const doubt = { whether: "that was set", look: "Once it answers, settings shows what is set" };
  const { shareRead, email } = Object.keys(changes).length > 0
    ? await app.change("update_settings", changes, doubt)
    : await app.waitFor(
      "Waiting for the server",
      (signal) => app.client().call("update_settings", {}, { signal }),
    );
  return { shared: { readReceipts: shareRead, email }, localHistory };
}

/** False when the person gives up, or a script gives no password. */
async function changePassword(app: App, newCommand?: () => Promise<string>): Promise<boolean> {
  const oldPassword = await app.askPassword("Old password: ");
  if (!oldPassword) return false;
  const newPassword = await app.askReplacingPassword("New password: ", newCommand);
  if (newPassword === null) return false;
  await app.change("change_password", { oldPassword, newPassword }, {
    whether: "your password was changed",
    look: "Once it answers, password takes the old one only where it was not",
  });
  return true;
}

interface SettingsChanges {
  shareRead?: boolean;
  email?: string | null;
  localHistory?: boolean; // on this machine alone
}

/** Reads `read-receipts on address ann@example.org`. Throws `UsageError` for anything else. */
export function parseSettings(args: string): SettingsChanges {
  const words = args.split(/\s+/).filter(Boolean);
  const changes: SettingsChanges = {};
  while (words.length > 0) {
    const [what = "", value] = words.splice(0, 2);
    const isSwitch = value === "on" || value === "off";
    if (what === "read-receipts" && isSwitch) changes.shareRead = value === "on";
    else if (what === "local-history" && isSwitch) changes.localHistory = value === "on";
    else if (what === "address" && value !== undefined) {
      changes.email = value === "none" ? null : checked(emailField, value, "the address");
    } else {
      const given = value === undefined ? what : `${what} ${value}`;
      throw new UsageError(
        `Cannot set ${given}: give read-receipts on|off, address EMAIL|none, or local-history on|off`,
      );
    }
  }
  return changes;
}
