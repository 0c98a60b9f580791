/**
 * Where a run is kept: the chart, and the page BENCHMARKS.md.
 * @module
 */
import { join } from "node:path";
import { PROJECT_FOLDER } from "../tools/tool.ts";
import { drawChart } from "./chart.ts";
import type { Machine } from "./machine.ts";
import type { Line } from "./report.ts";

/** The chart in the repository. */
const CHART = "tests/bench/chart.svg";

/** The page of which the part between two marks is the last run's. */
const PAGE = "BENCHMARKS.md";
const BEGIN = "<!-- last run: written by `deno task bench --save` -->";
const END = "<!-- end of last run -->";

/** Writes the chart into the repository, or where it is in nobody's way; returns its path. */
export async function saveChart(lines: readonly Line[], inRepository: boolean): Promise<string> {
  const path = inRepository
    ? join(PROJECT_FOLDER, CHART)
    : await Deno.makeTempFile({ prefix: "mini-chat-bench-", suffix: ".svg" });
  await Deno.writeTextFile(path, drawChart(lines));
  return inRepository ? CHART : path;
}

/** Puts table and machine of this run into the page, in place of the former ones. */
export async function savePage(
  table: string,
  machine: Machine & { readonly measured: string; readonly isQuick: boolean },
): Promise<void> {
  const path = join(PROJECT_FOLDER, PAGE);
  const page = await Deno.readTextFile(path);
  const [start, end] = [page.indexOf(BEGIN), page.indexOf(END)];
  if (start < 0 || end < start) {
    throw new Error(`${PAGE} has lost the marks between which the last run stands`);
  }
  const { processor, cores, memoryGib, system, deno, loadBefore, day, measured, isQuick } = machine;
  const run = [
    `${day}, Deno ${deno} on ${system}: ${cores} cores of ${processor}, ${memoryGib} GiB. Measured: ${measured}` +
    `${isQuick ? ", in a quick run" : ""}. Load average when it began: ${loadBefore.toFixed(1)}.`,
    `![Each figure as a share of what it must reach](${CHART})`,
    table,
  ];
  await Deno.writeTextFile(
    path,
    `${page.slice(0, start)}${BEGIN}\n\n${run.join("\n\n")}\n\n${page.slice(end)}`,
  );
}
