/**
 * `drain_ms` and growth: what waits reaches its owner, and how much the size of everything else matters to it.
 * @module
 */
import { startBenchServer } from "./bench_server.ts";
import type { BenchContext } from "./context.ts";
import { startRawServer } from "./limits.ts";
import { LoadConnection, openAll, pump, type Target, TEXT } from "./load.ts";
import { addMessages, addPeople, databaseOf, type Person } from "../helpers/population.ts";
import { median } from "./report.ts";

/** Messages that wait in the mailbox of `drain_ms.10000`. */
const WAITING = 10_000;

/** How long it may take until the first of them has come, and until all have, in milliseconds. */
const MOST_DRAIN_MS = { first: 25, all: 110 };

/** Messages that wait in the mailboxes of growth. */
const GROWTH_WAITING = 1_000;

/** Messages stored when growth is measured. */
const STORED = [1_000, 100_000, 1_000_000];

/** Users when the list is measured. */
const USERS = [10, 1_000, 100_000];

/** Users in a measured page: as many as there are at least. */
const PAGE = 10;

/** How much worse the largest may be than the smallest and still count as flat on a noisy machine. */
const FLAT = 1.5;

/** `drain_ms.10000`, next to the raw way of doing it. */
export async function measureDrain(context: BenchContext): Promise<void> {
  const { report, rounds } = context;
  const folder = await context.newFolder();
  const senders = await addPeople(folder, "s", 16);
  const readers = await addPeople(folder, "r", rounds + 1);
  for (const reader of readers) await addMessages(folder, senders, [reader], WAITING, TEXT);
  const database = databaseOf(folder);
  await using server = await startBenchServer(folder);
  // The first one warms both up: nobody's server has just been started when they come back from holiday.
  for (const [round, reader] of readers.entries()) {
    await using raw = await startRawServer(await context.newFolder(), {
      database,
      accountId: reader.accountId,
    });
    const rawMs = await drainRaw(raw.target);
    const { firstMs, allMs } = await drain(server.target, reader, WAITING);
    if (round === 0) continue;
    report.add("limit.drain_raw_ms", "ms", rawMs);
    report.add("drain_ms.10000", "ms", allMs, {
      target: { of: MOST_DRAIN_MS.all, must: "be at most", factor: 1 },
    });
    report.add("drain_ms.10000.first", "ms", firstMs, {
      target: { of: MOST_DRAIN_MS.first, must: "be at most", factor: 1 },
      note: "from connecting until the first message has come",
    });
  }
}

/** Log in by token, take what waits, show it, confirm it as read; in milliseconds from connecting. */
export async function drain(
  target: Target,
  reader: Person,
  amount: number,
): Promise<{ readonly firstMs: number; readonly allMs: number }> {
  using screen = await Deno.open("/dev/null", { write: true });
  const encoder = new TextEncoder();
  const startedAt = performance.now();
  const connection = await LoadConnection.signIn(target, reader);
  let arrived = 0;
  let firstMs = 0;
  let last = 0;
  let shown = "";
  const all = Promise.withResolvers<void>();
  connection.onEvent = (line) => {
    const { method, params } = JSON.parse(line);
    if (method !== "message_received") return;
    if (arrived === 0) firstMs = performance.now() - startedAt;
    last = params.sequence;
    shown += `${new Date(params.storedAt).toISOString()} ${params.from}: ${params.text}\n`;
    if (++arrived === amount) all.resolve();
  };
  connection.onBatch = () => {
    screen.writeSync(encoder.encode(shown));
    shown = "";
  };
  await connection.ask("subscribe", {});
  await Promise.race([
    all.promise,
    connection.finished.then(() => {
      throw new Error("The connection ended while draining");
    }),
  ]);
  await connection.ask("acknowledge", { delivered: last, read: last });
  const allMs = performance.now() - startedAt;
  connection.close();
  return { firstMs, allMs };
}

