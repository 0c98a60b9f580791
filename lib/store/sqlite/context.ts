// What the verbs of the SQLite store share.
import type { Database } from "../../sqlite/database.ts";
import type { Reads, Writes } from "../queue.ts";
import type { ServerTables } from "../verbs/schema.ts";
import type { VerbContext } from "../verbs/steps.ts";
import type { MailboxCache } from "./mailbox_cache.ts";

/** One open store, as its hot verbs see it. */
export interface ServerContext extends VerbContext {
  readonly database: Database<ServerTables>;
  readonly cache: MailboxCache;
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

/** Verbs that are asked for so often that they are written for this engine, over rows that it keeps in memory. */
export interface HotVerbs {
  readonly reads: Partial<Verbs["reads"]>;
  readonly writes: Partial<Verbs["writes"]>;
}
