/**
 * One run: faults one after the other while people talk, then rest, then judgement.
 * @module
 */
import { runServer } from "../helpers/mini_chat.ts";
import { judge, type Verdict } from "./checker.ts";
import { CLUSTER_FAULTS } from "./cluster_faults.ts";
import { type Fault, pause } from "./fault.ts";
import { FAULTS } from "./faults.ts";
import type { World } from "./world.ts";

/** One line of the table. */
export interface FaultTally {
  readonly name: string;
  times: number;
  /** Most messages that were written and not acknowledged while it lasted, over all times. */
  inFlight: number;
  lost: number;
  doubled: number;
  outOfOrder: number;
  /** Longest time without an answer to somebody whom the fault did not mean, in milliseconds. */
  longestStallMs: number;
  /** Why it was left out. */
  readonly leftOut?: string;
}

/** What came of a run. */
export interface RunResult {
  readonly tallies: readonly FaultTally[];
  readonly verdict: Verdict;
  /** Everything else that must not be: a fault in a log, a damaged database, something that did not come back. */
  readonly troubles: readonly string[];
}

/** Longest that a fault is held, in milliseconds; the heartbeat's 45 s fit into a long run only. */
const LONGEST_HOLD_MS = { short: 2_500, long: 60_000 };

/** Rounds in which each fault that is not in every one of them comes about once. */
const ROUNDS_FOR_OTHERS = 3;

/** How often messages in flight are counted, in milliseconds. */
const COUNT_EVERY_MS = 20;

/** How long all that waits may take to arrive once nothing is wrong any more, in milliseconds. */
const REST_WITHIN_MS = 90_000;

/** What a server logs when a disk is full or its database is away, and when that is over. */
const REFUSES = / the database takes nothing: /;
const STORES_AGAIN = / the database takes messages again/;

/** What a run is told. */
export interface RunOptions {
  /** How long faults are injected, in milliseconds. */
  readonly forMs: number;
  /** Parts of the names of the faults that are wanted, with commas between them; empty for all. */
  readonly only: string;
  /** Says how far it is. */
  readonly say: (line: string) => void;
}

/** Injects faults, and judges. */
export async function run(world: World, { forMs, only, say }: RunOptions): Promise<RunResult> {
  const faults = [...FAULTS, ...(world.database ? CLUSTER_FAULTS : [])]
    .filter(({ name }) => only.split(",").some((part) => name.includes(part)));
  const tallies = new Map<string, FaultTally>(
    faults.map((fault) => [fault.name, tallyOf(fault, world)]),
  );
  const struck: { readonly name: string; readonly from: number; to: number }[] = [];
  const troubles: string[] = [];
  const isLong = forMs > 5 * 60_000;
  const endsAt = performance.now() + forMs;
  await pause(Math.min(3_000, forMs / 10));
  for (let queue: Fault[] = []; performance.now() < endsAt;) {
    if (queue.length === 0) queue = nextRound(faults, world);
    const fault = queue.pop()!;
    const tally = tallies.get(fault.name)!;
    const strike = { name: fault.name, from: performance.now(), to: Infinity };
    tally.times += 1;
    struck.push(strike);
    let mostInFlight = world.inFlight;
    const counter = setInterval(() => mostInFlight = Math.max(mostInFlight, world.inFlight), COUNT_EVERY_MS);
    try {
      await fault.inject(world, holdMs(fault, world, isLong));
    } catch (error) {
      troubles.push(`${fault.name}: ${error instanceof Error ? error.message : error}`);
    }
    clearInterval(counter);
    tally.inFlight += mostInFlight;
    strike.to = performance.now();
    await pause(world.random.integer(200, 800));
    tally.longestStallMs = Math.max(
      tally.longestStallMs,
      world.watcher.longestStallMs(strike.from, strike.to),
    );
    say(`  ${((endsAt - performance.now()) / 1000).toFixed(0)} s left: ${fault.name}`);
  }
  await world.heal();
  const verdict = await rest(world, say);
  for (const { kind, at } of verdict.violations) {
    const tally = tallies.get(struck.findLast(({ from }) => from <= at)?.name ?? faults[0]!.name)!;
    if (kind === "lost") tally.lost += 1;
    else if (kind === "doubled") tally.doubled += 1;
    else tally.outOfOrder += 1;
  }
  troubles.push(...await findTroubles(world));
  return { tallies: [...tallies.values()], verdict, troubles };
}

