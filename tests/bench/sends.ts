/**
 * `durable_send`, `ack_ms` and `live`: how fast messages get onto the disk, and from there to those they are for.
 * @module
 */
import type { BenchContext } from "./context.ts";
import { type BenchServer, startBenchServer } from "./bench_server.ts";
import { rawInserts, startRawServer } from "./limits.ts";
import { type Lane, LoadConnection, openAll, pump } from "./load.ts";
import { addPeople, type Person } from "../helpers/population.ts";
import { processorMs } from "./proc.ts";
import { percentile } from "./report.ts";
import { measureThreadHops } from "./thread_hops.ts";

/** Connections of the widest measurement. */
const MOST = 64;

/** Pairs of `live`. */
const PAIRS = 8;

/** Processor time that the server may take for a live message, in microseconds. */
const MOST_LIVE_CPU_US = 25;

/** Messages that each sender of `live` has unacknowledged. */
const LIVE_DEPTH = 64;

/** Measures all of it, limits included, some rounds. */
export async function measureSends(context: BenchContext): Promise<void> {
  const { report, durationMs, rounds } = context;
  const folder = await context.newFolder();
  const senders = await addPeople(folder, "s", MOST);
  const recipients = await addPeople(folder, "r", MOST);
  await using server = await startBenchServer(folder);
  await using raw = await startRawServer(await context.newFolder());
  const sending = await openAll(senders, (person) => LoadConnection.signIn(server.target, person));
  const echoing = await openAll(senders, () => LoadConnection.open(raw.target));
  const lanes = toLanes(sending, recipients);
  const echoLanes = toLanes(echoing, recipients);

  for (let round = 0; round < rounds; round++) {
    report.add("limit.sqlite_single", "/s", rawInserts(folder, 1, durationMs));
    report.add("limit.sqlite_group256", "/s", rawInserts(folder, 256, durationMs));
    report.add("limit.tls_echo", "/s", (await pump(echoLanes, { depth: 50, durationMs })).perSecond);

    report.add("limit.thread_hops_ms", "ms", (await measureThreadHops(folder)).hopsMs, {
      note: "two wake-ups of a thread, which a lone send pays",
    });
    const single = await pump(lanes.slice(0, 1), { depth: 1, durationMs });
    report.add("durable_send.1x1", "/s", single.perSecond, {
      target: { of: "limit.sqlite_single", must: "be at least", factor: 0.45 },
    });
    report.add("ack_ms.1x1.p50", "ms", percentile(single.latenciesMs, 0.5));
    report.add("ack_ms.1x1.p99", "ms", percentile(single.latenciesMs, 0.99), {
      target: { of: "ack_ms.1x1.p50", must: "be at most", factor: 3 },
    });
    const wide = await pump(lanes, { depth: 1, durationMs });
    report.add("durable_send.64x1", "/s", wide.perSecond, {
      target: { of: "limit.sqlite_single", must: "be at least", factor: 2 },
    });
    report.add("ack_ms.64x1.p50", "ms", percentile(wide.latenciesMs, 0.5));
    report.add("ack_ms.64x1.p99", "ms", percentile(wide.latenciesMs, 0.99), {
      target: { of: "ack_ms.64x1.p50", must: "be at most", factor: 5 },
    });
    const deep = await pump(lanes, { depth: 50, durationMs });
    report.add("durable_send.64x50", "/s", deep.perSecond, {
      target: { of: "limit.sqlite_group256", must: "be at least", factor: 0.2 },
    });
    const live = await pumpLive(context, server, lanes.slice(0, PAIRS), recipients);
    report.add("live.8x64", "/s", live.perSecond, {
      target: { of: "durable_send.64x50", must: "be at least", factor: 0.75 },
    });
    if (live.processorUs !== undefined) {
      report.add("live_cpu_us", "µs", live.processorUs, {
        target: { of: MOST_LIVE_CPU_US, must: "be at most", factor: 1 },
        note: "processor time of the server for one message, all threads",
      });
    }
  }
  for (const connection of [...sending, ...echoing]) connection.close();
}

function toLanes(connections: readonly LoadConnection[], recipients: readonly Person[]): Lane[] {
  return connections.map((connection, index) => ({ connection, to: recipients[index]!.name }));
}

/** Messages that were stored, pushed to their recipient, and confirmed by it on disk: how many a second, and what one costs. */
async function pumpLive(
  { durationMs }: BenchContext,
  { target, pid }: BenchServer,
  lanes: readonly Lane[],
  recipients: readonly Person[],
): Promise<{ readonly perSecond: number; readonly processorUs: number | undefined }> {
  const warmUpMs = 300;
  const receiving = await openAll(
    recipients.slice(0, lanes.length),
    (person) => LoadConnection.signIn(target, person),
  );
  const startsAt = performance.now() + warmUpMs;
  let confirmed = 0;
  let all = 0;
  for (const connection of receiving) {
    confirmAll(connection, (count) => {
      const now = performance.now();
      all += count;
      if (now >= startsAt && now < startsAt + durationMs) confirmed += count;
    });
    await connection.subscribeToNew();
  }
  const before = await processorMs(pid);
  await pump(lanes, { depth: LIVE_DEPTH, durationMs, warmUpMs: startsAt - performance.now() });
  const after = await processorMs(pid);
  for (const connection of receiving) connection.close();
  const processorUs = before === undefined || after === undefined ? undefined : (after - before) * 1000 / all;
  return { perSecond: confirmed / durationMs * 1000, processorUs };
}

/** Confirms what arrives, as far as it has arrived, one confirmation at a time; tells how many each one covered. */
export function confirmAll(connection: LoadConnection, onConfirmed: (count: number) => void): void {
  let last = 0; // highest sequence that arrived
  let arrived = 0; // not covered by a confirmation that was sent
  let underWay = 0; // covered by the one that waits for its reply
  const confirm = () => {
    if (underWay > 0 || arrived === 0) return;
    underWay = arrived;
    arrived = 0;
    const id = connection.nextId();
    connection.send(`{"jsonrpc":"2.0","id":${id},"method":"acknowledge","params":{"delivered":${last}}}\n`);
  };
  connection.onEvent = (line) => {
    if (!line.startsWith(MESSAGE_START)) return;
    last = parseInt(line.slice(MESSAGE_START.length, MESSAGE_START.length + 16));
    arrived += 1;
  };
  connection.onReply = () => {
    onConfirmed(underWay);
    underWay = 0;
    confirm();
  };
  connection.onBatch = confirm;
}

/** How every message begins on its way to its recipient. */
export const MESSAGE_START = '{"jsonrpc":"2.0","method":"message_received","params":{"sequence":';
