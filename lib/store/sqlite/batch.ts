/**
 * Group commit: calls that wait at the same moment share one transaction and one fsync.
 *
 * Every verb checks before it writes, and holds the write lock from its check to the commit, so a call that is refused has
 * changed nothing and the others of its batch go on. Only a fault in the middle of a write undoes the batch; then each
 * call runs once more on its own, so that none pays for another. No result leaves before its commit.
 * @module
 */
import { ChatError } from "../../errors.ts";
import { DEFAULT_STORE_LIMITS, type ServerStore, type StoreLimits } from "../server_store.ts";
import { accountVerbs } from "./verbs/accounts.ts";
import { conversationVerbs } from "./verbs/history.ts";
import { cursorVerbs } from "./verbs/cursors.ts";
import { Database } from "../../sqlite/database.ts";
import { deviceVerbs } from "./verbs/devices.ts";
import { inviteVerbs } from "./verbs/invites.ts";
import { MailboxCache } from "./mailbox_cache.ts";
import { messageVerbs } from "./verbs/messages.ts";
import { operatorVerbs } from "./verbs/operator.ts";
import { pruneVerbs } from "./verbs/prune.ts";
import type { ServerContext, Synchronous } from "./context.ts";
import { SERVER_MIGRATIONS } from "./migrations.ts";
import type { ServerTables } from "./schema.ts";
import { unavailableFrom } from "../../sqlite/sqlite_errors.ts";
import { userVerbs } from "./verbs/users.ts";

/** Name of a verb that runs in a transaction: all but `backup`. */
export type Verb = Exclude<keyof ServerStore, "backup" | "failed" | symbol>;

/** A call that waits to be run. */
export interface Call {
  /** What to do. */
  readonly verb: Verb;
  /** The verb's arguments. */
  readonly args: readonly unknown[];
}

/** How a call ended: with its result, or with what it threw. */
export type Outcome = { readonly result: unknown } | { readonly error: unknown };

/** Verbs that write nothing; a batch of only these takes no lock. */
const READING: ReadonlySet<Verb> = new Set<Verb>([
  "findCredentials",
  "listEndedSessions",
  "listUsers",
  "findUser",
  "getSettings",
  "listBlocked",
  "listMailbox",
  "highestSequence",
  "readSequence",
  "listConversation",
  "listInvites",
  "listAccounts",
  "counts",
  "checkIntegrity",
  "dataVersion",
]);

/** An open server database that runs batches of calls. */
export class BatchRunner implements Disposable {
  readonly #context: ServerContext;
  readonly #verbs: Synchronous<Pick<ServerStore, Verb>>;
  #dataVersion = -1;

  /**
   * Opens the database, makes it if there is none, and brings it to the newest schema.
   *
   * @param path The file; its folder must exist.
   * @param limits Changes to {@linkcode DEFAULT_STORE_LIMITS}.
   * @throws {UsageError} A newer program wrote the file.
   */
  constructor(path: string, limits: Partial<StoreLimits> = {}) {
    const database = new Database<ServerTables>(path, SERVER_MIGRATIONS);
    const cache = new MailboxCache(database);
    this.#context = { database, cache, limits: { ...DEFAULT_STORE_LIMITS, ...limits }, now: 0 };
    const { pruneMailbox, prune } = pruneVerbs(this.#context);
    const accounts = accountVerbs(this.#context);
    this.#verbs = {
      ...accounts,
      ...deviceVerbs(this.#context, accounts),
      ...userVerbs(this.#context),
      ...messageVerbs(this.#context, pruneMailbox),
      ...cursorVerbs(this.#context),
      ...conversationVerbs(this.#context),
      ...inviteVerbs(this.#context),
      ...operatorVerbs(this.#context, pruneMailbox),
      prune,
    };
  }

  /**
   * Runs calls in order, in one transaction where possible, and commits.
   *
   * @param calls Any number of calls.
   * @param now Time at which they happen, in epoch milliseconds.
   * @returns One outcome for each call, in order. Never throws.
   */
  run(calls: readonly Call[], now: number): Outcome[] {
    this.#context.now = now;
    try {
      return this.#runTogether(calls);
    } catch (error) {
      const unavailable = unavailableFrom(error);
      if (calls.length === 1) return [{ error: unavailable ?? error }];
      // A disk that refuses one write refuses them all; what only reads can still be answered.
      return calls.map((call) =>
        unavailable !== null && !READING.has(call.verb) ? { error: unavailable } : this.run([call], now)[0]!
      );
    }
  }

  #runTogether(calls: readonly Call[]): Outcome[] {
    const { database, cache } = this.#context;
    try {
      database.begin(calls.every((call) => READING.has(call.verb)) ? "read" : "write");
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

  /** Closes the database. */
  [Symbol.dispose](): void {
    this.#context.database[Symbol.dispose]();
  }
}
