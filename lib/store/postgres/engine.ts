// The store on PostgreSQL: three lanes over connections of their own, in this thread, as the driver never blocks it.
// Hot: sends and acknowledgements, one batch after the other, so that one sender's messages keep their order. Cold: all other
// verbs that write, one after the other, so that whoever ends logins finds those that were opened before. Reads: four at once.
import { ChatError } from "../../errors.ts";
import type { ChatReads } from "../../chat/store.ts";
import { CommitTimes } from "../commit_times.ts";
import { DEFAULT_STORE_LIMITS, type StoreLimits } from "../limits.ts";
import type { Call, Engine, Lane, Outcome, Verb } from "../queue.ts";
import { coldVerbs } from "../verbs/cold.ts";
import { UnreadParts } from "../unread_parts.ts";
import type { Steps, VerbContext } from "../verbs/steps.ts";
import { type Acknowledgement } from "./hot/acknowledgements.ts";
import { AccountsByName } from "./hot/accounts_by_name.ts";
import type { Connection } from "./connection.ts";
import { postgresDialect } from "./dialect.ts";
import { mayRunAgain, unavailableFrom } from "./errors.ts";
import { type HotContext, runHotBatch } from "./hot/batch.ts";
import { type Lane as Connections, openLane } from "./lane.ts";
import { type PageRequest, readPages } from "./hot/mailbox_pages.ts";
import { Roomless } from "./hot/roomless.ts";
import { runSteps } from "./hot/run_steps.ts";
import type { NewMessage } from "./hot/sends.ts";
import type { DatabaseUrl } from "./url.ts";

const READS_AT_ONCE = 4;

/**
 * A connection that is lost so soon after a query was dead before it: PostgreSQL had given it up while the network was cut. All
 * that were idle then are, so reads go on to the next one.
 */
const STALE_WITHIN_MS = 500;

/** How often `dataVersion` changes: other servers write all the time, so whoever asks looks again now and then. */
const LOOK_AGAIN_MS = 30_000;

/** Writes of one statement that are asked for at each connection: they need no transaction. */
const SINGLE_WRITES: readonly Verb[] = ["findLogin", "markSeen", "noteDevicesUsed"];

const HIGHEST = "SELECT coalesce(max(sequence), 0) AS sequence FROM messages WHERE recipient_id = $1";
const READ_TO = "SELECT read_sequence AS sequence FROM devices WHERE account_id = $1 AND id = $2";

export interface PostgresOptions {
  readonly limits?: Partial<StoreLimits>;
  readonly deadlineMs?: number; // for an answer of PostgreSQL; as `ConnectOptions.deadlineMs`
  readonly orReadOnly?: boolean; // as `ConnectOptions.orReadOnly`
}

/** Opens the lanes; the schema has to be there. @throws {UsageError} The database cannot be reached. */
export async function openEngine(url: DatabaseUrl, options: PostgresOptions = {}): Promise<Engine> {
  await using opened = new AsyncDisposableStack();
  const open = async (name: string, connections = 1) => {
    const { deadlineMs, orReadOnly = false } = options;
    const deadline = deadlineMs === undefined ? {} : { deadlineMs };
    return opened.use(await openLane(url, { name, connections, orReadOnly, ...deadline }));
  };
  const hot = await open("sends");
  const cold = await open("writes");
  const reads = await open("reads", READS_AT_ONCE);
  const context: VerbContext = {
    dialect: postgresDialect(),
    limits: { ...DEFAULT_STORE_LIMITS, ...options.limits },
    now: 0,
    forget: () => {}, // other servers write too, so nothing but names is kept
  };
  const verbs = coldVerbs(context);
  const commits = new CommitTimes(); // of sends and acknowledgements
  const connections = opened.move();
  return {
    lanes: [
      new HotLane(hot, {
        limits: context.limits,
        accounts: new AccountsByName(),
        commits,
        unreadParts: new UnreadParts(),
        roomless: new Roomless(),
        pruneMailbox: verbs.pruneMailbox,
      }),
      coldLane(cold, context, verbs.writes),
      readLane(reads, context, verbs.reads),
    ],
    failed: new Promise<never>(() => {}),
    commits,
    close: () => connections.disposeAsync(),
  };
}

class HotLane implements Lane {
  readonly verbs: readonly Verb[] = ["sendMessage", "acknowledge"];
  readonly onTheWay = 1;
  readonly #connections: Connections;
  readonly #context: HotContext;

  constructor(connections: Connections, context: HotContext) {
    this.#connections = connections;
    this.#context = context;
  }

  async run(calls: readonly Call[], now: number): Promise<readonly Outcome[]> {
    try {
      return await this.#connections.run((connection) => this.#runOn(connection, calls, now));
    } catch (error) {
      return failedAll(calls, error);
    }
  }

