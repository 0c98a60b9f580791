/**
 * What the verbs of the server's store share.
 * @module
 */
import type { Database } from "../../sqlite/database.ts";
import type { MailboxCache } from "./mailbox_cache.ts";
import type { ServerTables } from "./schema.ts";
import type { StoreLimits } from "../server_store.ts";

/** One open store, as its verbs see it. Verbs run inside a transaction that the caller opens and ends. */
export interface ServerContext {
  /** The file. */
  readonly database: Database<ServerTables>;
  /** Accounts and devices in memory. */
  readonly cache: MailboxCache;
  /** What is kept. */
  readonly limits: StoreLimits;
  /** Time of the calls being run, in epoch milliseconds. */
  now: number;
}

/** A day in milliseconds. */
export const DAY_MS = 24 * 60 * 60 * 1000;

/** The verbs of an interface, as plain functions: what is promised there is returned here. */
export type Synchronous<Verbs> = {
  readonly [Verb in keyof Verbs]: Verbs[Verb] extends (...args: infer Arguments) => Promise<infer Result>
    ? (...args: Arguments) => Result
    : never;
};
