/**
 * The lab: shows that a direct chat links in every kind of network, with the real programs (`deno task lab [WORD]`).
 *
 * Needs root, `ip` and `nft`. Prints a table; ends with 1 when a row fails, with 2 when something is missing here. A
 * word names the rows to run, such as `NAT`. With `MINI_CHAT_TEST_DIST=dist` it runs the executables.
 * @module
 */
import { findMissing, hasProgram, sweepLeftovers } from "./network.ts";
import { type Outcome, playChat } from "./scenario.ts";
import { TOPOLOGIES, type Topology } from "./topologies.ts";

/** What one row came to. */
interface Row {
  readonly topology: Topology;
  readonly outcome: Outcome | undefined;
  /** Why it failed; undefined when it did not. */
  readonly failure: string | undefined;
}

const HEADINGS = ["network", "route", "first line", "10 MB file", "result"];

async function play(topology: Topology): Promise<Row> {
  const folder = await Deno.makeTempDir({ prefix: "mini-chat-lab-" });
  try {
    await using site = await topology.build();
    const { expected, hostFlags = "" } = topology;
    const isDirectPossible = !expected.includes("relayed");
    const outcome = await playChat(site, folder, { hostFlags, isDirectPossible });
    const isExpected = expected.some((route) =>
      outcome.route === route || outcome.route === `relayed, then ${route}`
    );
    const failure = isExpected ? undefined : `the route was to be ${expected.join(" or ")}`;
    return { topology, outcome, failure };
  } catch (error) {
    return { topology, outcome: undefined, failure: error instanceof Error ? error.message : String(error) };
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

function cellsOf({ topology, outcome, failure }: Row): string[] {
  const seconds = (value: number | undefined) => value === undefined ? "-" : `${value.toFixed(1)} s`;
  return [
    topology.title,
    outcome?.route ?? "-",
    seconds(outcome?.firstLineSeconds),
    seconds(outcome?.fileSeconds),
    failure === undefined ? "ok" : "FAILED",
  ];
}

function printTable(rows: readonly (readonly string[])[]): void {
  const widths = HEADINGS.map((heading, column) =>
    Math.max(heading.length, ...rows.map((cells) => cells[column]!.length))
  );
  const line = (cells: readonly string[]) =>
    `| ${cells.map((cell, column) => cell.padEnd(widths[column]!)).join(" | ")} |`;
  print(line(HEADINGS));
  print(line(widths.map((width) => "-".repeat(width))));
  for (const cells of rows) print(line(cells));
}

function print(text: string): void {
  Deno.stdout.writeSync(new TextEncoder().encode(`${text}\n`));
}

async function main([word = ""]: readonly string[]): Promise<number> {
  const missing = await findMissing();
  if (missing !== undefined) {
    print(`${missing}.`);
    return 2;
  }
  await sweepLeftovers();
  const rows: Row[] = [];
  for (const topology of TOPOLOGIES.filter(({ title }) => title.includes(word))) {
    if (topology.needs !== undefined && !await hasProgram(topology.needs)) {
      print(`left out: ${topology.title}, as it needs the program ${topology.needs}`);
      continue;
    }
    const startedAt = performance.now();
    const row = await play(topology);
    rows.push(row);
    const seconds = ((performance.now() - startedAt) / 1000).toFixed(0);
    print(`${row.failure === undefined ? "ok" : "FAILED"}: ${topology.title} (${seconds} s)`);
    if (row.failure !== undefined) print(row.failure);
  }
  print("");
  printTable(rows.map(cellsOf));
  return rows.length > 0 && rows.every(({ failure }) => failure === undefined) ? 0 : 1;
}

if (import.meta.main) {
  // Namespaces outlive the process that made them: what is left is taken down on every way out that can be caught.
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
    Deno.addSignalListener(
      signal,
      () => void sweepLeftovers({ includeOwn: true }).finally(() => Deno.exit(130)),
    );
  }
  Deno.exit(await main(Deno.args));
}
