/**
 * `pg.…`: one server and two on one PostgreSQL, all on this machine.
 * @module
 */
import { cpuUsage } from "node:process";
import { connect, type Connection } from "../../lib/store/postgres/connection.ts";
import { parseDatabaseUrl } from "../../lib/store/postgres/url.ts";
import { whyNot } from "../helpers/needs.ts";
import { POSTGRES, PostgresCluster } from "../helpers/postgres.ts";
import { type BenchServer, startBenchServer } from "./bench_server.ts";
import type { BenchContext } from "./context.ts";
import { timeToArrive } from "./latency.ts";
import { IdMaker } from "../helpers/message_ids.ts";
import { atPace, LoadConnection, openAll, pump, TEXT } from "./load.ts";
import { drain } from "./mailboxes.ts";
import {
  addMessages,
  addPeople,
  copyKey,
  openFolder,
  type Person,
  type SharedHome,
} from "../helpers/population.ts";
import { processorMs } from "./proc.ts";
import { percentile } from "./report.ts";
import { MESSAGE_START } from "./sends.ts";

/** Connections of the widest measurement. */
const MOST = 64;

/** Messages that wait in the mailbox of `pg.drain_ms.10000`. */
const WAITING = 10_000;

/** Messages of a raw batch. */
const GROUP = 256;

/** Messages a second of `pg.push_ms` and of what it is compared with; as many as `timeToArrive` sends. */
const PUSHES_PER_SECOND = 200;

/** Rows as the servers write them, in one statement. */
const INSERT = `
  INSERT INTO messages (id, sender_id, recipient_id, text, stored_at)
  SELECT id, sender_id, recipient_id, text, $5
  FROM unnest($1::text[], $2::bigint[], $3::bigint[], $4::text[]) AS given (id, sender_id, recipient_id, text)`;

/** A community with two servers. */
interface Community {
  readonly cluster: PostgresCluster;
  readonly home: SharedHome;
  readonly servers: readonly [BenchServer, BenchServer];
  readonly senders: readonly Person[];
  readonly recipients: readonly Person[];
  /** Whose mailboxes take the raw rows, which no server knows of. */
  readonly others: readonly Person[];
}

/** Measures all of it, some rounds. */
export async function measureCluster(context: BenchContext): Promise<void> {
  const reason = whyNot(...POSTGRES);
  if (reason !== undefined) return context.say(`left out: pg.* ${reason}`);
  await using cluster = await PostgresCluster.start();
  const [data, other] = [await context.newFolder(), await context.newFolder()];
  const home = { data, database: await cluster.newDatabase() };
  const senders = await addPeople(home, "s", MOST);
  const recipients = await addPeople(home, "r", MOST);
  const others = await addPeople(home, "o", MOST);
  const readers = await addPeople(home, "w", context.rounds + 1);
  for (const reader of readers) await addMessages(home, senders, [reader], WAITING, TEXT);
  await copyKey(data, other);
  const env = { MINI_CHAT_DATABASE: home.database };
  await using first = await startBenchServer(data, env);
  await using second = await startBenchServer(other, env);
  const community: Community = { cluster, home, servers: [first, second], senders, recipients, others };
  await measurePush(context, community);
  // The first reader warms the server up.
  for (const [round, reader] of readers.entries()) {
    const { firstMs, allMs } = await drain(first.target, reader, WAITING);
    if (round === 0) continue;
    context.report.add("pg.drain_ms.10000", "ms", allMs);
    context.report.add("pg.drain_ms.10000.first", "ms", firstMs);
  }
  // Last, as PostgreSQL tidies up for long after a million messages.
  await measureRates(context, community);
}

