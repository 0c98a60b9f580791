// `export`: everything of one's own account in a folder.
import { ConnectionError, UsageError } from "../../errors.ts";
import { mustBeOlder, mustGetFurther } from "../../client/history.ts";
import { formatHostAndPort } from "../../addresses.ts";
import type { ExportSource } from "../../export/export.ts";
import { MAX_HISTORY_PER_PAGE } from "../../protocol/limits.ts";
import type { MenuCommand } from "../../terminal/menu.ts";
import { jsonLine, safeText } from "../../terminal/safe_text.ts";
import type { App } from "../app.ts";
import { count } from "../../count.ts";

export function exportCommand(app: App): MenuCommand {
  return {
    name: "export",
    usage: "FOLDER",
    summary: "Write all your messages and settings to a folder",
    details:
      "The folder must not be there yet; it gets JSON lines and their schema. If it is cut off, the same command goes on.",
    run: (args) => exportAccount(app, args.trim(), { json: false }),
  };
}

export async function exportAccount(
  app: App,
  folder: string,
  options: { readonly json: boolean },
): Promise<void> {
  if (!folder) throw new UsageError("Cannot export without a folder: type, for example, export my-messages");
  const { exportTo } = await import("../../export/export.ts"); // no other command needs it
  try {
    const { messages, people } = await app.waitFor(
      "Exporting",
      (signal) => exportTo(folder, sourceOf(app, signal)),
    );
    await app.terminal.print(
      options.json
        ? jsonLine({ folder, messages, people })
        : `Exported ${count(messages, "message")} with ${count(people, "person", "people")} to ${
          safeText(folder)
        }.`,
    );
  } catch (error) {
    if (!(error instanceof ConnectionError)) throw error;
    throw new ConnectionError(`${error.message}; export to the same folder again to go on`, { cause: error });
  }
}

/** Conversations asked for at a time. The server makes one page after the other, each when the one before has been taken. */
const AHEAD = 16;

/** Until an answer comes: those before it may be long, and the connection slow. One that is dead is found out sooner. */
const PAGE_TIMEOUT_MS = AHEAD * 30_000;

function sourceOf(app: App, signal: AbortSignal): ExportSource {
  const client = app.client();
  const { name, server } = app.account!;
  return {
    account: name,
    server: formatHostAndPort(server.host, server.port),
    ahead: AHEAD,
    async about() {
      const { names: blocked } = await client.call("list_blocked", {}, { signal });
      return { ...await client.call("update_settings", {}, { signal }), blocked };
    },
    async conversations(after) {
      const page = await client.call("list_conversations", after === null ? {} : { after }, { signal });
      mustGetFurther(page.next, after);
      return page;
    },
    async history(other, before) {
      const page = await client.call("fetch_history", {
        with: other,
        limit: MAX_HISTORY_PER_PAGE,
        ...(before === null ? {} : { before }),
      }, { signal, timeoutMs: PAGE_TIMEOUT_MS });
      mustBeOlder(page, before);
      return page;
    },
  };
}
