// Where a server keeps what it knows: a file of its own, or a database that it shares with other servers.
import type { ServerStore } from "../chat/operator_store.ts";
import type { Identity } from "../net/identity.ts";
import {
  type Community,
  type CommunityOptions,
  joinCommunity,
  openServerStore,
  type ThreadedStoreOptions,
} from "../store/open.ts";
import { unfinishedMove } from "../store/tables.ts";
import { UsageError } from "../errors.ts";
import { type DataPaths, isThere } from "./data_folder.ts";
import { lastBackup, lastBackupPath } from "./operator/last_backup.ts";
import { MIB, type ServeOptions } from "./options.ts";

/** What was opened. */
export interface OpenedData extends AsyncDisposable {
  readonly store: ServerStore;
  readonly shared?: Pick<Community, "cluster" | "openChats" | "counts">; // none when the server is alone
  readonly standby?: Community["standby"]; // of the shared database
  /** Runs work while no other server on the same data does the same. */
  exclusively<Result>(work: () => Promise<Result>): Promise<Result>;
}

export interface DataOptions {
  readonly options: ServeOptions;
  readonly paths: DataPaths;
  readonly identity: Identity;
  readonly databaseUrl: string | undefined;
  readonly leaseTimes?: CommunityOptions["leaseTimes"];
  readonly relayAddress: string;
}

/** What becomes of the database meanwhile. */
export interface DatabaseListener {
  /** A shared one cannot be reached for long, */
  onAway(): void;
  /** and is back. */
  onBack(): void;
  /** The file takes nothing, and why; null once it has taken something. */
  readonly onTrouble: NonNullable<ThreadedStoreOptions["onTrouble"]>;
}

/**
 * For a start that makes what is missing: a database that was lost is not taken for one that never was. An empty one in its place
 * would end every login, and take away what its log may still hold.
 * @throws {UsageError} It is not there, or empty, and its log or the note of its last backup are; or a `move` was to bring it.
 */
export async function checkDatabaseIsNotLost(paths: DataPaths): Promise<void> {
  const { folder, database } = paths;
  const sizeOf = (path: string) => Deno.stat(path).then(({ size }) => size, () => 0);
  if (await sizeOf(database) > 0) return;
  const unfinished = unfinishedMove(database);
  if (await isThere(unfinished)) {
    throw new UsageError(
      `Cannot start: a move into ${folder} was cut off, so nothing is in it yet. Run mini-chat-server move again; to begin anew, ` +
        `without any account or message, remove ${unfinished}`,
    );
  }
  const log = `${database}-wal`;
  const [hasLog, last] = [await sizeOf(log) > 0, await lastBackup(paths)];
  if (!hasLog && last === null) return;
  const backup = last === null
    ? "mini-chat-server restore BACKUP"
    : `mini-chat-server restore ${last.file} (of ${last.at})`;
  const witness = hasLog ? log : lastBackupPath(paths);
  throw new UsageError(
    `Cannot start: the database of ${folder} is gone, as ${witness} shows. Put ${database} back, or its last backup: ${backup}. To ` +
      "begin anew, without any account or message, move the whole folder away",
  );
}

export async function openData(
  { options, paths, identity, databaseUrl, relayAddress, leaseTimes = {} }: DataOptions,
  listener: DatabaseListener,
): Promise<OpenedData> {
  const limits = {
    mailboxMessages: options.mailboxMessages,
    mailboxBytes: options.mailboxMib * MIB,
    historyDays: options.historyDays,
    historyBytes: options.historyMib * MIB,
  };
  if (databaseUrl !== undefined) {
    const { fingerprint } = identity;
    const community = await joinCommunity(databaseUrl, {
      limits,
      fingerprint,
      relayAddress,
      leaseTimes,
      onAway: listener.onAway,
      onBack: listener.onBack,
    });
    return { ...community, shared: community };
  }
  const store = await openServerStore(paths.database, { limits, onTrouble: listener.onTrouble });
  return {
    store,
    exclusively: (work) => work(),
    [Symbol.asyncDispose]: () => store[Symbol.asyncDispose](),
  };
}
