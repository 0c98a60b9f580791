// Commands about the person's own account: blocking, settings, password, logout.
import { UsageError } from "../../errors.ts";
import { completeFirstWord, type MenuCommand } from "../../terminal/menu.ts";
import { safeText } from "../../terminal/safe_text.ts";
import type { App } from "../app.ts";

export function accountCommands(app: App): MenuCommand[] {
  return [
    {
      name: "block",
      usage: "[USER]",
      summary: "Refuse messages from a user; without a name, list the users you blocked",
      complete: (args) => completeFirstWord(args, app.names()),
      run: async (args, { terminal }) => {
        const name = args.trim().toLowerCase();
        if (!name) {
          const { names } = await app.client().call("list_blocked", {});
          const blocked = names.map((name) => safeText(name)).join(", ");
          return await terminal.print(blocked ? `Blocked: ${blocked}` : "You have blocked nobody.");
        }
        await app.client().call("block_user", { name });
        await terminal.print(`Blocked ${safeText(name)}: their messages are refused, and they are told so.`);
      },
    },
    {
      name: "unblock",
      usage: "USER",
      summary: "Accept messages from a user again",
      complete: (args) => completeFirstWord(args, app.names()),
      run: async (args, { terminal }) => {
        const name = args.trim().toLowerCase();
        if (!name) throw new UsageError("Cannot unblock without a name: type, for example, unblock bob");
        await app.client().call("unblock_user", { name });
        await terminal.print(`${safeText(name)} can write to you again.`);
      },
    },
    {
      name: "settings",
      usage: "[NAME VALUE]",
      summary: "See or change what other users learn about you",
      details: "settings read-receipts on|off: whether senders learn when you read their messages.\n" +
        "settings address EMAIL|none: an e-mail address for other users.",
      run: async (args, { terminal }) => {
        const changed = await app.client().call("update_settings", parseSettings(args));
        const readReceipts = changed.shareRead
          ? "on: senders learn when you read their messages"
          : "off: senders learn only that their messages arrived";
        await terminal.print(`read-receipts ${readReceipts}`);
        await terminal.print(
          `address ${changed.email === null ? "none published" : safeText(changed.email)}`,
        );
      },
    },
    {
      name: "password",
      summary: "Change your password; your other devices are logged out",
      isSecret: true,
      run: async (_args, { terminal }) => {
        const oldPassword = await terminal.readSecret("Old password: ");
        if (oldPassword === null) return;
        const newPassword = await app.askNewPassword("New password: ");
        if (newPassword === null) return;
        await app.client().call("change_password", { oldPassword, newPassword });
        await terminal.print("Changed. Your other devices have to log in again.");
      },
    },
    {
      name: "logout",
      summary: "Log out: the next login asks for the password",
      run: async (_args, { terminal }) => {
        await app.logOut();
        await terminal.print("Logged out.");
      },
    },
  ];
}

/** Reads `read-receipts on address ann@example.org`. Throws `UsageError` for anything else. */
export function parseSettings(args: string): { shareRead?: boolean; email?: string | null } {
  const words = args.split(/\s+/).filter(Boolean);
  const changes: { shareRead?: boolean; email?: string | null } = {};
  while (words.length > 0) {
    const [what = "", value] = words.splice(0, 2);
    if (what === "read-receipts" && (value === "on" || value === "off")) changes.shareRead = value === "on";
    else if (what === "address" && value !== undefined) changes.email = value === "none" ? null : value;
    else {
      const given = value === undefined ? what : `${what} ${value}`;
      throw new UsageError(`Cannot set ${given}: give read-receipts on|off, or address EMAIL|none`);
    }
  }
  return changes;
}
