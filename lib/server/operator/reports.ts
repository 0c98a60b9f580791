// `report`: what users report of each other.
import type { Command } from "commander";
import type { ListedReport } from "../../chat/operator_store.ts";
import { count } from "../../count.ts";
import { addDataOption, wholeNumber } from "../options.ts";
import type { OnStore } from "./desk.ts";
import { jsonLine, safeText } from "../../terminal/safe_text.ts";

const REPORTS_PER_PAGE = 500;

export function addReportCommands(report: Command, onStore: OnStore): void {
  report.description("what users report of each other: list, show, close");
  const numbered = (verb: string, description: string) =>
    addDataOption(
      report.command(verb).argument("<report>", "its number, as report list shows it", wholeNumber),
    )
      .description(description);

  onStore(
    addDataOption(report.command("list")).description("list the open reports, without what was said")
      .option("--all", "the closed ones too").option("--json", "one JSON object per line"),
    async ({ store, terminal }, { all = false, json = false }: { all?: boolean; json?: boolean }) => {
      for (let after = 0;;) {
        const page = await store.listReports({ after, limit: REPORTS_PER_PAGE });
        for (const it of page) {
          if (it.closedAt !== null && !all) continue;
          await terminal.print(json ? jsonLine(it) : reportLine(it));
        }
        if (page.length < REPORTS_PER_PAGE) return;
        after = page.at(-1)!.id;
      }
    },
  );
  onStore(
    numbered("show", "show a report with the reported texts; the audit log notes it")
      .option("--json", "one JSON object"),
    async ({ noted, terminal }, id: number, { json = false }: { json?: boolean }) => {
      const it = await noted(String(id)).openReport(id);
      if (json) return await terminal.print(jsonLine(it));
      await terminal.print(reportLine(it));
      if (it.why !== null) await terminal.print(`  ${safeText(it.why)}`);
      for (const { storedAt, text } of it.messages) {
        await terminal.print(`${new Date(storedAt).toISOString()}  ${it.reported}:`);
        await terminal.print(`  ${safeText(text, { multiline: true }).replaceAll("\n", "\n  ")}`);
      }
    },
  );
  onStore(
    numbered("close", "close a report, and delete what was said in it"),
    async ({ noted, terminal }, id: number) => {
      await noted(String(id)).closeReport(id);
      await terminal.print(`Closed report ${id}; what was said in it is deleted.`);
    },
  );
}

function reportLine({ id, createdAt, reporter, reported, messageCount, closedAt }: ListedReport): string {
  const at = new Date(createdAt).toISOString();
  const state = closedAt === null ? "open" : "closed";
  return `${id}  ${at}  ${reporter} about ${reported}  ${count(messageCount, "message")}  ${state}`;
}
