/**
 * `deno task torture`: people write to each other through a real server while everything goes wrong, and a judge looks at
 * what every device saw.
 *
 * `--servers N` is how many servers there are (1 by default, with a file of its own; several share a PostgreSQL of the run's own);
 * `--minutes N` is how long faults are injected (1 by default, the short form); `--seed N` repeats the choices of a run;
 * `--only NAME,NAME` injects only the faults whose name has one of these; `--fuzz` adds the long form of the fuzzers (100,000 cases against
 * the server), which a run of one server of five minutes or more has anyway; `--save` puts the table into BENCHMARKS.md.
 *
 * `--order` does only this: two programs write 200,000 messages into eight mailboxes, a reader must miss none, and must miss some
 * once the lock on mailboxes is taken out.
 *
 * `--restarts` does only this: servers are stopped and started again under 20 and 2,000 people, and by a next release with a newer
 * schema; it shows how long people are without it, and counts what was lost, doubled or out of order.
 *
 * As root it runs in network and mount namespaces of its own, which faults of packets and of a full disk need. Exits with 1 when
 * anything is lost, doubled, out of order or in trouble.
 * @module
 */
import { join } from "node:path";
import { parseArgs } from "node:util";
import { Random } from "../fuzz/random.ts";
import { whyNot } from "../helpers/needs.ts";
import { POSTGRES, PostgresCluster } from "../helpers/postgres.ts";
import { runOrder } from "../store/postgres/order_run.ts";
import { chooseBuild } from "../bench/build.ts";
import { describeMachine } from "../bench/machine.ts";
import { savePage } from "../bench/page.ts";
import { TEST_PERMISSIONS } from "../../build/permissions.ts";
import { complain, PROJECT_FOLDER, runDeno, say } from "../../build/tool.ts";
import { buildFaultShim } from "./fault_shim.ts";
import { Firewall } from "./firewall.ts";
import { makeNextRelease } from "./next_release.ts";
import { run, type RunResult } from "./run.ts";
import { runRestarts, tableOfRestarts } from "./restarts.ts";
import { type Means, World } from "./world.ts";

/** Set in the process that runs inside the namespaces. */
const INSIDE = "MINI_CHAT_TORTURE_INSIDE";

/** Room of the small disk, in MiB: what a run of a minute stores, and what each further minute does. */
const DISK_MIB = { first: 96, perMinute: 8 };

/** Minutes from which a run has the long form of the fuzzers too, and how many times the short form that is. */
const FUZZ_FROM_MINUTES = 5;
const FUZZ_SCALE = 67;

/** What `--order` writes. */
const ORDER = { messages: 200_000, forMs: 60_000, mailboxes: 8 };

const { values: flags } = parseArgs({
  options: {
    servers: { type: "string", default: "1" },
    minutes: { type: "string", default: "1" },
    seed: { type: "string", default: String(Date.now() % 2 ** 31) },
    fuzz: { type: "boolean", default: false },
    only: { type: "string", default: "" },
    save: { type: "boolean", default: false },
    order: { type: "boolean", default: false },
    restarts: { type: "boolean", default: false },
  },
});
const minutes = Number(flags.minutes);
const seed = Number(flags.seed);
const servers = Number(flags.servers);
if (!(minutes > 0) || !Number.isSafeInteger(seed) || !(Number.isSafeInteger(servers) && servers > 0)) {
  complain(
    "Usage: deno task torture [--servers N] [--minutes N] [--seed N] [--only NAME] [--fuzz] [--save] [--order] [--restarts]",
  );
  Deno.exit(2);
}

if (servers > 1 || flags.order) {
  const reason = whyNot(...POSTGRES);
  if (reason !== undefined) {
    complain(`Cannot torture PostgreSQL: it ${reason}`);
    Deno.exit(2);
  }
}
if (flags.order) Deno.exit(await tortureOrder());
if (flags.restarts) Deno.exit(await tortureRestarts());

const missing = whyNot("namespaces", { command: "nft" }, { command: "mount" });
if (missing === undefined && !Deno.env.has(INSIDE)) Deno.exit(await enterNamespaces());
Deno.exit(await main());

/** Runs this program again in namespaces of its own; they vanish with it. */
async function enterNamespaces(): Promise<number> {
  const script = join(PROJECT_FOLDER, "tests/torture/torture.ts");
  const again = [
    Deno.execPath(),
    "run",
    "-q",
    ...TEST_PERMISSIONS,
    script,
    ...Deno.args,
    "--seed",
    flags.seed,
  ];
  const child = new Deno.Command("unshare", {
    args: ["--net", "--mount", "sh", "-c", 'ip link set lo up && exec "$@"', "sh", ...again],
    env: { [INSIDE]: "1" },
    stdin: "null",
  }).spawn();
  return (await child.status).code;
}

async function main(): Promise<number> {
  const build = await chooseBuild();
  say(
    `Torture of ${
      servers === 1 ? "a server" : `${servers} servers`
    } for ${minutes} min with seed ${seed}: ${build}`,
  );
  const scratch = await Deno.makeTempDir({ prefix: "mini-chat-torture-" });
  const machine = await describeMachine();
  let code = 0;
  try {
    const means = await findMeans(scratch);
    await using world = await World.make(scratch, new Random(seed), means, servers);
    const result = await run(world, { forMs: minutes * 60_000, only: flags.only, say: complain });
    const [table, summary] = tableOf(result);
    say(`\n${table}\n\n${summary}`);
    if (flags.save) {
      const measured = `${build}, for ${minutes} min with seed ${seed}`;
      await savePage(servers === 1 ? "torture" : "torture --servers 2", { ...machine, measured }, [
        table,
        summary,
      ]);
    }
    code = isClean(result) ? 0 : 1;
    if (code !== 0) say(`\nRepeat with --seed ${seed}`);
  } finally {
    await cleanUp(scratch);
  }
  if (flags.fuzz || (servers === 1 && minutes >= FUZZ_FROM_MINUTES)) code = Math.max(code, await fuzz());
  return code;
}

