// The tables of the server's database, as the newest migration leaves them.
// Times are epoch milliseconds, flags are 0 or 1. The SQL is in `migrations.ts`.
import type { BanKind } from "../../chat/store.ts";
import type { WithDefaults } from "../../sqlite/database.ts";

/** A removed account keeps its row, so that its name is never given to somebody else. */
interface AccountsTable {
  id: number; // never used twice
  name: string;
  password_hash: string; // empty once removed
  created_at: number;
  last_seen_at: number | null; // null until it first signed in
  is_disabled: number;
  removed_at: number | null;
  share_read: number; // 1 when senders may know what was read
  email: string | null; // null when none is published
  /** Account up to whose mailbox the texts that this one wrote are cleared; null when they need not be, or all are. */
  cleared_up_to: number | null;
}

/** Running totals of what each account has received, so that no send has to count. One row for each account. */
interface MailboxesTable {
  account_id: number;
  highest_sequence: number; // newest message ever received; never goes back, also when messages are pruned
  delivered_sequence: number; // highest cursor of all its devices, present and past
  read_sequence: number; // likewise
  unread_messages: number; // above `read_sequence`
  unread_bytes: number; // of text above `read_sequence`
  kept_bytes: number; // of all text that has not been pruned
}

interface DevicesTable {
  id: string; // random (UUID version 4)
  account_id: number;
  name: string; // shown to the person
  token_hash: string | null; // null once logged out
  created_at: number;
  last_used_at: number; // exact to an hour
  delivered_sequence: number;
  read_sequence: number; // never above `delivered_sequence`
}

interface BlocksTable {
  account_id: number; // takes nothing from `blocked_id`
  blocked_id: number;
}

/** Messages, each once, in the mailbox of its recipient. */
interface MessagesTable {
  sequence: number; // the one order of all messages; never used twice
  id: string; // the sender's; unique with the sender
  sender_id: number;
  recipient_id: number;
  text: string; // empty once its writer's account was deleted and the text cleared
  stored_at: number;
}

export interface InvitesTable {
  code: string;
  max_uses: number | null; // null for any number
  uses: number;
  created_at: number;
  expires_at: number | null; // null for never
  revoked_at: number | null;
  note: string; // the operator's words
}

/** Who may not come in for a while. */
interface BansTable {
  kind: BanKind;
  subject: string; // name of the account, or the network as `Network` writes it
  created_at: number;
  ends_at: number;
  reason: string; // the operator's words; may be empty
}

/** Has its row while the server is locked, and until it is noticed that the time is over. */
interface LockdownTable {
  only_row: number; // 1
  since: number;
  ends_at: number | null; // null until the operator ends it
}

interface ReportsTable {
  id: number; // never used twice
  created_at: number;
  reporter_id: number;
  reported_id: number;
  message_count: number;
  content: string | null; // JSON: the reason and the messages; null once closed
  closed_at: number | null;
}

/** What operators changed. Rows are added, and removed when they are old; none is changed. */
interface AuditLogTable {
  id: number; // never used twice
  at: number;
  actor: string; // user of the operating system
  act: string; // the subcommand, as in `user disable`
  subject: string; // account, network, invite or report; may be empty
}

export interface ServerTables {
  accounts: WithDefaults<
    AccountsTable,
    "id" | "last_seen_at" | "is_disabled" | "removed_at" | "share_read" | "email" | "cleared_up_to"
  >;
  mailboxes: WithDefaults<MailboxesTable, Exclude<keyof MailboxesTable, "account_id">>;
  devices: DevicesTable;
  blocks: BlocksTable;
  messages: WithDefaults<MessagesTable, "sequence">;
  invites: WithDefaults<InvitesTable, "uses" | "revoked_at">;
  bans: BansTable;
  lockdown: LockdownTable;
  reports: WithDefaults<ReportsTable, "id" | "closed_at">;
  audit_log: WithDefaults<AuditLogTable, "id">;
}
