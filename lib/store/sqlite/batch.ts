// Group commit: calls that wait at the same moment share one transaction and one fsync.
// Every verb checks before it writes, and holds the write lock from its check to the commit, so a call that is refused has
// changed nothing and the others of its batch go on. Only a fault in the middle of a write undoes the batch; then each
// call runs once more on its own, so that none pays for another. No result leaves before its commit.
import { ChatError } from "../../errors.ts";
import { backupFile } from "../../sqlite/backup.ts";
import { Database } from "../../sqlite/database.ts";
import { unavailableFrom } from "../../sqlite/sqlite_errors.ts";
import { DEFAULT_STORE_LIMITS, type StoreLimits } from "../limits.ts";
import type { Call, Engine, Outcome, Verb } from "../queue.ts";
import type { ServerContext, Verbs } from "./context.ts";
import { MailboxCache } from "./mailbox_cache.ts";
import { SERVER_MIGRATIONS } from "./migrations.ts";
import type { ServerTables } from "./schema.ts";
import { accountVerbs } from "./verbs/accounts.ts";
import { cursorVerbs } from "./verbs/cursors.ts";
import { deviceVerbs } from "./verbs/devices.ts";
import { historyVerbs } from "./verbs/history.ts";
import { inviteVerbs } from "./verbs/invites.ts";
import { messageVerbs } from "./verbs/messages.ts";
import { operatorVerbs } from "./verbs/operator.ts";
import { pruneVerbs } from "./verbs/prune.ts";
import { userVerbs } from "./verbs/users.ts";

/** An open database that runs batches in the calling thread. */
export class SqliteEngine implements Engine {
  readonly verbs: readonly Verb[];
  readonly failed: Promise<never> = new Promise<never>(() => {});
  readonly #path: string;
  readonly #context: ServerContext;
  readonly #verbs: Readonly<Record<Verb, (...args: never[]) => unknown>>;
  readonly #reads: ReadonlySet<string>;
  #dataVersion = -1;

  /** @throws {UsageError} A newer program wrote the file. */
  constructor(path: string, limits: Partial<StoreLimits> = {}) {
    const database = new Database<ServerTables>(path, SERVER_MIGRATIONS);
    const cache = new MailboxCache(database);
    this.#path = path;
    this.#context = { database, cache, limits: { ...DEFAULT_STORE_LIMITS, ...limits }, now: 0 };
    const { reads, writes } = allVerbs(this.#context);
    this.#verbs = { ...reads, ...writes };
    this.#reads = new Set(Object.keys(reads));
    this.verbs = Object.keys(this.#verbs) as Verb[];
  }

  run(calls: readonly Call[], now: number): Promise<readonly Outcome[]> {
    this.#context.now = now;
    return Promise.resolve(this.#run(calls));
  }

  backup(target: string): Promise<void> {
    return backupFile(this.#path, target);
  }

  close(): Promise<void> {
    return Promise.resolve(this.#context.database[Symbol.dispose]());
  }

  /** Runs calls in order, in one transaction where possible, and commits. Never throws. */
  #run(calls: readonly Call[]): Outcome[] {
    try {
      return this.#runTogether(calls);
    } catch (error) {
      const unavailable = unavailableFrom(error);
      if (calls.length === 1) return [{ error: unavailable ?? error }];
      // A disk that refuses one write refuses them all; what only reads can still be answered.
      return calls.map((call) =>
        unavailable !== null && !this.#reads.has(call.verb) ? { error: unavailable } : this.#run([call])[0]!
      );
    }
  }

  #runTogether(calls: readonly Call[]): Outcome[] {
    const { database, cache } = this.#context;
    try {
      database.begin(calls.every((call) => this.#reads.has(call.verb)) ? "read" : "write");
      this.#noticeOthers();
      const outcomes = calls.map((call) => this.#runCall(call));
      cache.flush();
      database.commit();
      return outcomes;
    } catch (error) {
      cache.forget();
      database.rollback();
      throw error;
    }
  }

  #runCall(call: Call): Outcome {
    try {
      const run = this.#verbs[call.verb] as (...args: readonly unknown[]) => unknown;
      return { result: run(...call.args) };
    } catch (error) {
      if (error instanceof ChatError) return { error };
      throw error;
    }
  }

  /** Drops what is in memory when another process has changed the file. */
  #noticeOthers(): void {
    const { database, cache } = this.#context;
    const dataVersion = database.dataVersion();
    if (dataVersion !== this.#dataVersion) cache.forget();
    this.#dataVersion = dataVersion;
  }
}

/** The one table of verbs: what reads, what writes, and what it does. Does not compile while the contract has another verb. */
function allVerbs(context: ServerContext): Verbs {
  const accounts = accountVerbs(context);
  const devices = deviceVerbs(context, accounts);
  const users = userVerbs(context);
  const pruning = pruneVerbs(context);
  const messages = messageVerbs(context, pruning.pruneMailbox);
  const cursors = cursorVerbs(context);
  const history = historyVerbs(context);
  const invites = inviteVerbs(context);
  const operator = operatorVerbs(context, pruning.pruneMailbox);
  return {
    reads: {
      ...accounts.reads,
      ...devices.reads,
      ...users.reads,
      ...messages.reads,
      ...cursors.reads,
      ...history.reads,
      ...invites.reads,
      ...operator.reads,
      ...pruning.reads,
    },
    writes: {
      ...accounts.writes,
      ...devices.writes,
      ...users.writes,
      ...messages.writes,
      ...cursors.writes,
      ...history.writes,
      ...invites.writes,
      ...operator.writes,
      ...pruning.writes,
    },
  };
}
