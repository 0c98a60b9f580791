// What the verbs of the SQLite store share.
import type { Database } from "../../sqlite/database.ts";
import type { StoreLimits } from "../limits.ts";
import type { Reads, Writes } from "../queue.ts";
import type { MailboxCache } from "./mailbox_cache.ts";
import type { ServerTables } from "./schema.ts";

/** One open store, as its verbs see it. Verbs run inside a transaction that the caller opens and ends. */
export interface ServerContext {
  readonly database: Database<ServerTables>;
  readonly cache: MailboxCache;
  readonly limits: StoreLimits;
  now: number; // time of the calls being run, in epoch milliseconds
}

/** Verbs as plain functions: what the contract promises is returned here. */
type Synchronous<Verbs> = {
  readonly [Verb in keyof Verbs]: Verbs[Verb] extends (...args: infer Arguments) => Promise<infer Result>
    ? (...args: Arguments) => Result
    : never;
};

/** All verbs of the contract. A batch of reads alone takes no lock. */
export interface Verbs {
  readonly reads: Synchronous<Reads>;
  readonly writes: Synchronous<Writes>;
}

/** Those that one file implements, each on the side that the contract says. */
export interface SomeVerbs {
  readonly reads: Partial<Verbs["reads"]>;
  readonly writes: Partial<Verbs["writes"]>;
}