function tallyOf(fault: Fault, world: World): FaultTally {
  const leftOut = fault.whyNot?.(world);
  return {
    name: fault.name,
    times: 0,
    inFlight: 0,
    lost: 0,
    doubled: 0,
    outOfOrder: 0,
    longestStallMs: 0,
    ...(leftOut === undefined ? {} : { leftOut }),
  };
}

/** All of them once; with several servers, those that are in each round and some of the others. */
function nextRound(faults: readonly Fault[], world: World): Fault[] {
  const possible = shuffled(faults.filter((fault) => !fault.whyNot?.(world)), world);
  if (!world.database) return possible;
  const always = possible.filter(({ inEachRound }) => inEachRound);
  const others = possible.filter(({ inEachRound }) => !inEachRound);
  return shuffled([...always, ...others.slice(0, Math.ceil(others.length / ROUNDS_FOR_OTHERS))], world);
}

function holdMs(fault: Fault, world: World, isLong: boolean): number {
  if (fault.holdMs) return world.random.integer(...fault.holdMs[isLong ? "long" : "short"]);
  if (isLong && world.random.chance(0.1)) return world.random.integer(10_000, LONGEST_HOLD_MS.long);
  return world.random.integer(800, LONGEST_HOLD_MS.short);
}

/** Lets everybody finish, and judges when nothing is on its way any more, or it takes too long. */
async function rest(world: World, say: (line: string) => void): Promise<Verdict> {
  for (const device of world.devices) device.quiet();
  const startedAt = performance.now();
  for (;;) {
    await pause(250);
    const isQuiet = world.devices.every(({ isEmpty }) => isEmpty);
    const verdict = judge(world.histories);
    const isComplete = isQuiet && !verdict.violations.some(({ kind }) => kind === "lost");
    const tookMs = performance.now() - startedAt;
    if (!isComplete && tookMs < REST_WITHIN_MS) continue;
    say(`  at rest after ${(tookMs / 1000).toFixed(1)} s${isComplete ? "" : ", but not complete"}`);
    // What would come twice comes now.
    await pause(500);
    return judge(world.histories);
  }
}

async function findTroubles(world: World): Promise<string[]> {
  const troubles: string[] = [];
  for (const server of world.servers) {
    const code = await server.stop();
    if (code !== 0) troubles.push(`a server ended with ${code}`);
    const lines = server.log.split("\n");
    for (const line of lines) {
      if (/ (error|fatal) |panicked|Uncaught/.test(line) && !REFUSES.test(line)) {
        troubles.push(`a server's log: ${line.slice(0, 300)}`);
      }
    }
    // One that was killed while it refused has not said so, and the next one has nothing to take back.
    const last = server.presentLog.split("\n").findLast((line) =>
      REFUSES.test(line) || STORES_AGAIN.test(line)
    );
    if (last !== undefined && REFUSES.test(last)) troubles.push("a server has not said that it stores again");
  }
  for (const device of world.devices) {
    if (device.complaints !== "" && device.options.runs.kind === "talker") {
      troubles.push(`${device.options.device}: ${device.complaints.slice(0, 500)}`);
    }
  }
  const database = world.database?.urlFor(0);
  const { code: checked, stdout, stderr } = await runServer(
    ["check", "--data", world.servers[0]!.data],
    database === undefined ? {} : { env: { MINI_CHAT_DATABASE: database } },
  );
  if (checked !== 0) troubles.push(`the database is damaged: ${stdout}${stderr}`);
  return troubles;
}

function shuffled<T>(items: readonly T[], world: World): T[] {
  const rest = [...items];
  return Array.from(items, () => rest.splice(world.random.integer(0, rest.length - 1), 1)[0]!);
}
