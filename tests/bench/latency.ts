/**
 * `live_ms` and `stall_ms.slow_disk`: how long people wait, at a pace that people have.
 * @module
 */
import { startBenchServer } from "./bench_server.ts";
import type { BenchContext } from "./context.ts";
import { measureFsync, startRawServer } from "./limits.ts";
import { IdMaker } from "../helpers/message_ids.ts";
import { atPace, LoadConnection, openAll, pump, sendFrame, type Target } from "./load.ts";
import { addPeople, type Person } from "../helpers/population.ts";
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
  const [sender, atWire, atScreen] = await addPeople(folder, "p", 3) as [Person, Person, Person];
  await using server = await startBenchServer(folder);
  await using raw = await startRawServer(await context.newFolder());
  const echo = await LoadConnection.open(raw.target);
  const sending = await LoadConnection.signIn(server.target, sender);
  const receiving = await LoadConnection.signIn(server.target, atWire);
  await receiving.ask("subscribe", {});
  await using screen = await startScreen(context, server.target, atScreen);

  // The client is there once it has shown a first message; nothing is measured before.
  const isThere = new Promise<void>((resolve) => screen.onShown(() => resolve()));
  sending.send(sendFrame(sending.nextId(), crypto.randomUUID(), atScreen.name));
  await isThere;

  for (let round = 0; round < rounds; round++) {
    const lane = [{ connection: echo, to: sender.name }];
    const trips = await pump(lane, { depth: 1, durationMs: durationMs / 3 });
    const rttMs = median([...trips.latenciesMs]);
    const fsyncMs = await measureFsync(folder, LIVE_PER_SECOND, durationMs / 3);
    report.add("limit.tls_rtt_ms", "ms", rttMs);
    report.add("limit.fsync_ms", "ms", fsyncMs);
    report.add("limit.rtt_and_fsync_ms", "ms", rttMs + fsyncMs);

    const shown = await timeToArrive(sending, atScreen.name, durationMs, (tell) => screen.onShown(tell));
    const arrived = await timeToArrive(sending, atWire.name, durationMs, (tell) => {
      receiving.onEvent = (line) => {
        if (line.startsWith(MESSAGE_START)) {
          tell(line.substr(line.indexOf('"id":"') + 6, 36), performance.now());
        }
      };
    });
    const target = { of: "limit.rtt_and_fsync_ms", must: "be at most", factor: 3 } as const;
    report.add("live_ms.p50", "ms", percentile(shown, 0.5), {
      target,
      note: "to the screen of the real client",
    });
    report.add("live_ms.p99", "ms", percentile(shown, 0.99));
    report.add("live_ms.socket.p50", "ms", percentile(arrived, 0.5), {
      target,
      note: "to the recipient's socket",
    });
    report.add("live_ms.socket.p99", "ms", percentile(arrived, 0.99));
  }
  for (const connection of [echo, sending, receiving]) connection.close();
}

/** Sends messages at the pace of `live_ms`; how long each took until `listen`'s teller was told of it, in milliseconds. */
export async function timeToArrive(
  sending: LoadConnection,
  to: string,
  durationMs: number,
  listen: (tell: (id: string, at: number) => void) => void,
): Promise<number[]> {
  const writtenAt = new Map<string, number>();
  const taken: number[] = [];
  const all = Promise.withResolvers<void>();
  let isOver = false;
  listen((id, at) => {
    const from = writtenAt.get(id);
    if (from !== undefined) taken.push(at - from);
    if (isOver && taken.length === writtenAt.size) all.resolve();
  });
  const ids = new IdMaker();
  await atPace(LIVE_PER_SECOND, durationMs, () => {
    const id = ids.next();
    writtenAt.set(id, performance.now());
    sending.send(sendFrame(sending.nextId(), id, to));
  });
  isOver = true;
  if (taken.length < writtenAt.size) await all.promise;
  return taken;
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
  const pings: Promise<void>[] = [];
  const ping = async () => {
    const startedAt = performance.now();
    await pinger!.ask("ping", {});
    taken.push(performance.now() - startedAt);
  };
  const pinging = atPace(PINGS_PER_SECOND, durationMs, () => pings.push(ping()));
  await Promise.all([sending, pinging]);
  await Promise.all(pings);
  report.add("stall_ms.slow_disk", "ms", percentile(taken, 0.99), {
    target: { of: 50, must: "be at most", factor: 1 },
    note: `p99 of ${taken.length} pings while ${acknowledged} messages were stored`,
  });
  for (const connection of [pinger!, ...senders]) connection.close();
}
