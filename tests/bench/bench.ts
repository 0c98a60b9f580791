/**
 * `deno task bench`: measures both programs from another process, against the machine's own limits.
 *
 * `--quick` takes less than a minute and shows only roughly where things stand; `--only KEY` runs the part that measures
 * the keys which begin with it; `--json` prints one object in place of the table; `--save` puts table and chart into the
 * repository; `--dir DIR` measures another disk than that of the temporary folder. The programs in `dist/` are measured if
 * they are there and newer than the source, else the source. `--peers` drives the other chat servers that are installed
 * here instead, and ours, all with one load.
 * @module
 */
import { parseArgs } from "node:util";
import { complain, say } from "../../build/tool.ts";
import { measureCluster } from "./cluster.ts";
import type { BenchContext } from "./context.ts";
import { measureFailover } from "./failover.ts";
import { measureLiveLatency, measureSlowDisk } from "./latency.ts";
import { measureDrain, measureGrowth, measureUserList } from "./mailboxes.ts";
import { describeMachine } from "./machine.ts";
import { chooseBuild } from "./build.ts";
import { Report } from "./report.ts";
import { CHART_IMAGE, saveChart, savePage } from "./page.ts";
import { measureSends } from "./sends.ts";
import { measureIdle, measureLogins, measureStart } from "./sessions.ts";
import { measureStranger } from "./stranger.ts";

/** Each part, with the beginnings of the keys that it measures. */
const PARTS: readonly { keys: readonly string[]; measure: (context: BenchContext) => Promise<void> }[] = [
  {
    keys: [
      "durable_send.1x1",
      "durable_send.64",
      "ack_ms",
      "live.",
      "live_cpu",
      "limit.sqlite",
      "limit.tls_echo",
    ],
    measure: measureSends,
  },
  { keys: ["live_ms", "limit.tls_rtt_ms", "limit.fsync_ms", "limit.rtt"], measure: measureLiveLatency },
  { keys: ["stranger", "limit.stranger"], measure: measureStranger },
  { keys: ["drain_ms.10000", "limit.drain"], measure: measureDrain },
  { keys: ["login_per_s", "limit.scrypt", "limit.tls_handshakes"], measure: measureLogins },
  { keys: ["idle_kib", "limit.tls_idle_kib"], measure: measureIdle },
  { keys: ["failover", "offline_ms", "notify_waits"], measure: measureFailover },
  { keys: ["stall_ms"], measure: measureSlowDisk },
  { keys: ["start_ms", "limit.start"], measure: measureStart },
  { keys: ["pg.", "limit.pg_"], measure: measureCluster },
  { keys: ["growth", "durable_send.8x50", "drain_ms.1000."], measure: measureGrowth },
  { keys: ["growth", "user_list"], measure: measureUserList },
];

const { values: flags } = parseArgs({
  options: {
    quick: { type: "boolean", default: false },
    json: { type: "boolean", default: false },
    save: { type: "boolean", default: false },
    only: { type: "string" },
    dir: { type: "string" },
    peers: { type: "boolean", default: false },
  },
});

const startedAt = performance.now();
const build = await chooseBuild();
const measured = flags.quick ? `${build}, in a quick run` : build;
const machine = { ...await describeMachine(), measured };
complain(`Measuring ${build}${flags.quick ? ", quickly and roughly" : ""}…`);
const scratch = await Deno.makeTempDir({
  prefix: "mini-chat-bench-",
  ...(flags.dir ? { dir: flags.dir } : {}),
});
const report = new Report();
const context: BenchContext = {
  report,
  isQuick: flags.quick,
  durationMs: flags.quick ? 700 : 3_000,
  rounds: flags.quick ? 1 : 3,
  newFolder: () => Deno.makeTempDir({ dir: scratch }),
  say: complain,
};
try {
  await (flags.peers ? comparePeers() : measureParts());
} finally {
  await Deno.remove(scratch, { recursive: true });
}

async function measureParts(): Promise<void> {
  for (const { keys, measure } of PARTS) {
    if (!isWanted(keys)) continue;
    const partStartedAt = performance.now();
    await measure(context);
    complain(`  ${keys[0]}: ${((performance.now() - partStartedAt) / 1000).toFixed(1)} s`);
  }
  const chart = await saveChart(report.lines(), flags.save);
  if (flags.save) await savePage("bench", machine, [CHART_IMAGE, report.table()]);
  const minutes = (performance.now() - startedAt) / 60_000;
  say(flags.json ? JSON.stringify(report.json(machine), null, 2) : report.table());
  complain(
    `\nChart: ${chart}. Took ${minutes.toFixed(1)} min. A ratio is the median of the ratios of each round.`,
  );
}

async function comparePeers(): Promise<void> {
  const { measurePeers, peersTable } = await import("./peers/peers.ts");
  const results = await measurePeers(context);
  if (flags.save) await savePage("bench --peers", machine, [peersTable(results)]);
  say(flags.json ? JSON.stringify({ machine, results }, null, 2) : peersTable(results));
}

/** Whether `--only` asks for a part, by the beginning of a key or by a longer one. */
function isWanted(keys: readonly string[]): boolean {
  const only = flags.only;
  return only === undefined || keys.some((key) => key.startsWith(only) || only.startsWith(key));
}