  async #runOn(connection: Connection, calls: readonly Call[], now: number): Promise<Outcome[]> {
    for (let attempt = 1;; attempt++) {
      try {
        return await runHotBatch(this.#context, connection, calls, now);
      } catch (error) {
        // Whoever sends it again learns whether it was stored; whom nobody wakes now, a sweep will.
        if (connection.isLost) return failedAll(calls, error);
        if (mayRunAgain(error) && attempt < 3) continue;
        if (calls.length === 1) return failedAll(calls, error);
        return await this.#runApart(connection, calls, now);
      }
    }
  }

  /** Call by call: one of them is at fault, or waits for a row that is held, and none of the others pays for it. */
  async #runApart(connection: Connection, calls: readonly Call[], now: number): Promise<Outcome[]> {
    const outcomes: Outcome[] = [];
    const busy = new Map<unknown, Outcome>(); // by mailbox: nobody waits for it a second time
    for (const call of calls) {
      const mailbox = mailboxOf(call);
      const outcome = busy.get(mailbox) ?? (await this.#runOn(connection, [call], now))[0]!;
      if ("error" in outcome && unavailableFrom(outcome.error) !== null) busy.set(mailbox, outcome);
      outcomes.push(outcome);
    }
    return outcomes;
  }
}

/** What tells apart the mailbox that a hot call changes: a name or an id. */
function mailboxOf({ verb, args: [argument] }: Call): unknown {
  return verb === "sendMessage" ? (argument as NewMessage).to : (argument as Acknowledgement).accountId;
}

type ColdVerbs = Readonly<Record<string, (...args: never[]) => Steps<unknown>>>;

function coldLane(connections: Connections, context: VerbContext, verbs: ColdVerbs): Lane {
  const runOne = async (connection: Connection, { verb, args }: Call): Promise<Outcome> => {
    const steps = () => runSteps(connection, verbs[verb]!(...args as never[]));
    for (let attempt = 1;; attempt++) {
      try {
        const isSingle = SINGLE_WRITES.includes(verb);
        return { result: isSingle ? await steps() : await connection.transaction(steps) };
      } catch (error) {
        if (!mayRunAgain(error) || attempt === 3) return failed(error);
      }
    }
  };
  return {
    verbs: Object.keys(verbs) as Verb[],
    onTheWay: 1,
    run: (calls, now) =>
      connections.run(async (connection) => {
        context.now = now;
        const outcomes: Outcome[] = [];
        for (const call of calls) outcomes.push(await runOne(connection, call));
        return outcomes;
      }).catch((error) => failedAll(calls, error)),
  };
}

function readLane(connections: Connections, context: VerbContext, verbs: ColdVerbs): Lane {
  const sequenceBy = (sql: string) => async (connection: Connection, values: readonly unknown[]) =>
    (await connection.rows<{ sequence: number }>(sql, values))[0]?.sequence ?? 0;
  const own: Partial<Record<Verb, (connection: Connection, args: readonly unknown[]) => Promise<unknown>>> = {
    highestSequence: sequenceBy(HIGHEST),
    readSequence: sequenceBy(READ_TO),
    dataVersion: () => Promise.resolve(Math.floor(Date.now() / LOOK_AGAIN_MS)),
  };
  const runOne = async (connection: Connection, { verb, args }: Call): Promise<Outcome> => {
    try {
      const read = own[verb];
      return {
        result: read === undefined
          ? await runSteps(connection, verbs[verb]!(...args as never[]))
          : await read(connection, args),
      };
    } catch (error) {
      return failed(error);
    }
  };
  const runPages = async (connection: Connection, calls: readonly Call[]): Promise<Outcome[]> => {
    if (calls.length === 0) return [];
    try {
      const requests = calls.map(({ args: [page] }) => page as PageRequest);
      return (await readPages(connection, requests)).map((result) => ({ result }));
    } catch (error) {
      return failedAll(calls, error);
    }
  };
  const runAll = async (connection: Connection, calls: readonly Call[]): Promise<Outcome[]> => {
    const isPage = ({ verb }: Call) => verb === "listMailbox";
    const pages = runPages(connection, calls.filter(isPage));
    const others = await Promise.all(
      calls.map((call) => isPage(call) ? undefined : runOne(connection, call)),
    );
    const read = (await pages).values();
    return others.map((outcome) => outcome ?? read.next().value!);
  };
  return {
    verbs: [...Object.keys(verbs), ...Object.keys(own), "listMailbox" satisfies keyof ChatReads] as Verb[],
    onTheWay: READS_AT_ONCE,
    async run(calls, now) {
      try {
        for (let attempt = 1;; attempt++) {
          const startedAt = performance.now();
          const { outcomes, isLost } = await connections.run(async (connection) => {
            context.now = now;
            const outcomes = await runAll(connection, calls);
            return { outcomes, isLost: connection.isLost };
          });
          const isStale = isLost && performance.now() - startedAt < STALE_WITHIN_MS;
          if (!isStale || attempt > READS_AT_ONCE) return outcomes;
        }
      } catch (error) {
        return failedAll(calls, error);
      }
    },
  };
}

function failed(error: unknown): Outcome {
  return { error: error instanceof ChatError ? error : unavailableFrom(error) ?? error };
}

function failedAll(calls: readonly Call[], error: unknown): Outcome[] {
  return calls.map(() => failed(error));
}