/** Two servers' worth of writers for a minute; and that a reader would notice, were mailboxes not locked. */
async function tortureOrder(): Promise<number> {
  await using cluster = await PostgresCluster.start();
  let isGood = true;
  for (const isLocked of [true, false]) {
    const result = await runOrder({ ...ORDER, url: await cluster.newDatabase(), isLocked });
    say(`${isLocked ? "as it is" : "without the lock"}: ${JSON.stringify(result)}`);
    const { stored, missed, outOfOrder, wrongTotals } = result;
    isGood &&= stored === ORDER.messages;
    isGood &&= isLocked ? missed + outOfOrder + wrongTotals === 0 : missed > 0;
  }
  return isGood ? 0 : 1;
}

/** How long people are without a server that is restarted, and whether anything is lost by it. */
async function tortureRestarts(): Promise<number> {
  say(`Restarts of a server: ${await chooseBuild()}`);
  const scratch = await Deno.makeTempDir({ prefix: "mini-chat-torture-" });
  try {
    const tallies = await runRestarts(scratch, complain);
    say(`\n${tableOfRestarts(tallies)}`);
    return tallies.some(({ lost, doubled, outOfOrder }) => lost + doubled + outOfOrder > 0) ? 1 : 0;
  } finally {
    await Deno.remove(scratch, { recursive: true });
  }
}

async function findMeans(scratch: string): Promise<Means> {
  const library = await buildFaultShim(scratch);
  const means = {
    ...(library === undefined ? {} : { shim: library }),
    ...(servers > 1 ? { nextRelease: await makeNextRelease(join(scratch, "next-release")) } : {}),
  };
  if (!Deno.env.has(INSIDE)) return means;
  const smallDisk = join(scratch, "disk");
  await Deno.mkdir(smallDisk, { mode: 0o700 });
  const size = `size=${DISK_MIB.first + Math.ceil(minutes) * DISK_MIB.perMinute}m,mode=700`;
  await command("mount", ["-t", "tmpfs", "-o", size, "tmpfs", smallDisk]);
  return { ...means, smallDisk, firewall: await Firewall.make() };
}

async function cleanUp(scratch: string): Promise<void> {
  if (Deno.env.has(INSIDE)) await command("umount", [join(scratch, "disk")]).catch(() => {});
  await Deno.remove(scratch, { recursive: true });
}

/** The fuzzers, many times as long as in the tests. */
async function fuzz(): Promise<number> {
  say(`\nFuzzing with seed ${seed}, ${FUZZ_SCALE} times as long as the tests do`);
  Deno.env.set("MINI_CHAT_FUZZ_SEED", String(seed));
  Deno.env.set("MINI_CHAT_FUZZ_SCALE", String(FUZZ_SCALE));
  return await runDeno(["test", ...TEST_PERMISSIONS, "tests/fuzz"]);
}

/** The table, and what to say below it. */
function tableOf({ tallies, verdict, troubles }: RunResult): [table: string, summary: string] {
  const rows = [[
    "fault",
    "times",
    "in flight",
    "lost",
    "doubled",
    "out of order",
    "longest stall of others",
  ]];
  for (const tally of tallies) {
    const { name, times, inFlight, lost, doubled, outOfOrder, longestStallMs, leftOut } = tally;
    rows.push(
      leftOut !== undefined
        ? [name, `left out: ${leftOut}`, "", "", "", "", ""]
        : [name, times, inFlight, lost, doubled, outOfOrder, `${Math.round(longestStallMs)} ms`].map(String),
    );
  }
  const sum = (pick: (tally: RunResult["tallies"][number]) => number) =>
    String(tallies.reduce((total, tally) => total + pick(tally), 0));
  rows.push([
    "all",
    sum((t) => t.times),
    sum((t) => t.inFlight),
    sum((t) => t.lost),
    sum((t) => t.doubled),
    sum((t) => t.outOfOrder),
    "",
  ]);
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)));
  const lines = rows.map((row) =>
    `| ${row.map((cell, column) => cell.padEnd(widths[column]!)).join(" | ")} |`
  );
  lines.splice(1, 0, `| ${widths.map((width) => "-".repeat(width)).join(" | ")} |`);
  const { written, refused, shown, shownAgain, violations } = verdict;
  const summary = [
    `${written} messages written, ${refused} refused, ${shown} times shown on all devices; ${shownAgain} shown again after a kill`,
    ...violations.slice(0, 20).map(({ kind, detail }) => `${kind.toUpperCase()}: ${detail}`),
    ...troubles.slice(0, 20).map((trouble) => `TROUBLE: ${trouble}`),
  ];
  return [lines.join("\n"), summary.join("\n")];
}

function isClean({ verdict, troubles }: RunResult): boolean {
  return verdict.violations.length === 0 && troubles.length === 0 && verdict.written > 0;
}

async function command(program: string, args: readonly string[]): Promise<void> {
  const { success, stderr } = await new Deno.Command(program, { args: [...args], stdin: "null" }).output();
  if (!success) throw new Error(`${program} ${args.join(" ")}: ${new TextDecoder().decode(stderr)}`);
}
