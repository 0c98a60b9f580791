// Backups of a server's own file: one SQLite file with everything that a new machine needs, the key as well.
// A copy has one table more than a store, which says what it is; so no server opens it by mistake, and goes on with sequences that
// its clients have seen already.
import type { Act } from "../chat/operator_store.ts";
import { ChatError, UsageError } from "../errors.ts";
import { type Connection, copyDatabase, inspectDatabase, refuseDamaged } from "../sqlite/backup.ts";
import { schemaVersion } from "../sqlite/migrations.ts";
import { renameAndSync } from "../sync_folder.ts";
import { openLocalStore } from "./open.ts";
import { SERVER_MIGRATIONS } from "./sqlite/migrations.ts";

/** A server's key and certificate. Secret: never log it. */
export interface KeptKey {
  readonly privateKeyPem: string;
  readonly certificatePem: string;
  readonly fingerprint: string;
}

export interface BackupFacts {
  readonly madeAt: number | null; // epoch milliseconds; null for a bare copy of a database, which has no key either
  readonly version: string | null; // of the program that made it
  readonly key: KeptKey | null; // null when it was not in the data folder
  readonly accounts: number;
  readonly messages: number;
}

type BackupRow = Record<"made_at" | "version" | "fingerprint" | "private_key" | "certificate", unknown>;

const MAKE_TABLE = `
  CREATE TABLE backup (
    made_at INTEGER NOT NULL,
    version TEXT NOT NULL,
    fingerprint TEXT,
    private_key TEXT,
    certificate TEXT
  ) STRICT`;
const INSERT = `
  INSERT INTO backup (made_at, version, fingerprint, private_key, certificate) VALUES (?, ?, ?, ?, ?)`;
const HAS_TABLE = "SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = ?";

/** The name that a file has until it is whole. */
const UNFINISHED = ".partial";

/**
 * Writes a backup of a database file, which may be in use, into a new file, readable by its owner only. It has its name once it is
 * whole, checked and on disk. The calling thread does nothing else meanwhile.
 * @throws {ChatError} `conflict` – the target exists; `unavailable` – it cannot be written.
 * @throws {UsageError} The database cannot be read, or is damaged.
 */
export async function writeBackup(
  path: string,
  target: string,
  { madeAt, version, key }: {
    readonly madeAt: number;
    readonly version: string;
    readonly key: KeptKey | null;
  },
): Promise<void> {
  await refuseExisting(target);
  await refuseExisting(
    target + UNFINISHED,
    "another backup writes it, or was cut off; if none runs, remove it",
  );
  await copyDatabase(path, target + UNFINISHED, (copy) => {
    copy.exec(MAKE_TABLE);
    const { fingerprint = null, privateKeyPem = null, certificatePem = null } = key ?? {};
    copy.prepare(INSERT).run(madeAt, version, fingerprint, privateKeyPem, certificatePem);
  });
  await refuseExisting(target);
  await renameAndSync(target + UNFINISHED, target);
}

async function refuseExisting(
  path: string,
  what = "a backup never takes the place of a file",
): Promise<void> {
  const isThere = await Deno.lstat(path).then(() => true, () => false);
  if (isThere) throw new ChatError("conflict", `Cannot write the backup as ${path} exists: ${what}`);
}

/**
 * What is in a backup, or in a bare copy of a database, after all of it was checked.
 * @throws {UsageError} It cannot be read, is damaged, or is of a newer program.
 */
export function readBackup(path: string): BackupFacts {
  return inspectDatabase(path, (database) => {
    checkSchema(database, path);
    refuseDamaged(database, path);
    const row = rowOf(database);
    return {
      madeAt: row === undefined ? null : Number(row.made_at),
      version: row === undefined ? null : String(row.version),
      key: row === undefined ? null : keyOf(row),
      accounts: count(database, "accounts WHERE removed_at IS NULL"),
      messages: count(database, "messages"),
    };
  });
}

/**
 * The fingerprint of the server that a backup is of, null for one without a key; undefined when the file is no backup, as far as a
 * glance can tell.
 */
export function peekIntoBackup(path: string): string | null | undefined {
  try {
    return inspectDatabase(path, (database) => {
      const row = rowOf(database);
      return row === undefined ? undefined : keyOf(row)?.fingerprint ?? null;
    });
  } catch {
    return undefined;
  }
}

/**
 * Makes of a backup a database file that a server may open: of this program's schema, and with sequences that no client has seen.
 * @param target A new file.
 * @param act What its audit log says of this.
 * @throws {UsageError} The backup cannot be read, is damaged or of a newer program.
 * @throws {ChatError} `unavailable` – the target cannot be written.
 */
export async function unpackBackup(path: string, target: string, act: Act): Promise<void> {
  await copyDatabase(path, target, (copy) => {
    checkSchema(copy, path);
    copy.exec("DROP TABLE IF EXISTS backup");
  });
  await using store = await openLocalStore(target);
  const problems = await store.checkIntegrity();
  if (problems.length > 0) {
    throw new UsageError(`Cannot use ${path} as it is damaged:\n${problems.join("\n")}`);
  }
  await store.operate(act, "leapAhead", []);
}

function checkSchema(database: Connection, path: string): void {
  const version = schemaVersion(database);
  if (version === 0 || database.prepare(HAS_TABLE).get("mailboxes") === undefined) {
    throw new UsageError(`Cannot use ${path} as it is no database of a Mini-Chat server`);
  }
  const known = SERVER_MIGRATIONS.length;
  if (version <= known) return;
  throw new UsageError(
    `Cannot use ${path} as a newer version of Mini-Chat made it: its schema is ${version}, this program knows ` +
      `1 to ${known}; please update`,
  );
}

function rowOf(database: Connection): BackupRow | undefined {
  if (database.prepare(HAS_TABLE).get("backup") === undefined) return undefined;
  return database.prepare("SELECT * FROM backup").get() as BackupRow | undefined;
}

function keyOf({ fingerprint, private_key, certificate }: BackupRow): KeptKey | null {
  if (private_key === null) return null;
  return {
    fingerprint: String(fingerprint),
    privateKeyPem: String(private_key),
    certificatePem: String(certificate),
  };
}

function count(database: Connection, rows: string): number {
  return Number(database.prepare(`SELECT count(*) AS count FROM ${rows}`).get()?.["count"]);
}
