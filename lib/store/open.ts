/**
 * Opens a server's store: in a thread of its own, or in the calling one.
 *
 * What a store does is said in `lib/chat/store.ts` and `lib/chat/operator_store.ts`.
 * @module
 */
import type { ServerStore } from "../chat/operator_store.ts";
import type { StoreLimits } from "./limits.ts";
import { type OnTrouble, queuedStore } from "./queue.ts";
import type { Community, CommunityOptions } from "./postgres/open.ts";
import type { DatabaseFile } from "./sqlite/examine.ts";
import { openThread } from "./sqlite/thread.ts";

export type { Community, CommunityOptions, DatabaseFile };

/** How a store is opened. */
export interface StoreOptions {
  /** Changes to `DEFAULT_STORE_LIMITS`. */
  readonly limits?: Partial<StoreLimits>;
  /** Clock in epoch milliseconds; `Date.now` by default. */
  readonly now?: () => number;
}

/** How a store in a thread of its own is opened. */
export interface ThreadedStoreOptions extends StoreOptions {
  /** Starts the thread; for tests that need one that dies. The real one by default. */
  readonly startThread?: () => Worker;
  /** Hears why nothing can be stored when that begins, and null when something was stored again. */
  readonly onTrouble?: OnTrouble;
}

/**
 * Opens a server's database in a thread of its own, so that a slow disk never stalls the caller.
 * @param path The file, made if there is none; its folder must exist.
 * @returns The store; its `failed` rejects if the thread dies, and every call that waits with it.
 * @throws {UsageError} A newer program wrote the file.
 */
export async function openServerStore(
  path: string,
  options: ThreadedStoreOptions = {},
): Promise<ServerStore> {
  const thread = await openThread(path, options.limits, options.startThread);
  return queuedStore(thread, options.now, options.onTrouble);
}

/**
 * Opens a server's database in the calling thread: for the operator's subcommands and for tests. Its commits stall the caller.
 * @param path The file, made if there is none; its folder must exist.
 * @throws {UsageError} A newer program wrote the file.
 */
export async function openLocalStore(path: string, options: StoreOptions = {}): Promise<ServerStore> {
  // Loaded here, since a server that serves needs SQLite in its store's thread alone, and should start without another.
  const { SqliteEngine } = await import("./sqlite/batch.ts");
  return queuedStore(new SqliteEngine(path, options.limits), options.now);
}

/** How a database that servers share is opened without being one of them. */
export interface SharedStoreOptions extends StoreOptions {
  /** Of a community's key: an empty database becomes that community's. Unset: it has to be one already. */
  readonly fingerprint?: string;
  /** Whether a database that takes no writes now will do, where there is no other: its verbs that read work. False by default. */
  readonly orReadOnly?: boolean;
}

/**
 * Opens a community's database on PostgreSQL for the operator's subcommands, in the calling thread.
 * @param url `postgres://USER:PASSWORD@HOST/DATABASE`; several hosts for one that may move.
 * @throws {UsageError} The URL is wrong, the database cannot be reached, or no server has been started on it.
 */
export async function openSharedStore(url: string, options: SharedStoreOptions = {}): Promise<ServerStore> {
  // Loaded here, as below: a server that keeps its own file needs nothing of it.
  const { openOperatorStore } = await import("./postgres/open.ts");
  return await openOperatorStore(url, options);
}

/**
 * Checks that a database on PostgreSQL is of the community with this key.
 * @throws {UsageError} As {@linkcode openSharedStore}, or it has another key.
 */
export async function checkCommunityKey(url: string, fingerprint: string): Promise<void> {
  const { checkCommunity } = await import("./postgres/open.ts");
  await checkCommunity(url, fingerprint);
}

/**
 * Joins a community that shares a database on PostgreSQL, which is brought to the newest schema.
 * @throws {UsageError} As {@linkcode openSharedStore}; or the community has another key, or is too new for this program.
 */
export async function joinCommunity(url: string, options: CommunityOptions): Promise<Community> {
  const { openCommunity } = await import("./postgres/open.ts");
  return await openCommunity(url, options);
}

/**
 * Looks at a server's own database file without changing it, whether or not a server runs on it.
 * @throws {UsageError} It cannot be read, or is no database.
 */
export async function examineDatabaseFile(path: string): Promise<DatabaseFile> {
  const { examineFile } = await import("./sqlite/examine.ts");
  return await examineFile(path);
}
