// Option 1: the user list.
import { OPTIONS } from "../options.ts";
import type { UserEntry } from "../../protocol/requests.ts";
import type { Terminal } from "../../terminal/terminal.ts";
import type { MenuCommand } from "../../terminal/menu.ts";
import type { App } from "../app.ts";
import { count } from "../../count.ts";
import { userLine } from "../format.ts";
import { jsonLine } from "../../terminal/safe_text.ts";

/** Users shown before the list asks whether to go on. */
const SHOWN_AT_ONCE = 100;

export function usersOption(app: App): MenuCommand {
  return {
    ...OPTIONS.users,
    aliases: ["list", "who"],
    details:
      "Every registered user: online, idle or last seen, and how many of their messages you have not read.",
    run: async (_args, { terminal, signal }) => {
      const client = app.client();
      let shown: UserEntry[] = [];
      let total = 0;
      for await (const user of client.users({ signal })) {
        shown.push(user);
        total++;
        app.learnName(user.name, "listed");
        if (shown.length < SHOWN_AT_ONCE) continue;
        await print(terminal, shown);
        shown = [];
        if (!await terminal.wantsMore("Show more?", true)) return;
      }
      await print(terminal, shown);
      await terminal.print(count(total, "user"));
    },
  };
}

export async function listUsers(app: App, options: { readonly json: boolean }): Promise<void> {
  for await (const user of app.client().users()) {
    app.learnName(user.name, "listed");
    await app.terminal.print(options.json ? jsonLine(user) : userLine(user, 0, Date.now()).trim());
  }
}

async function print(terminal: Terminal, users: readonly UserEntry[]): Promise<void> {
  const width = Math.max(0, ...users.map(({ name }) => name.length));
  for (const user of users) await terminal.print(userLine(user, width, Date.now()));
}
