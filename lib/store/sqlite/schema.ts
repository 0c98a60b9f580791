/**
 * The tables of the server's database, as the newest migration leaves them.
 *
 * Times are epoch milliseconds, flags are 0 or 1. The SQL is in `server_migrations.ts`.
 * @module
 */
import type { WithDefaults } from "../../sqlite/database.ts";

/** People. A removed account keeps its row, so that its name is never given to somebody else. */
export interface AccountsTable {
  /** Never used twice. Given by SQLite when left out. */
  id: number;
  /** Unique. */
  name: string;
  /** Empty once removed. */
  password_hash: string;
  /** When it was made. */
  created_at: number;
  /** Null until it first signed in. */
  last_seen_at: number | null;
  /** 1 while the operator shuts it out. */
  is_disabled: number;
  /** Null unless removed. */
  removed_at: number | null;
  /** 1 when senders may know what was read. */
  share_read: number;
  /** Null when none is given. */
  email: string | null;
}

/** Running totals of what each account has received, so that no send has to count. One row for each account. */
export interface MailboxesTable {
  /** The account. */
  account_id: number;
  /** Newest message ever received; never goes back, also when messages are pruned. */
  highest_sequence: number;
  /** Highest cursor of all its devices, present and past. */
  delivered_sequence: number;
  /** Highest cursor of all its devices, present and past. */
  read_sequence: number;
  /** Messages above `read_sequence`. */
  unread_messages: number;
  /** Bytes of text above `read_sequence`. */
  unread_bytes: number;
  /** Bytes of all text that is still there. */
  kept_bytes: number;
}

/** A profile on a machine where an account signed in. */
export interface DevicesTable {
  /** Random (UUID version 4). */
  id: string;
  /** Whose it is. */
  account_id: number;
  /** What the person sees. */
  name: string;
  /** Null once signed out. */
  token_hash: string | null;
  /** When it first signed in. */
  created_at: number;
  /** Exact to an hour. */
  last_used_at: number;
  /** Its own cursor. */
  delivered_sequence: number;
  /** Its own cursor; never above `delivered_sequence`. */
  read_sequence: number;
}

/** Who takes nothing from whom. */
export interface BlocksTable {
  /** Who blocks. */
  account_id: number;
  /** Who is blocked. */
  blocked_id: number;
}

/** Messages, each once, in the mailbox of its recipient. */
export interface MessagesTable {
  /** The one order of all messages; never used twice. Given by SQLite when left out. */
  sequence: number;
  /** The sender's id for it; unique with the sender. */
  id: string;
  /** Who wrote it. */
  sender_id: number;
  /** In whose mailbox it is. */
  recipient_id: number;
  /** What was written. */
  text: string;
  /** When it was committed. */
  stored_at: number;
}

/** Codes that let people register. */
export interface InvitesTable {
  /** The code, readable. */
  code: string;
  /** Null for any number. */
  max_uses: number | null;
  /** Accounts made so far. */
  uses: number;
  /** When it was made. */
  created_at: number;
  /** Null for never. */
  expires_at: number | null;
  /** Null unless revoked. */
  revoked_at: number | null;
  /** The operator's words. */
  note: string;
}

/** All tables by name. */
export interface ServerTables {
  /** See {@linkcode AccountsTable}. */
  accounts: WithDefaults<
    AccountsTable,
    "id" | "last_seen_at" | "is_disabled" | "removed_at" | "share_read" | "email"
  >;
  /** See {@linkcode MailboxesTable}. */
  mailboxes: WithDefaults<MailboxesTable, Exclude<keyof MailboxesTable, "account_id">>;
  /** See {@linkcode DevicesTable}. */
  devices: DevicesTable;
  /** See {@linkcode BlocksTable}. */
  blocks: BlocksTable;
  /** See {@linkcode MessagesTable}. */
  messages: WithDefaults<MessagesTable, "sequence">;
  /** See {@linkcode InvitesTable}. */
  invites: WithDefaults<InvitesTable, "uses" | "revoked_at">;
}
