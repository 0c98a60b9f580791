// The tables of a server's store, as both engines have them: what has to be moved from one to the other.
import { UsageError } from "../errors.ts";
import type { ServerTables } from "./verbs/schema.ts";

export interface MovedTable {
  readonly name: keyof ServerTables;
  readonly columns: readonly string[];
  readonly key: readonly string[]; // of its columns: unique, and the order in which rows are read
  readonly numbered?: boolean; // the key is drawn from a sequence, which must go on where it was
}

export type MovedRow = Readonly<Record<string, string | number | null>>;

/** In an order in which no row comes before one that it refers to. */
export const MOVED_TABLES: readonly MovedTable[] = [
  {
    name: "accounts",
    columns: [
      ...["id", "name", "password_hash", "created_at", "last_seen_at"],
      ...["is_disabled", "removed_at", "share_read", "email", "cleared_up_to"],
    ],
    key: ["id"],
    numbered: true,
  },
  {
    name: "mailboxes",
    columns: [
      ...["account_id", "highest_sequence", "delivered_sequence", "read_sequence"],
      ...["unread_messages", "unread_bytes", "kept_bytes"],
    ],
    key: ["account_id"],
  },
  {
    name: "devices",
    columns: [
      ...["id", "account_id", "name", "token_hash", "created_at", "last_used_at"],
      ...["delivered_sequence", "read_sequence"],
    ],
    key: ["id"],
  },
  { name: "blocks", columns: ["account_id", "blocked_id"], key: ["account_id", "blocked_id"] },
  {
    name: "messages",
    columns: ["sequence", "id", "sender_id", "recipient_id", "text", "stored_at"],
    key: ["sequence"],
    numbered: true,
  },
  {
    name: "invites",
    columns: ["code", "max_uses", "uses", "created_at", "expires_at", "revoked_at", "note"],
    key: ["code"],
  },
  { name: "bans", columns: ["kind", "subject", "created_at", "ends_at", "reason"], key: ["kind", "subject"] },
  { name: "lockdown", columns: ["only_row", "since", "ends_at"], key: ["only_row"] },
  {
    name: "reports",
    columns: ["id", "created_at", "reporter_id", "reported_id", "message_count", "content", "closed_at"],
    key: ["id"],
    numbered: true,
  },
  { name: "audit_log", columns: ["id", "at", "actor", "act", "subject"], key: ["id"], numbered: true },
];

/** A store opened for moving: nobody else writes to it meanwhile. */
export interface MovingSide extends AsyncDisposable {
  readonly place: string; // for people
  countRows(table: MovedTable): Promise<number>;
  /** The next rows in the order of the key; `after` null for the first ones. */
  readPage(table: MovedTable, after: MovedRow | null, limit: number): Promise<MovedRow[]>;
  insert(table: MovedTable, rows: readonly MovedRow[]): Promise<void>;
  /** The highest number that was ever drawn for a numbered table; 0 for none. */
  lastNumber(table: MovedTable): Promise<number>;
  setLastNumber(table: MovedTable, last: number): Promise<void>;
  /** Makes what was inserted last. Without it nothing of it remains. */
  commit(): Promise<void>;
}

/** `SELECT … FROM table` with its columns, but for those that are read in another way, by name. */
export function selectFrom(table: MovedTable, otherwise: Readonly<Record<string, string>> = {}): string {
  const columns = table.columns.map((column) => otherwise[column] ?? column);
  return `SELECT ${columns.join(", ")} FROM ${table.name}`;
}

/** @throws {UsageError} A side that a move is to fill holds something already. */
export async function refuseFilled(target: MovingSide): Promise<void> {
  for (const table of MOVED_TABLES) {
    const there = await target.countRows(table);
    if (there === 0) continue;
    throw new UsageError(
      `Cannot move to ${target.place} as it holds ${there} ${table.name} already: name an empty one`,
    );
  }
}

/** Where a move makes the file of a database, which gets its name once it is whole. */
export function unfinishedMove(path: string): string {
  return `${path}.partial`;
}
