// The command `history`: the messages between this account and another user.
import { UsageError } from "../../errors.ts";
import type { HistoryEntry } from "../../protocol/requests.ts";
import { completeFirstWord, type MenuCommand } from "../../terminal/menu.ts";
import { safeText } from "../../terminal/safe_text.ts";
import type { App } from "../app.ts";
import { messageLines } from "../format.ts";

export function historyCommand(app: App): MenuCommand {
  return {
    name: "history",
    usage: "USER",
    summary: "Show the messages between you and another user",
    complete: (args) => completeFirstWord(args, app.names()),
    run: async (args, { terminal }) => {
      const name = args.trim().toLowerCase();
      if (!name) throw new UsageError("Cannot show a history without a name: type, for example, history bob");
      let isFirst = true;
      for await (const page of app.client().history(name)) {
        if (!isFirst && !await terminal.confirm("Show earlier messages?", false)) return;
        isFirst = false;
        for (const message of page) await terminal.print(line(message));
      }
      if (isFirst) await terminal.print(`You and ${safeText(name)} have not written to each other yet.`);
    },
  };
}

/** The subcommand: everything, oldest first, page by page as it comes. */
export async function printHistory(
  app: App,
  name: string,
  options: { readonly json: boolean },
): Promise<void> {
  for await (const page of app.client().historyFromStart(name)) {
    for (const message of page) {
      await app.terminal.print(options.json ? JSON.stringify(message) : line(message));
    }
  }
}

function line({ from, storedAt, text, state }: HistoryEntry): string {
  return messageLines(from, storedAt, text, Date.now(), state === undefined ? "" : `, ${state}`);
}
