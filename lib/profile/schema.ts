/**
 * The tables of a profile, as the newest migration leaves them.
 *
 * Times are epoch milliseconds. The SQL is in `profile_migrations.ts`; who adds tables adds a migration there and a type here.
 * @module
 */
import type { WithDefaults } from "../sqlite/database.ts";

/** Servers that were trusted once. */
export interface ServersTable {
  id: number; // given by SQLite when left out
  /** As the person gave it; unique with the port. */
  host: string;
  port: number;
  /** Pinned certificate (PEM); null when the system's authorities vouch for it. */
  certificate: string | null;
  /** Fingerprint of the pinned certificate, as it was shown; null without a pin. */
  fingerprint: string | null;
  last_used_at: number;
}

/** Accounts that are signed in. */
export interface LoginsTable {
  server_id: number;
  name: string;
  /** Session token; null once signed out. */
  token: string | null;
  /** Given by the server; kept when signed out, so that the next login finds its cursors again. */
  device_id: string;
  last_used_at: number;
}

/** How far this profile has shown each mailbox. */
export interface CursorsTable {
  server_id: number;
  name: string;
  read_sequence: number;
}

/** Messages that no server has acknowledged yet. */
export interface OutboxTable {
  position: number;
  id: string; // UUIDv7; goes with the message however often it is sent
  server_id: number;
  name: string;
  recipient: string;
  text: string;
  created_at: number;
  /** The server's code when it refused the message for good; null while it waits. */
  rejected_code: string | null;
  rejected_reason: string | null;
  /** Mark of the program that sends it; null when none has claimed it. */
  claimed_by: string | null;
}

/** Lines that were typed, for the arrow keys. */
export interface CommandHistoryTable {
  position: number;
  line: string;
}

/** Choices of the person, by key. */
export interface SettingsTable {
  key: string;
  /** Its value, in the form its owner chose. */
  value: string;
}

/** Texts that were begun and not sent. */
export interface DraftsTable {
  server_id: number;
  name: string;
  recipient: string;
  text: string;
  changed_at: number;
}

/** E-mail accounts; see `mail_store.ts`. */
export interface MailAccountsTable {
  id: string;
  /** The address that mails come from. */
  address: string;
  /** 1 for the default, of which there is one as soon as there is an account; 0 for the others. */
  is_default: number;
  /** When it was first saved. */
  created_at: number;
  /** All of it, as JSON; with its secret, where the person wants that kept. */
  account: string;
}

/** E-mails that were begun. */
export interface MailDraftsTable {
  /** UUID. */
  id: string;
  /** Last change. */
  saved_at: number;
  /** All of it, as JSON. */
  draft: string;
}

/** E-mails that are not done with. */
export interface MailOutboxTable {
  /** The order in which they were written. */
  position: number;
  /** UUID. */
  id: string;
  /** All of it, as JSON; the mail itself is a file of that id. */
  entry: string;
}

/** All tables by name. */
export interface ProfileTables {
  /** See {@linkcode ServersTable}. */
  servers: WithDefaults<ServersTable, "id">;
  /** See {@linkcode LoginsTable}. */
  logins: LoginsTable;
  /** See {@linkcode CursorsTable}. */
  cursors: CursorsTable;
  /** See {@linkcode OutboxTable}. */
  outbox: WithDefaults<OutboxTable, "position" | "rejected_code" | "rejected_reason">;
  /** See {@linkcode CommandHistoryTable}. */
  command_history: WithDefaults<CommandHistoryTable, "position">;
  /** See {@linkcode SettingsTable}. */
  settings: SettingsTable;
  /** See {@linkcode DraftsTable}. */
  drafts: DraftsTable;
  /** See {@linkcode MailAccountsTable}. */
  mail_accounts: MailAccountsTable;
  /** See {@linkcode MailDraftsTable}. */
  mail_drafts: MailDraftsTable;
  /** See {@linkcode MailOutboxTable}. */
  mail_outbox: WithDefaults<MailOutboxTable, "position">;
}
