// Group commit: calls that wait at the same moment share one transaction and one fsync.
// Every verb checks before it writes, and holds the write lock from its check to the commit, so a call that is refused has
// changed nothing and the others of its batch go on. Only a fault in the middle of a write undoes the batch; then each
// call runs once more on its own, so that none pays for another. No result leaves before its commit.
import { ChatError, UsageError } from "../../errors.ts";
import { Database } from "../../sqlite/database.ts";
import { displaced, unavailableFrom } from "../../sqlite/sqlite_errors.ts";
import { CommitTimes } from "../commit_times.ts";
import { DEFAULT_STORE_LIMITS, type StoreLimits } from "../limits.ts";
import type { Call, Engine, Lane, Outcome, Verb } from "../queue.ts";
import type { ServerContext, Verbs } from "./context.ts";
import { cursorVerbs } from "./cursors.ts";
import { sqliteDialect } from "./dialect.ts";
import { MailboxCache } from "./mailbox_cache.ts";
import { messageVerbs } from "./messages.ts";
import { SERVER_MIGRATIONS } from "./migrations.ts";
import { coldVerbs } from "../verbs/cold.ts";
import type { ServerTables } from "../verbs/schema.ts";
import type { Steps } from "../verbs/steps.ts";

/** An open database that runs batches in the calling thread. */
export class SqliteEngine implements Engine, Lane {
  readonly verbs: readonly Verb[];
  readonly onTheWay = 1;
  readonly lanes: readonly Lane[] = [this];
  readonly failed: Promise<never> = new Promise<never>(() => {});
  readonly commits: CommitTimes;
  readonly #context: ServerContext;
  readonly #verbs: Readonly<Record<Verb, (...args: never[]) => unknown>>;
  readonly #reads: ReadonlySet<string>;
  #dataVersion = -1;
  #isInPlace = true; // the files, when something was last written
  #changes = 0; // rows that were changed by all transactions

  /** @throws {UsageError} A newer program wrote the file. */
  constructor(path: string, limits: Partial<StoreLimits> = {}, commits: CommitTimes = new CommitTimes()) {
    this.commits = commits;
    const database = new Database<ServerTables>(path, SERVER_MIGRATIONS);
    refuseBackup(database, path);
    const cache = new MailboxCache(database);
    this.#context = {
      database,
      cache,
      dialect: sqliteDialect(database),
      limits: { ...DEFAULT_STORE_LIMITS, ...limits },
      now: 0,
      forget: (accountId) => accountId === undefined ? cache.forget() : cache.evict(accountId),
    };
    const { reads, writes } = allVerbs(this.#context);
    this.#verbs = { ...reads, ...writes };
    this.#reads = new Set(Object.keys(reads));
    this.verbs = Object.keys(this.#verbs) as Verb[];
  }

  run(calls: readonly Call[], now: number): Promise<readonly Outcome[]> {
    this.#context.now = now;
    return Promise.resolve(this.#run(calls));
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
    const writes = calls.some((call) => !this.#reads.has(call.verb));
    try {
      if (writes && !this.#isInPlace) this.#checkPlace();
      database.begin(writes ? "write" : "read");
      this.#noticeOthers();
      const outcomes = calls.map((call) => this.#runCall(call));
      cache.flush();
      this.#commit();
      // Not before the commit: in between, the files could be taken away. What is refused now is stored if they come back, and
      // known by its id when it is sent again.
      if (writes) this.#checkPlace();
      return outcomes;
    } catch (error) {
      cache.forget();
      database.rollback();
      throw error;
    }
  }

  #commit(): void {
    const { database } = this.#context;
    const changes = database.changes();
    const startedAt = performance.now();
    database.commit();
    // A transaction that changed nothing asks nothing of the disk.
    if (changes !== this.#changes) this.commits.note(performance.now() - startedAt);
    this.#changes = changes;
  }

  /** Throws `unavailable` when what is committed would be lost with this process. */
  #checkPlace(): void {
    const file = this.#context.database.displacedFile();
    this.#isInPlace = file === null;
    if (file !== null) throw displaced(file);
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

/** @throws {UsageError} The file is a backup, whose next sequences clients may have seen already (`lib/store/backup.ts`). */
function refuseBackup(database: Database<ServerTables>, path: string): void {
  if (database.connection.prepare("SELECT 1 FROM sqlite_schema WHERE name = 'backup'").get() === undefined) {
    return;
  }
  database[Symbol.dispose]();
  throw new UsageError(
    `Cannot open ${path} as it is a backup: bring it in with mini-chat-server restore ${path}`,
  );
}

/** The one table of verbs: what reads, what writes, and what it does. Does not compile while the contract has another verb. */
function allVerbs(context: ServerContext): Verbs {
  const cold = coldVerbs(context);
  const messages = messageVerbs(context, (accountId) => runNow(context, cold.pruneMailbox(accountId)));
  const cursors = cursorVerbs(context);
  return {
    reads: {
      ...atOnce(context, cold.reads),
      ...messages.reads,
      ...cursors.reads,
      dataVersion: () => context.database.dataVersion(),
    },
    writes: { ...atOnce(context, cold.writes), ...messages.writes, ...cursors.writes },
  };
}

type ColdVerbs = Readonly<Record<string, (...args: never[]) => Steps<unknown>>>;

type AtOnce<Verbs extends ColdVerbs> = {
  readonly [V in keyof Verbs]: Verbs[V] extends (...args: infer Arguments) => Steps<infer Result>
    ? (...args: Arguments) => Result
    : never;
};

function atOnce<Verbs extends ColdVerbs>(context: ServerContext, verbs: Verbs): AtOnce<Verbs> {
  const entries = Object.entries(verbs).map(([name, verb]) => [
    name,
    (...args: never[]) => runNow(context, verb(...args)),
  ]);
  return Object.fromEntries(entries);
}

/** Runs steps to their end. They read rows, so what memory knows better is written first. */
function runNow<Result>({ database, cache }: ServerContext, steps: Steps<Result>): Result {
  cache.flush();
  let turn = steps.next();
  while (!turn.done) {
    const { sql, values, wanted } = turn.value;
    turn = steps.next(database.execute(sql, values, wanted));
  }
  return turn.value;
}