async function measureRates(context: BenchContext, community: Community): Promise<void> {
  const { report, rounds, durationMs } = context;
  const { cluster, home, servers: [first, second], senders, recipients } = community;
  const lanesAt = async (serverOf: (index: number) => BenchServer) => {
    const connections = await openAll(
      senders.map((person, index) => ({ person, index })),
      ({ person, index }) => LoadConnection.signIn(serverOf(index).target, person),
    );
    return connections.map((connection, index) => ({ connection, to: recipients[index]!.name }));
  };
  const one = await lanesAt(() => first);
  const two = await lanesAt((index) => index % 2 === 0 ? first : second);
  const raw = await connect(parseDatabaseUrl(home.database), { name: "bench" });
  for (let round = 0; round < rounds; round++) {
    const before = cpuUsage();
    const { perSecond: limit, rows } = await rawInserts(raw, community, durationMs);
    const { user, system } = cpuUsage(before);
    report.add("limit.pg_group256", "/s", limit, { note: "rows of messages alone, 256 in a transaction" });
    report.add("pg.cpu_us.driver", "µs", (user + system) / rows, {
      note: "processor time of a program that does nothing but these inserts, for one message",
    });
    const single = await pump(one.slice(0, 1), { depth: 1, durationMs });
    report.add("pg.durable_send.1x1", "/s", single.perSecond);
    report.add("pg.ack_ms.1x1.p50", "ms", percentile(single.latenciesMs, 0.5));
    report.add("pg.ack_ms.1x1.p99", "ms", percentile(single.latenciesMs, 0.99));
    report.add("pg.durable_send.64x1", "/s", (await pump(one, { depth: 1, durationMs })).perSecond);

    const deep = { depth: 50, durationMs };
    report.add("pg.durable_send.64x50.one", "/s", (await pump(one, deep)).perSecond);
    const processors = async () => [
      await sumOfProcessorMs(await cluster.processes()),
      await sumOfProcessorMs([first.pid, second.pid]),
    ];
    const [database, server] = await processors() as [number, number];
    const both = await pump(two, deep);
    const [databaseAfter, serverAfter] = await processors() as [number, number];
    report.add("pg.durable_send.64x50.two", "/s", both.perSecond, {
      target: { of: "limit.pg_group256", must: "be at least", factor: 0.4 },
    });
    report.add("pg.two_servers", "/s", both.perSecond, {
      target: { of: "pg.durable_send.64x50.one", must: "be at least", factor: 0.8 },
      note: "the same figure, against one server's",
    });
    report.add("pg.cpu_us.postgres", "µs", (databaseAfter - database) * 1000 / both.sent);
    report.add("pg.cpu_us.server", "µs", (serverAfter - server) * 1000 / both.sent, {
      note: "both servers, driver included, for one message",
    });
  }
  for (const { connection } of [...one, ...two]) connection.close();
  await raw.close();
}

/** From the sender's write at one server until the recipient's program has it from the other. */
async function measurePush(context: BenchContext, community: Community): Promise<void> {
  const { report, rounds, durationMs } = context;
  const { servers: [first, second], senders: [sender], recipients: [recipient] } = community;
  const sending = await LoadConnection.signIn(first.target, sender!);
  const receiving = await LoadConnection.signIn(second.target, recipient!);
  await receiving.subscribeToNew();
  for (let round = 0; round < rounds; round++) {
    report.add("limit.pg_commit_ms.p50", "ms", await storeSendMs(community, durationMs), {
      note: "the store alone, one message at a time, 200 a second",
    });
    const arrived = await timeToArrive(sending, recipient!.name, durationMs, (tell) => {
      receiving.onEvent = (line) => {
        if (line.startsWith(MESSAGE_START)) {
          tell(line.substr(line.indexOf('"id":"') + 6, 36), performance.now());
        }
      };
    });
    report.add("pg.push_ms.p50", "ms", percentile(arrived, 0.5), {
      target: { of: "limit.pg_commit_ms.p50", must: "be at most", factor: 3 },
      note: "sent at one server, arrived from the other",
    });
    report.add("pg.push_ms.p99", "ms", percentile(arrived, 0.99), {
      target: { of: "limit.pg_commit_ms.p50", must: "be at most", factor: 10 },
    });
  }
  for (const connection of [sending, receiving]) connection.close();
}

/** Inserts rows of messages, one transaction after the other. */
async function rawInserts(raw: Connection, community: Community, durationMs: number) {
  const ids = new IdMaker();
  let rows = 0;
  const startedAt = performance.now();
  while (performance.now() - startedAt < durationMs) {
    await insert(raw, community, Array.from({ length: GROUP }, () => ids.next()));
    rows += GROUP;
  }
  return { rows, perSecond: rows / (performance.now() - startedAt) * 1000 };
}

/** How long the store alone takes to send a message, at the pace of the pushes; the median, in milliseconds. */
async function storeSendMs({ home, senders, others }: Community, durationMs: number): Promise<number> {
  await using store = await openFolder(home);
  const ids = new IdMaker();
  const taken: number[] = [];
  const all: Promise<void>[] = [];
  await atPace(PUSHES_PER_SECOND, durationMs, () => {
    const startedAt = performance.now();
    const message = { senderId: senders[0]!.accountId, id: ids.next(), to: others[0]!.name, text: TEXT };
    all.push(store.sendMessage(message).then(() => void taken.push(performance.now() - startedAt)));
  });
  await Promise.all(all);
  return percentile(taken, 0.5);
}

function insert(
  raw: Connection,
  { senders, others }: Community,
  ids: readonly string[],
): Promise<unknown> {
  const values = [
    ids,
    ids.map((_, index) => senders[index % MOST]!.accountId),
    ids.map((_, index) => others[index % MOST]!.accountId),
    ids.map(() => TEXT),
    Date.now(),
  ];
  return raw.query({ sql: INSERT, values, wanted: "changes" });
}

async function sumOfProcessorMs(pids: readonly number[]): Promise<number> {
  let sum = 0;
  for (const pid of pids) sum += await processorMs(pid) ?? NaN;
  return sum;
}
