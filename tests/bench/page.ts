/**
 * Where a run is kept: the chart, and the page BENCHMARKS.md.
 * @module
 */
import { join } from "node:path";
import { PROJECT_FOLDER } from "../../build/tool.ts";
import { drawChart } from "./chart.ts";
import type { Machine } from "./machine.ts";
import type { Line } from "./report.ts";

/** The chart in the repository. */
const CHART = "tests/bench/chart.svg";

/** The page of which the parts between two marks are written by the last runs. */
const PAGE = "BENCHMARKS.md";

/** Parts of the page, each with the name in its marks. */
export type PagePart = "bench" | "bench --peers" | "torture" | "torture --servers 2";

/** Writes the chart into the repository, or where it is in nobody's way; returns its path. */
export async function saveChart(lines: readonly Line[], inRepository: boolean): Promise<string> {
  const path = inRepository
    ? join(PROJECT_FOLDER, CHART)
    : await Deno.makeTempFile({ prefix: "mini-chat-bench-", suffix: ".svg" });
  await Deno.writeTextFile(path, drawChart(lines));
  return inRepository ? CHART : path;
}

/** What a run was made with. */
export interface RunFacts extends Machine {
  /** What was measured or tortured, for people. */
  readonly measured: string;
}

/**
 * Puts a run into the page, in place of the last one of its kind.
 *
 * @param part Which kind.
 * @param blocks Markdown after the line about the machine.
 */
export async function savePage(part: PagePart, facts: RunFacts, blocks: readonly string[]): Promise<void> {
  const path = join(PROJECT_FOLDER, PAGE);
  const page = await Deno.readTextFile(path);
  const begin = `<!-- last run: written by \`deno task ${part} --save\` -->`;
  const end = `<!-- end of last run of ${part} -->`;
  const [start, stop] = [page.indexOf(begin), page.indexOf(end)];
  if (start < 0 || stop < start) {
    throw new Error(`${PAGE} has lost the marks between which the last run stands`);
  }
  const { processor, cores, memoryGib, system, deno, loadBefore, day, measured } = facts;
  const machine = `${day}, Deno ${deno} on ${system}: ${cores} cores of ${processor}, ${memoryGib} GiB. ` +
    `Programs: ${measured}. Load average at the start: ${loadBefore.toFixed(1)}.`;
  const text = [page.slice(0, start) + begin, machine, ...blocks, page.slice(stop)].join("\n\n");
  await Deno.writeTextFile(path, text);
  // The formatter aligns the columns of a table its own way.
  await new Deno.Command(Deno.execPath(), { args: ["fmt", "--quiet", path] }).output();
}

/** The chart as a Markdown image. */
export const CHART_IMAGE = `![Each figure as a multiple of its target](${CHART})`;
