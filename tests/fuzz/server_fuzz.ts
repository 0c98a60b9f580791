/**
 * The raw-socket fuzzer: speaks to a real server in every stage, and watches what becomes of it and of others.
 *
 * A case is one hostile thing that the server was seen to have taken: it answered what came after, or hung up where
 * the protocol says so. Meanwhile a bystander sends, receives and asks, and none of that may fail.
 * @module
 */
import { residentKib } from "../bench/proc.ts";
import { CHAT_CERTIFICATE } from "../helpers/chat_certificate.ts";
import type { Person } from "../helpers/population.ts";
import { Bystanders } from "./bystanders.ts";
import { type FuzzTarget, HostileConnection } from "./hostile_connection.ts";
import { HostileFrames } from "./hostile_frames.ts";
import { Random } from "./random.ts";
import { RelaySide } from "./relay_side.ts";

/** The stages in which a server is spoken to. */
export const STAGES = [
  "before TLS",
  "before hello",
  "before login",
  "signed in",
  "side door",
  "relaying",
] as const;

/** One of {@linkcode STAGES}. */
export type Stage = typeof STAGES[number];

/** What the fuzzer is given. */
export interface FuzzOptions {
  readonly target: FuzzTarget;
  /** Process id of the server, whose memory is watched. */
  readonly pid: number;
  /** Accounts named f000000, f000001, …: the last two are the bystanders', the rest the fuzzer's. */
  readonly people: readonly Person[];
  readonly seed: number;
  /** Cases in all. */
  readonly cases: number;
}

/** What came of it. */
export interface FuzzResult {
  readonly cases: Readonly<Record<Stage, number>>;
  /** Requests of the bystanders, all answered. */
  readonly bystanderRequests: number;
  /** Longest that a bystander waited, in milliseconds. */
  readonly longestWaitMs: number;
  /** Resident memory of the server after the first third, and in the end, in KiB. */
  readonly memoryKib: readonly [early: number, late: number];
}

/** How many of the cases each stage gets, and how many connections of it there are at once. */
const PLAN: Readonly<Record<Stage, { readonly share: number; readonly lanes: number }>> = {
  "before TLS": { share: 0.03, lanes: 2 },
  "before hello": { share: 0.2, lanes: 6 },
  "before login": { share: 0.2, lanes: 6 },
  "signed in": { share: 0.47, lanes: 8 },
  "side door": { share: 0.05, lanes: 2 },
  "relaying": { share: 0.05, lanes: 1 },
};

/** Relayed blobs before both sides of a relay go home. */
const BLOBS_PER_RELAY = 40;

/** Fuzzes a server. Throws at the first thing that must not happen. */
export async function fuzzServer(options: FuzzOptions): Promise<FuzzResult> {
  const random = new Random(options.seed);
  const done = Object.fromEntries(STAGES.map((stage) => [stage, 0])) as Record<Stage, number>;
  const goal = (stage: Stage) => Math.ceil(options.cases * PLAN[stage].share);
  const people = options.people.slice(0, -2);
  const bystanders = await Bystanders.begin(options.target, options.people.slice(-2));
  let turn = 0;
  let earlyKib = 0;
  let isOver = false; // the first failure sends everyone home
  const lanes = STAGES.flatMap((stage) =>
    Array.from({ length: PLAN[stage].lanes }, async () => {
      const source = random.fork();
      const frames = new HostileFrames(source);
      while (done[stage] < goal(stage) && !isOver) {
        const person = people[turn++ % people.length]!;
        const friend = people[turn++ % people.length]!;
        await RUNS[stage]({ ...options, random: source, frames, person, friend }, () => {
          done[stage] += 1;
          return done[stage] < goal(stage) && !isOver;
        });
        const all = STAGES.reduce((sum, each) => sum + done[each], 0);
        if (earlyKib === 0 && all > options.cases / 3) {
          earlyKib = 1;
          earlyKib = await residentKib(options.pid);
        }
      }
    })
  );
  try {
    await Promise.race([Promise.all(lanes), bystanders.failed]);
  } finally {
    isOver = true;
    await Promise.allSettled(lanes);
    await bystanders.stop();
  }
  const lateKib = await residentKib(options.pid);
  return { cases: done, ...bystanders.tally, memoryKib: [earlyKib, lateKib] };
}

interface Lane {
  readonly target: FuzzTarget;
  readonly random: Random;
  readonly frames: HostileFrames;
  readonly person: Person;
  readonly friend: Person;
}

/** Runs one connection of a stage; `count` is called for each case and says whether there are more to do. */
type Run = (lane: Lane, count: () => boolean) => Promise<void>;

