// The tables of a profile, as the newest migration leaves them.
// Times are epoch milliseconds. The SQL is in `migrations.ts`; who adds tables adds a migration there and a type here.
import type { WithDefaults } from "../sqlite/database.ts";

/** Name of the database in a profile's folder. */
export const PROFILE_FILE = "profile.db";

/** Which account something is kept for. */
export interface AccountKey {
  readonly serverId: number;
  readonly name: string;
}

interface ServersTable {
  id: number; // given by SQLite when left out
  host: string; // as the person gave it; unique with the port
  port: number;
  certificate: string | null; // pinned certificate (PEM); null when the system's authorities vouch for it
  fingerprint: string | null; // fingerprint of the pinned certificate, as it was shown; null without a pin
  last_used_at: number;
  join_code: string | null; // from its invite link, until somebody has signed in
}

interface LoginsTable {
  server_id: number;
  name: string;
  token: string | null; // session token; null once signed out
  device_id: string; // from the server; kept when signed out, so that the next login finds its cursors again
  last_used_at: number;
}

interface CursorsTable {
  server_id: number;
  name: string;
  read_sequence: number;
}

export interface OutboxTable {
  position: number;
  id: string; // UUIDv7; goes with the message however often it is sent
  server_id: number;
  name: string;
  recipient: string;
  text: string;
  created_at: number;
  rejected_code: string | null; // the server's code when it refused the message for good; null while it waits
  rejected_reason: string | null;
  claimed_by: string | null; // mark of the program that sends it; null when unclaimed
}

interface CommandHistoryTable {
  position: number;
  line: string;
}

interface SettingsTable {
  key: string;
  value: string;
}

interface NotifiedConversationsTable {
  server_id: number;
  name: string;
  other: string; // name of the other person
  is_on: number; // 0 or 1; no row where it is as for all others
}

interface PeopleTable {
  server_id: number;
  name: string; // of the account
  person: string;
  met_at: number; // the last message or chat; 0 for who was only listed
}

export interface MessageCopiesTable {
  server_id: number;
  name: string;
  other: string; // the other person of the conversation
  sequence: number;
  id: string;
  is_mine: number; // 1 for a message that this account wrote
  stored_at: number; // by the server's clock
  text: Uint8Array; // in UTF-8: a TEXT would end at the first NUL when it is read
  bytes: number; // what it counts for against the limit
}

/** The part of a conversation of which the copy has every message that the server had. */
interface MessageCopySpansTable {
  server_id: number;
  name: string;
  other: string;
  from_sequence: number; // 0 where it reaches back as far as the server did
  to_sequence: number;
  checked_at: number; // by this machine's clock: when the server had nothing newer than to_sequence
}

interface MailAccountsTable {
  id: string;
  address: string; // the address that mails come from
  is_default: number; // 1 for the default: exactly one, as soon as there is an account
  created_at: number;
  account: string; // all of it, as JSON; with its secret, where the person wants that kept
}

interface MailDraftsTable {
  id: string; // UUID
  saved_at: number;
  draft: string; // all of it, as JSON
}

interface MailOutboxTable {
  position: number; // the order in which they were written
  id: string;
  entry: string; // all of it, as JSON; the mail itself is a file of that id
}

export interface ProfileTables {
  servers: WithDefaults<ServersTable, "id" | "join_code">;
  logins: LoginsTable;
  cursors: CursorsTable;
  outbox: WithDefaults<OutboxTable, "position" | "rejected_code" | "rejected_reason">;
  command_history: WithDefaults<CommandHistoryTable, "position">;
  settings: SettingsTable;
  notified_conversations: NotifiedConversationsTable;
  people: PeopleTable;
  message_copies: MessageCopiesTable;
  message_copy_spans: MessageCopySpansTable;
  mail_accounts: MailAccountsTable;
  mail_drafts: MailDraftsTable;
  mail_outbox: WithDefaults<MailOutboxTable, "position">;
}
