/**
 * `live_ms` and `stall_ms.slow_disk`: how long people wait, at a pace that people have.
 * @module
 */
import { startBenchServer } from "./bench_server.ts";
import type { BenchContext } from "./context.ts";
import { measureFsync, startRawServer } from "./limits.ts";
import { IdMaker, LoadConnection, openAll, pump, sendFrame, type Target } from "./load.ts";
import { addPeople, type Person } from "./population.ts";
import { median, percentile } from "./report.ts";
import { MESSAGE_START } from "./sends.ts";
import { startScreen } from "./screen.ts";
import { buildFaultShim, FaultControl } from "../torture/fault_shim.ts";

/** Messages a second of `live_ms`. */
const LIVE_PER_SECOND = 200;

/** Messages a second while the disk is slow, and the connections that they come from. */
const SLOW_DISK_PER_SECOND = 1_000;
const SLOW_DISK_SENDERS = 50;

/** What an fsync of the slow disk takes, in milliseconds. */
const SLOW_FSYNC_MS = 20;

/** Pings a second while the disk is slow. */
const PINGS_PER_SECOND = 100;

/** `live_ms`: from the sender's write until the recipient's program has it, and until its screen shows it. */
export async function measureLiveLatency(context: BenchContext): Promise<void> {
  const { report, durationMs, rounds } = context;
  const folder = await context.newFolder();
  const [sender, recipient] = await addPeople(folder, "p", 2) as [Person, Person];
  await using server = await startBenchServer(folder);
  await using raw = await startRawServer(await context.newFolder());
  const echo = await LoadConnection.open(raw.target);
  const sending = await LoadConnection.signIn(server.target, sender);
  const receiving = await LoadConnection.signIn(server.target, recipient);
  await receiving.ask("subscribe", {});
  await using screen = await startScreen(context, server.target, recipient);

  for (let round = 0; round < rounds; round++) {
    const trips = await pump([{ connection: echo, to: recipient.name }], {
      depth: 1,
      durationMs: durationMs / 3,
    });
    report.add("limit.tls_rtt_ms", "ms", median([...trips.latenciesMs]));
    report.add("limit.fsync_ms", "ms", measureFsync(folder, 300));
    const limit = report.median("limit.tls_rtt_ms")! + report.median("limit.fsync_ms")!;
    report.add("limit.rtt_and_fsync_ms", "ms", limit);

    const writtenAt = new Map<string, number>();
    const arrivedMs: number[] = [];
    const shownMs: number[] = [];
    receiving.onEvent = (line) => {
      if (!line.startsWith(MESSAGE_START)) return;
      const id = line.substr(line.indexOf('"id":"') + 6, 36);
      const at = writtenAt.get(id);
      if (at !== undefined) arrivedMs.push(performance.now() - at);
    };
    screen?.onShown((id, at) => {
      const from = writtenAt.get(id);
      if (from !== undefined) shownMs.push(at - from);
    });
    const ids = new IdMaker();
    await atPace(LIVE_PER_SECOND, durationMs, () => {
      const id = ids.next();
      writtenAt.set(id, performance.now());
      // The text begins with the id, so that a line on the screen can be told from another.
      sending.send(sendFrame(sending.nextId(), id, recipient.name, `${id} ${"x".repeat(163)}`));
    });
    await sending.ask("ping", {});
    await receiving.ask("ping", {});
    report.add("live_ms.p50", "ms", percentile(arrivedMs, 0.5), {
      target: { of: "limit.rtt_and_fsync_ms", must: "be at most", factor: 3 },
    });
    report.add("live_ms.p99", "ms", percentile(arrivedMs, 0.99));
    if (screen) {
      report.add("live_ms.screen.p50", "ms", percentile(shownMs, 0.5), {
        target: { of: "limit.rtt_and_fsync_ms", must: "be at most", factor: 3 },
        note: "until the lines of the client's `tail` are read",
      });
      report.add("live_ms.screen.p99", "ms", percentile(shownMs, 0.99));
    }
  }
  for (const connection of [echo, sending, receiving]) connection.close();
}

/** `stall_ms.slow_disk`: what others notice of a disk whose every fsync takes 20 ms. */
export async function measureSlowDisk(context: BenchContext): Promise<void> {
  const { durationMs } = context;
  const shim = await buildFaultShim(await context.newFolder());
  if (shim === undefined) {
    return context.say("left out: stall_ms.slow_disk needs Linux and a C compiler (cc)");
  }
  const folder = await context.newFolder();
  const people = await addPeople(folder, "p", SLOW_DISK_SENDERS + 1);
  using control = FaultControl.create(await context.newFolder());
  await using server = await startBenchServer(folder, control.env(shim));
  control.set({ fsyncMs: SLOW_FSYNC_MS });
  await slowDiskRound(context, server.target, people, durationMs * 2);
}

async function slowDiskRound(
  { report }: BenchContext,
  target: Target,
  people: readonly Person[],
  durationMs: number,
): Promise<void> {
  const [pinger, ...senders] = await openAll(people, (person) => LoadConnection.signIn(target, person));
  const ids = new IdMaker();
  let acknowledged = 0;
  for (const sender of senders) sender.onReply = () => void acknowledged++;
  const taken: number[] = [];
  let turn = 0;
  const sending = atPace(SLOW_DISK_PER_SECOND, durationMs, () => {
    const sender = senders[turn++ % senders.length]!;
    sender.send(sendFrame(sender.nextId(), ids.next(), people[0]!.name));
  });
  const pinging = atPace(PINGS_PER_SECOND, durationMs, async () => {
    const startedAt = performance.now();
    await pinger!.ask("ping", {});
    taken.push(performance.now() - startedAt);
  });
  await Promise.all([sending, pinging]);
  report.add("stall_ms.slow_disk", "ms", percentile(taken, 0.99), {
    target: { of: 50, must: "be at most", factor: 1 },
    note: `p99 of ${taken.length} pings while ${acknowledged} messages were stored`,
  });
  for (const connection of [pinger!, ...senders]) connection.close();
}

/** Does something so many times a second, in small bursts where the timer is coarse; never faster to catch up. */
async function atPace(perSecond: number, durationMs: number, act: () => void): Promise<void> {
  const startedAt = performance.now();
  for (let done = 0; performance.now() - startedAt < durationMs;) {
    const due = Math.floor((performance.now() - startedAt) / 1000 * perSecond);
    for (; done < due; done++) act();
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
}
