/**
 * The lab: shows that a direct chat links in every kind of network, and lives through what happens to networks, with the
 * real programs (`deno task lab [WORD] [--jobs N] [--servers 2] [--list]`).
 *
 * With `--servers 2` the two people are at two servers that share a PostgreSQL, which has to be installed.
 * Needs root, `ip` and `nft`. Prints the tables of `lib/peer/README.md`; ends with 1 when a row fails, with 2 when something is
 * missing here. A word names the rows to run, such as `NAT`. With `MINI_CHAT_TEST_DIST=dist` it runs the executables.
 * @module
 */
import { parseArgs } from "node:util";
import { whyNot } from "../helpers/needs.ts";
import { POSTGRES, PostgresCluster } from "../helpers/postgres.ts";
import { type EventRow, EVENTS } from "./events.ts";
import { findMissing, hasProgram, sweepLeftovers } from "./network.ts";
import { type NetworkRow, NETWORKS } from "./networks.ts";
import { type Outcome, play } from "./play.ts";
import { CONNECTIONS_PER_SERVER } from "./scene.ts";
import { Turn } from "./turn.ts";

/** Rows that run at the same time: each sleeps most of its time, and holds about 200 MB. */
const JOBS = 16;

/** A row, and what it came to. */
type Played = { readonly row: NetworkRow | EventRow; readonly outcome: Outcome };

async function main(args: readonly string[]): Promise<number> {
  const { values, positionals: [word = ""] } = parseArgs({
    args: [...args],
    options: {
      jobs: { type: "string", default: String(JOBS) },
      servers: { type: "string", default: "1" },
      list: { type: "boolean", default: false },
    },
    allowPositionals: true,
  });
  const rows = [...NETWORKS, ...EVENTS].filter(({ title }) => title.includes(word));
  if (values.list) {
    rows.forEach(({ title }) => print(title));
    return 0;
  }
  const jobs = Number(values.jobs);
  const missing = await (async () => {
    if (!Number.isInteger(jobs) || jobs < 1) return `--jobs takes a number from 1 on, not ${values.jobs}`;
    if (values.servers !== "1" && values.servers !== "2") {
      return `--servers takes 1 or 2, not ${values.servers}`;
    }
    if (values.servers === "2" && whyNot(...POSTGRES)) {
      return `The lab with two servers ${whyNot(...POSTGRES)}`;
    }
    return await findMissing();
  })();
  if (missing !== undefined) {
    print(`${missing}.`);
    return 2;
  }
  await sweepLeftovers();
  await using cluster = values.servers === "1" ? null : await PostgresCluster.start({
    settings: { max_connections: String(jobs * 2 * CONNECTIONS_PER_SERVER) },
  });
  const played = await playAll(rows, jobs, cluster);
  const tables = [networkTable(played), eventTable(played)].filter((table) => table.length > 1);
  for (const table of tables) print(`\n${formatTable(table)}`);
  return played.length > 0 && played.every(({ outcome }) => outcome.failures.length === 0) ? 0 : 1;
}

/** Plays rows, several at once; those that this machine cannot play are told and left out. */
async function playAll(
  rows: readonly (NetworkRow | EventRow)[],
  jobs: number,
  cluster: PostgresCluster | null,
): Promise<Played[]> {
  const turn = new Turn();
  const played = new Map<NetworkRow, Played>();
  const left = rows.toReversed().values(); // the last ones take longest, so that they begin first
  const work = async () => {
    for (const row of left) {
      if (row.needs !== undefined && !await hasProgram(row.needs)) {
        print(`left out: ${row.title}, as it needs the program ${row.needs}`);
        continue;
      }
      const database = await cluster?.newSocketDatabase() ?? null;
      const outcome = await playInFolder((folder) => play(row, folder, { turn, database }));
      played.set(row, { row, outcome });
      print(`${outcome.failures.length === 0 ? "ok" : "FAILED"}: ${row.title}`);
      outcome.failures.forEach((failure) => print(`  ${failure}`));
      if (outcome.report !== undefined) print(outcome.report);
    }
  };
  await Promise.all(Array.from({ length: jobs }, work));
  return rows.flatMap((row) => played.get(row) ?? []);
}

async function playInFolder(play: (folder: string) => Promise<Outcome>): Promise<Outcome> {
  const folder = await Deno.makeTempDir({ prefix: "mini-chat-lab-" });
  try {
    return await play(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

function networkTable(played: readonly Played[]): string[][] {
  const rows = played.filter(({ row }) => !("happen" in row)).map(({ row, outcome }) => [
    ...[row.title, routeCell(outcome), seconds(outcome.firstLineSeconds)],
    ...[seconds(outcome.bestSeconds), seconds(outcome.fileSeconds)],
  ]);
  return [["network", "best route", "first line", "best route after", "10 MB file"], ...rows];
}

function eventTable(played: readonly Played[]): string[][] {
  const rows = played.filter(({ row }) => "happen" in row).map(({ row, outcome }) => [
    ...[row.title, routeCell(outcome), seconds(outcome.backSeconds)],
  ]);
  return [["what happens", "route afterwards", "lines back after"], ...rows];
}

function routeCell({ failures, lastRoute = "none" }: Outcome): string {
  return failures.length === 0 ? lastRoute : `FAILED (${lastRoute})`;
}

function seconds(value: number | undefined): string {
  return value === undefined ? "-" : `${value.toFixed(1)} s`;
}

/** A table in Markdown, as the page has it. */
function formatTable([headings = [], ...rows]: readonly (readonly string[])[]): string {
  const widths = headings.map((heading, column) =>
    Math.max(heading.length, ...rows.map((cells) => cells[column]!.length))
  );
  const line = (cells: readonly string[]) =>
    `| ${cells.map((cell, column) => cell.padEnd(widths[column]!)).join(" | ")} |`;
  return [line(headings), line(widths.map((width) => "-".repeat(width))), ...rows.map(line)].join("\n");
}

function print(text: string): void {
  Deno.stdout.writeSync(new TextEncoder().encode(`${text}\n`));
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
