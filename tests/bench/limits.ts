/**
 * The machine's own limits, without our server: the disk, SQLite, scrypt, TLS.
 * @module
 */
import { scrypt } from "node:crypto";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { CERTIFICATE_FILE, createEphemeralIdentity, KEY_FILE } from "../../lib/net/identity.ts";
import { DEFAULT_COST } from "../../lib/chat/passwords.ts";
import { SERVER_MIGRATIONS } from "../../lib/store/sqlite/migrations.ts";
import { Program } from "../helpers/program.ts";
import { PROJECT_FOLDER } from "../../build/tool.ts";
import { IdMaker } from "../helpers/message_ids.ts";
import { atPace, type Target, TEXT } from "./load.ts";
import { median } from "./report.ts";

/** Senders, and as many recipients, of the raw inserts: those of 64 connections. */
const PAIRS = 64;

/**
 * Inserts the rows of messages into the server's own tables, indexes and all, with raw `node:sqlite`.
 *
 * @param folder Where the database file goes.
 * @param group Rows that share a transaction.
 * @param durationMs How long.
 * @returns Rows a second, each on disk.
 */
export function rawInserts(folder: string, group: number, durationMs: number): number {
  const path = join(folder, `raw-${crypto.randomUUID()}.db`);
  const database = new DatabaseSync(path);
  try {
    database.exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON");
    for (const { sql } of SERVER_MIGRATIONS) database.exec(sql);
    for (let account = 1; account <= PAIRS * 2; account++) {
      database.exec(
        `INSERT INTO accounts (name, password_hash, created_at) VALUES ('user${account}', '', 0)`,
      );
    }
    const insert = database.prepare(
      "INSERT INTO messages (id, sender_id, recipient_id, text, stored_at) VALUES (?, ?, ?, ?, ?)",
    );
    const ids = new IdMaker();
    let count = 0;
    const startedAt = performance.now();
    while (performance.now() - startedAt < durationMs) {
      database.exec("BEGIN IMMEDIATE");
      for (let index = 0; index < group; index++, count++) {
        insert.run(ids.next(), 1 + count % PAIRS, 1 + PAIRS + count % PAIRS, TEXT, Date.now());
      }
      database.exec("COMMIT");
    }
    return count / (performance.now() - startedAt) * 1000;
  } finally {
    database.close();
    for (const suffix of ["", "-wal", "-shm"]) removeIfThere(path + suffix);
  }
}

/**
 * How long appending 4 KiB to a file and syncing it takes, at a pace: a machine that rests in between is slower than one
 * that does nothing else.
 *
 * @returns The median, in milliseconds.
 */
export async function measureFsync(folder: string, perSecond: number, durationMs: number): Promise<number> {
  const path = join(folder, "fsync");
  const page = new Uint8Array(4096);
  const taken: number[] = [];
  using file = await Deno.open(path, { create: true, write: true });
  await atPace(perSecond, durationMs, () => {
    const startedAt = performance.now();
    file.writeSync(page);
    file.syncDataSync();
    taken.push(performance.now() - startedAt);
  });
  removeIfThere(path);
  return median(taken);
}

/** Password hashes a second, at the server's cost, as many at once as there are cores. */
export async function hashesPerSecond(amount: number): Promise<number> {
  const N = 2 ** DEFAULT_COST.logN;
  const options = { N, r: DEFAULT_COST.r, p: DEFAULT_COST.p, maxmem: 256 * N * DEFAULT_COST.r };
  let begun = 0;
  const lane = async () => {
    while (begun++ < amount) {
      await new Promise<void>((resolve, reject) =>
        scrypt("correct horse", "0123456789abcdef", 32, options, (error) => error ? reject(error) : resolve())
      );
    }
  };
  const startedAt = performance.now();
  await Promise.all(Array.from({ length: navigator.hardwareConcurrency }, lane));
  return amount / (performance.now() - startedAt) * 1000;
}

/** A running `raw_server.ts`. */
export interface RawServer extends AsyncDisposable {
  readonly target: Target;
  readonly pid: number;
}

/**
 * Starts the raw server in a process of its own.
 *
 * @param folder Where its key goes.
 * @param mailbox A database file and the owner of a mailbox in it, to be drained; it echoes when unset.
 */
export async function startRawServer(
  folder: string,
  mailbox?: { readonly database: string; readonly accountId: number },
): Promise<RawServer> {
  const { certificatePem, privateKeyPem } = await createEphemeralIdentity();
  const place = await Deno.makeTempDir({ dir: folder });
  await Deno.writeTextFile(join(place, CERTIFICATE_FILE), certificatePem);
  await Deno.writeTextFile(join(place, KEY_FILE), privateKeyPem);
  const entry = join(PROJECT_FOLDER, "tests/bench/raw_server.ts");
  const permissions = ["--no-prompt", "--allow-net=127.0.0.1", "--allow-read"];
  const args = mailbox ? [place, mailbox.database, String(mailbox.accountId)] : [place];
  const program = new Program(Deno.execPath(), ["run", "-q", ...permissions, entry, ...args], {
    name: "raw server",
  });
  const [, port] = await program.waitForLine(/^port (\d+)$/);
  return {
    target: { port: Number(port), certificatePem },
    pid: program.pid,
    [Symbol.asyncDispose]: () => program[Symbol.asyncDispose](),
  };
}

function removeIfThere(path: string): void {
  try {
    Deno.removeSync(path);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}
