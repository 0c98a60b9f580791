// Servers that this machine knows: how one is recognised, and the command `forget-server`.
import { UsageError } from "../../errors.ts";
import { looksLikeServer, parseInviteLink } from "../../protocol/invite_link.ts";
import type { Profile } from "../../profile/profile.ts";
import type { MenuCommand } from "../../terminal/menu.ts";
import { safeText } from "../../terminal/safe_text.ts";
import type { App } from "../app.ts";

/** Whether a word names a server, and is no mistyped command: by its form, or as one that is known already. */
export function isServerName(profile: Profile, word: string): boolean {
  const typed = word.trim().toLowerCase();
  return looksLikeServer(word) || profile.listServers().some(({ host }) => host === typed);
}

export function forgetServerCommand(app: App): MenuCommand {
  return {
    name: "forget-server",
    usage: "SERVER",
    summary: "Forget a server: its key, your logins and your unsent messages there",
    run: async (args, { terminal }) => {
      if (app.account) throw new UsageError("Cannot forget a server while connected: 7 disconnects");
      const { host, port } = parseInviteLink(args);
      const server = app.profile.findServer(host, port);
      if (!server) throw new UsageError(`Cannot forget ${safeText(host)}: it is not a known server`);
      if (!await terminal.confirm(`Forget ${safeText(host)} and everything saved about it here?`, false)) {
        return;
      }
      app.profile.forgetServer(server.serverId);
      await terminal.print("Forgotten.");
    },
  };
}
