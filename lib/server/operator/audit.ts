// `audit`: what operators have changed, and when; and who an operator is.
import { type Command, Option } from "commander";
import { addDataOption, lengthOfTime } from "../options.ts";
import type { OnStore } from "./desk.ts";
import { jsonLine, safeText } from "../../terminal/safe_text.ts";

const ENTRIES_PER_PAGE = 500;

export function addAuditCommand(audit: Command, onStore: OnStore): void {
  audit.description(
    "list what operators have changed with these subcommands, oldest first; kept for two years",
  )
    .addOption(
      new Option("--since <time>", "only the last of it: 30m, 12h, 7d, 2w").argParser(lengthOfTime),
    )
    .option("--json", "one JSON object per line");
  onStore(
    addDataOption(audit),
    async ({ store, terminal }, { since, json = false }: { since?: number; json?: boolean }) => {
      const from = since === undefined ? 0 : Date.now() - since;
      let after = 0;
      for (;;) {
        const entries = await store.listAudit({ from, after, limit: ENTRIES_PER_PAGE });
        for (const entry of entries) {
          const { at, actor, act, subject } = entry;
          await terminal.print(
            json
              ? jsonLine(entry)
              : safeText(`${new Date(at).toISOString()}  ${actor}  ${act} ${subject}`.trimEnd()),
          );
        }
        if (entries.length < ENTRIES_PER_PAGE) return;
        after = entries.at(-1)!.id;
      }
    },
  );
}

/** Who runs this program, as the operating system knows: `root (uid 0), by sudo from ana`. Names come from variables. */
export function actorFrom(readVariable: (name: string) => string | undefined): string {
  const uid = Deno.uid();
  const name = readVariable("USER") ?? readVariable("USERNAME");
  const sudoUser = readVariable("SUDO_USER");
  const known = uid === null ? name ?? "unknown" : name === undefined ? `uid ${uid}` : `${name} (uid ${uid})`;
  return sudoUser === undefined ? known : `${known}, by sudo from ${sudoUser}`;
}