/** Connect, and take the same bytes from a server that does nothing but read them from the database. */
async function drainRaw(target: Target): Promise<number> {
  const startedAt = performance.now();
  const connection = await LoadConnection.open(target);
  let arrived = 0;
  const all = Promise.withResolvers<void>();
  connection.onEvent = () => {
    if (++arrived === WAITING) all.resolve();
  };
  connection.send("go\n");
  await all.promise;
  const takenMs = performance.now() - startedAt;
  connection.close();
  return takenMs;
}

/** `durable_send.8x50` and a drain, with more and more messages stored. */
export async function measureGrowth(context: BenchContext): Promise<void> {
  const { report, durationMs, isQuick } = context;
  const folder = await context.newFolder();
  const senders = await addPeople(folder, "s", 100);
  const others = await addPeople(folder, "o", 100);
  const sizes = isQuick ? STORED.slice(0, 2) : STORED;
  const sendKey = (size: number) => `durable_send.8x50.${size}`;
  const drainKey = (size: number) => `drain_ms.1000.${size}`;
  let stored = 0;
  for (const size of sizes) {
    await addMessages(folder, senders, others, Math.max(0, size - stored), TEXT);
    stored = size;
    const readers = await addPeople(folder, `r${size}.`, context.rounds + 1);
    for (const reader of readers) await addMessages(folder, senders, [reader], GROWTH_WAITING, TEXT);
    stored += readers.length * GROWTH_WAITING;
    await using server = await startBenchServer(folder);
    const connections = await openAll(
      senders.slice(0, 8),
      (person) => LoadConnection.signIn(server.target, person),
    );
    const lanes = connections.map((connection, index) => ({ connection, to: others[index]!.name }));
    await pump(lanes, { depth: 50, durationMs: 300 });
    for (const [round, reader] of readers.entries()) {
      const { perSecond, sent } = await pump(lanes, { depth: 50, durationMs: durationMs / 2 });
      stored += sent;
      const { allMs: drainMs } = await drain(server.target, reader, GROWTH_WAITING);
      if (round === 0) continue;
      const isFirst = size === sizes[0];
      report.add(
        sendKey(size),
        "/s",
        perSecond,
        isFirst ? {} : {
          target: { of: sendKey(sizes[0]!), must: "be at least", factor: round2(1 / FLAT) },
        },
      );
      report.add(
        drainKey(size),
        "ms",
        drainMs,
        isFirst ? {} : {
          target: { of: drainKey(sizes[0]!), must: "be at most", factor: FLAT },
        },
      );
    }
    for (const connection of connections) connection.close();
    await server.stop();
  }
}

/** A page of the user list, with more and more users. */
export async function measureUserList(context: BenchContext): Promise<void> {
  const { report, isQuick } = context;
  const sizes = isQuick ? USERS.slice(0, 2) : USERS;
  const key = (size: number) => `user_list_ms.${size}`;
  const folder = await context.newFolder();
  let users: Person[] = [];
  for (const size of sizes) {
    users = [...users, ...await addPeople(folder, `u${size}.`, size - users.length)];
    await using server = await startBenchServer(folder);
    const connection = await LoadConnection.signIn(server.target, users[0]!);
    await pagesMs(connection, 200);
    for (let round = 0; round < context.rounds; round++) {
      report.add(
        key(size),
        "ms",
        await pagesMs(connection, 300),
        size === sizes[0] ? {} : {
          target: { of: key(sizes[0]!), must: "be at most", factor: FLAT },
          note: `one page of ${PAGE}`,
        },
      );
    }
    connection.close();
    await server.stop();
  }
}

/** How long a page takes, in milliseconds: the median of many. */
async function pagesMs(connection: LoadConnection, times: number): Promise<number> {
  const taken: number[] = [];
  for (let time = 0; time < times; time++) {
    const startedAt = performance.now();
    const { users } = await connection.ask("list_users", { limit: PAGE }) as { users: unknown[] };
    taken.push(performance.now() - startedAt);
    if (users.length !== PAGE) throw new Error(`A page of ${PAGE} users held ${users.length}`);
  }
  return median(taken);
}

function round2(value: number): number {
  return Math.round(value * 100) / 100;
}