const RUNS: Readonly<Record<Stage, Run>> = {
  "before TLS": beforeTls,
  "before hello": (lane, count) => overTls(lane, count, async () => {}),
  "before login": (lane, count) => overTls(lane, count, greet),
  "signed in": (lane, count) =>
    overTls(lane, count, async (connection) => {
      await greet(connection);
      await connection.ask("resume", { token: lane.person.token });
    }),
  "side door": sideDoor,
  "relaying": relaying,
};

async function greet(connection: HostileConnection): Promise<void> {
  await connection.ask("hello", { protocol: 1, client: { name: "fuzz", version: "0" } });
}

/** No TLS at all, a broken one, or one that is never finished. */
async function beforeTls({ target, random }: Lane, count: () => boolean): Promise<void> {
  const socket = await Deno.connect({ hostname: "127.0.0.1", port: target.port });
  const hello = [0x16, 0x03, 0x01, 0x00, random.integer(0, 255), 0x01];
  const bytes = random.pick([
    random.bytes(random.integer(1, 600)),
    Uint8Array.from([...hello, ...random.bytes(random.integer(0, 300))]),
    new TextEncoder().encode("GET / HTTP/1.1\r\n\r\n"),
    new TextEncoder().encode('{"jsonrpc":"2.0","id":1,"method":"hello"}\n'),
  ]);
  try {
    await socket.write(bytes);
    if (random.chance(0.7)) {
      await socket.closeWrite();
      while (await socket.read(new Uint8Array(1024)) !== null);
    }
  } catch {
    // Reset: as good an answer as any.
  }
  socket.close();
  count();
}

async function overTls(
  { target, random, frames }: Lane,
  count: () => boolean,
  begin: (connection: HostileConnection) => Promise<void>,
): Promise<void> {
  const connection = await HostileConnection.open(target);
  try {
    await begin(connection);
    for (let more = true; more && !connection.isClosed;) {
      const frame = frames.next();
      // Sometimes in pieces, as a network may bring it; sometimes gone in the middle.
      const cut = random.chance(0.1) ? random.integer(0, frame.bytes.length) : 0;
      if (cut > 0) await connection.write(frame.bytes.subarray(0, cut));
      if (cut > 0 && random.chance(0.2)) return void count();
      await connection.write(frame.bytes.subarray(cut));
      if (frame.endsConnection) await connection.settleClosed(frame.kind);
      else await connection.settle(frame.kind);
      more = count();
    }
  } finally {
    connection.close();
  }
}

/** Side connections take one request each, and end. */
async function sideDoor({ target, random, frames }: Lane, count: () => boolean): Promise<void> {
  const connection = await HostileConnection.open(target, true);
  const request = random.pick<() => Uint8Array>([
    () => frames.next().bytes,
    () => new TextEncoder().encode('{"jsonrpc":"2.0","id":1,"method":"find_address"}\n'),
    () =>
      new TextEncoder().encode(
        `{"jsonrpc":"2.0","id":1,"method":"relay","params":{"ticket":"${
          "A".repeat(random.pick([21, 22, 23]))
        }"}}\n`,
      ),
    () => random.bytes(random.pick([1, 1_023, 1_024, 1_025])),
  ])();
  await connection.write(request);
  // Whether it hangs up now or waits for more, others are let in: the next case is one of them.
  connection.close();
  await connection.closed;
  count();
}

/** Two who were brought together send each other noise, which arrives as it was sent. */
async function relaying({ target, random, person, friend }: Lane, count: () => boolean): Promise<void> {
  const host = await HostileConnection.open(target);
  const joiner = await HostileConnection.open(target);
  const chatId = crypto.randomUUID();
  try {
    for (const [connection, { token }] of [[host, person], [joiner, friend]] as const) {
      await greet(connection);
      await connection.ask("resume", { token });
    }
    const hostTicket = host.event("chat_joined");
    await host.ask("open_chat", {
      chatId,
      to: friend.name,
      port: 1,
      places: [],
      certificate: CHAT_CERTIFICATE,
      secret: "A".repeat(22),
    });
    const { relayTicket } = await joiner.ask("join_chat", { chatId });
    const a = await RelaySide.open(target, (await hostTicket).relayTicket as string);
    const b = await RelaySide.open(target, relayTicket as string);
    try {
      await Promise.all([a.begun(), b.begun()]);
      for (let blob = 0, more = true; more && blob < BLOBS_PER_RELAY; blob++) {
        const bytes = random.bytes(random.pick([1, 10, 1_500, 8_000]));
        const [from, to] = random.chance(0.5) ? [a, b] : [b, a];
        await from.write(bytes);
        await to.expect(bytes);
        more = count();
      }
    } finally {
      a.close();
      b.close();
    }
    await host.ask("close_chat", { chatId });
  } finally {
    host.close();
    joiner.close();
  }
}
