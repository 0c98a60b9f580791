/**
 * What a community's people notice when one of its servers dies, and whether news between servers holds up what is stored.
 *
 * `failover_ms.p95`: real links of 200 people whose server is killed, until they are signed in at the other one. `offline_ms`:
 * until somebody who does not come back is shown as offline there. `notify_waits`: samples of PostgreSQL's locks, under load, in
 * which anybody waited for the lock that NOTIFY takes.
 * @module
 */
import { ServerLink } from "../../lib/client/server_link.ts";
import { Connection } from "../../lib/net/connection.ts";
import { RpcConnection } from "../../lib/net/rpc_connection.ts";
import { connectPinned } from "../../lib/net/trust.ts";
import { whyNot } from "../helpers/needs.ts";
import { lookAt, POSTGRES, PostgresCluster } from "../helpers/postgres.ts";
import { type BenchServer, startBenchServer } from "./bench_server.ts";
import type { BenchContext } from "./context.ts";
import { IdMaker } from "../helpers/message_ids.ts";
import { LoadConnection, TEXT } from "./load.ts";
import { addPeople, copyKey, type Person } from "../helpers/population.ts";
import { percentile } from "./report.ts";

const CALLERS = 200;
const LOCK_SAMPLES = 1_000;
const WRITERS = 16;
const IN_FLIGHT = 16; // of each writer

/** How long things may take at most, in milliseconds. */
const MOST_MS = { failover: 5_000, offline: 20_000, lastSeen: 10_000 };

/** Kills one of two servers of a community. */
export async function measureFailover(context: BenchContext): Promise<void> {
  if (whyNot(...POSTGRES) !== undefined) return;
  const { report } = context;
  await using cluster = await PostgresCluster.start();
  const database = await cluster.newDatabase();
  const data = await context.newFolder();
  const callers = await addPeople({ data, database }, "c", CALLERS);
  const [gone, watching] = await addPeople({ data, database }, "w", 2) as [Person, Person];
  const env = { MINI_CHAT_DATABASE: database };
  await using first = await startBenchServer(data, env);
  const other = await context.newFolder();
  await copyKey(data, other);
  await using second = await startBenchServer(other, env);
  report.add("notify_waits", "", await countWaits(cluster, [first, second], callers.slice(0, WRITERS * 2)), {
    target: { of: 1, must: "be at most", factor: 0 },
    note: `of ${LOCK_SAMPLES} samples under load`,
  });

  const links = callers.map((person) => new Caller([first, second], person));
  await using _links = {
    [Symbol.asyncDispose]: async () => void await Promise.all(links.map((it) => it.stop())),
  };
  await Promise.all(links.map((link) => link.signedIn(1)));
  const leaving = await LoadConnection.signIn(first.target, gone);
  const watcher = await LoadConnection.signIn(second.target, watching);
  await seenAs(watcher, gone.name, "online");
  const killedAt = Date.now();
  Deno.kill(first.pid, "SIGKILL");
  const backAfterMs = await Promise.all(
    links.map((link) => link.signedIn(2).then(() => Date.now() - killedAt)),
  );
  report.add("failover_ms.p95", "ms", percentile(backAfterMs, 0.95), {
    target: { of: MOST_MS.failover, must: "be at most", factor: 1 },
    note: `${CALLERS} people whose server was killed are signed in at the other`,
  });
  const lastSeenAt = await seenAs(watcher, gone.name, "offline");
  report.add("offline_ms", "ms", Date.now() - killedAt, {
    target: { of: MOST_MS.offline, must: "be at most", factor: 1 },
    note: "somebody who does not come back is shown as offline",
  });
  report.add("offline_ms.last_seen_off", "ms", Math.abs(killedAt - lastSeenAt), {
    target: { of: MOST_MS.lastSeen, must: "be at most", factor: 1 },
  });
  leaving.close();
  watcher.close();
}

/** Somebody's real link, to whichever of the servers answers, the first of them first. */
class Caller {
  readonly #link: ServerLink;
  #logins = 0;
  #changed = Promise.withResolvers<void>();

  constructor(servers: readonly BenchServer[], person: Person) {
    this.#link = new ServerLink({
      connect: async (options, signal) => {
        for (const { target: { port, certificatePem } } of servers) {
          try {
            const stream = await connectPinned({ host: "127.0.0.1", port, certificatePem, signal });
            return new RpcConnection(new Connection(stream), options);
          } catch {
            // The next address.
          }
        }
        throw new Deno.errors.ConnectionRefused("nobody answers");
      },
      authenticate: async (rpc) => void await rpc.request("resume", { token: person.token }),
      onState: ({ kind }) => {
        if (kind !== "online") return;
        this.#logins++;
        this.#changed.resolve();
        this.#changed = Promise.withResolvers();
      },
    });
    this.#link.start();
  }

  /** Resolves when it has signed in so often. */
  async signedIn(times: number): Promise<void> {
    while (this.#logins < times) await this.#changed.promise;
  }

  async stop(): Promise<void> {
    await this.#link[Symbol.asyncDispose]();
  }
}

/** Waits until somebody is shown as present in this way, and since when if offline; when they were last seen, 0 for never. */
async function seenAs(watcher: LoadConnection, name: string, presence: string): Promise<number> {
  for (;;) {
    const { users } = await watcher.ask("list_users", { name }) as {
      users: { presence: string; lastSeenAt: number | null }[];
    };
    const { presence: shown, lastSeenAt } = users[0]!;
    if (shown === presence && (shown !== "offline" || lastSeenAt !== null)) return lastSeenAt ?? 0;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

/** How many samples show anybody waiting for the lock of "database 0", while people on both servers write to each other. */
async function countWaits(
  cluster: PostgresCluster,
  servers: readonly BenchServer[],
  people: readonly Person[],
): Promise<number> {
  const connections = await Promise.all(
    people.map((person, index) => LoadConnection.signIn(servers[index % servers.length]!.target, person)),
  );
  let isOver = false;
  const writing = connections.map(async (connection, index) => {
    const ids = new IdMaker();
    const to = people[(index + 1) % people.length]!.name;
    const lane = async () => {
      while (!isOver) await connection.ask("send_message", { id: ids.next(), to, text: TEXT });
    };
    await Promise.all(Array.from({ length: IN_FLIGHT }, lane));
  });
  const looking = await lookAt(cluster.adminUrl);
  let waits = 0;
  for (let sample = 0; sample < LOCK_SAMPLES; sample++) {
    const rows = await looking.rows<{ waiting: number }>(
      "SELECT count(*) AS waiting FROM pg_locks WHERE NOT granted AND locktype = 'object' AND database = 0",
    );
    if (rows[0]!.waiting > 0) waits++;
  }
  isOver = true;
  await Promise.all(writing);
  await looking.close();
  for (const connection of connections) connection.close();
  return waits;
}
