// How a profile's database came to its present schema. Append only; see `migrations.ts`.
import type { Migration } from "../sqlite/migrations.ts";

/** Every migration of a profile, oldest first. New tables of any part of the client are added at the end. */
export const PROFILE_MIGRATIONS: readonly Migration[] = [
  {
    title: "servers, logins, cursors, outbox, command history, settings, drafts",
    sql: `
      CREATE TABLE servers (
        id INTEGER PRIMARY KEY,
        host TEXT NOT NULL,
        port INTEGER NOT NULL,
        certificate TEXT,
        fingerprint TEXT,
        last_used_at INTEGER NOT NULL,
        UNIQUE (host, port)
      ) STRICT;

      CREATE TABLE logins (
        server_id INTEGER NOT NULL REFERENCES servers (id) ON DELETE CASCADE,
        name TEXT NOT NULL,
        token TEXT,
        device_id TEXT NOT NULL,
        last_used_at INTEGER NOT NULL,
        PRIMARY KEY (server_id, name)
      ) STRICT, WITHOUT ROWID;

      CREATE TABLE cursors (
        server_id INTEGER NOT NULL REFERENCES servers (id) ON DELETE CASCADE,
        name TEXT NOT NULL,
        read_sequence INTEGER NOT NULL,
        PRIMARY KEY (server_id, name)
      ) STRICT, WITHOUT ROWID;

      CREATE TABLE outbox (
        position INTEGER PRIMARY KEY AUTOINCREMENT,
        id TEXT NOT NULL UNIQUE,
        server_id INTEGER NOT NULL REFERENCES servers (id) ON DELETE CASCADE,
        name TEXT NOT NULL,
        recipient TEXT NOT NULL,
        text TEXT NOT NULL,
        created_at INTEGER NOT NULL,
        rejected_code TEXT,
        rejected_reason TEXT
      ) STRICT;
      CREATE INDEX outbox_by_account ON outbox (server_id, name);

      CREATE TABLE command_history (
        position INTEGER PRIMARY KEY AUTOINCREMENT,
        line TEXT NOT NULL
      ) STRICT;

      CREATE TABLE settings (
        key TEXT PRIMARY KEY,
        value TEXT NOT NULL
      ) STRICT, WITHOUT ROWID;

      CREATE TABLE drafts (
        server_id INTEGER NOT NULL REFERENCES servers (id) ON DELETE CASCADE,
        name TEXT NOT NULL,
        recipient TEXT NOT NULL,
        text TEXT NOT NULL,
        changed_at INTEGER NOT NULL,
        PRIMARY KEY (server_id, name, recipient)
      ) STRICT, WITHOUT ROWID;
    `,
  },
  {
    title: "mail accounts, mail drafts, mail outbox",
    sql: `
      CREATE TABLE mail_accounts (
        id TEXT PRIMARY KEY,
        address TEXT NOT NULL,
        is_default INTEGER NOT NULL,
        created_at INTEGER NOT NULL,
        account TEXT NOT NULL
      ) STRICT, WITHOUT ROWID;

      CREATE TABLE mail_drafts (
        id TEXT PRIMARY KEY,
        saved_at INTEGER NOT NULL,
        draft TEXT NOT NULL
      ) STRICT, WITHOUT ROWID;

      CREATE TABLE mail_outbox (
        position INTEGER PRIMARY KEY AUTOINCREMENT,
        id TEXT NOT NULL UNIQUE,
        entry TEXT NOT NULL
      ) STRICT;
    `,
  },
  {
    title: "which program sends a message of the outbox",
    sql: "ALTER TABLE outbox ADD COLUMN claimed_by TEXT;",
  },
  {
    title: "conversations that are notified of otherwise than all the others",
    sql: `
      CREATE TABLE notified_conversations (
        server_id INTEGER NOT NULL REFERENCES servers (id) ON DELETE CASCADE,
        name TEXT NOT NULL,
        other TEXT NOT NULL,
        is_on INTEGER NOT NULL,
        PRIMARY KEY (server_id, name, other)
      ) STRICT, WITHOUT ROWID;
    `,
  },
  {
    title: "people whose names were seen",
    sql: `
      CREATE TABLE people (
        server_id INTEGER NOT NULL REFERENCES servers (id) ON DELETE CASCADE,
        name TEXT NOT NULL,
        person TEXT NOT NULL,
        met_at INTEGER NOT NULL,
        PRIMARY KEY (server_id, name, person)
      ) STRICT, WITHOUT ROWID;
    `,
  },
  {
    title: "a copy of the messages that were seen, and how much of each conversation it has whole",
    sql: `
      CREATE TABLE message_copies (
        server_id INTEGER NOT NULL REFERENCES servers (id) ON DELETE CASCADE,
        name TEXT NOT NULL,
        other TEXT NOT NULL,
        sequence INTEGER NOT NULL,
        id TEXT NOT NULL,
        is_mine INTEGER NOT NULL,
        stored_at INTEGER NOT NULL,
        text BLOB NOT NULL,
        bytes INTEGER NOT NULL,
        PRIMARY KEY (server_id, name, other, sequence)
      ) STRICT, WITHOUT ROWID;
      CREATE INDEX message_copies_by_age ON message_copies (stored_at, bytes);
      CREATE INDEX message_copies_by_id ON message_copies (server_id, name, id);

      CREATE TABLE message_copy_spans (
        server_id INTEGER NOT NULL REFERENCES servers (id) ON DELETE CASCADE,
        name TEXT NOT NULL,
        other TEXT NOT NULL,
        from_sequence INTEGER NOT NULL,
        to_sequence INTEGER NOT NULL,
        checked_at INTEGER NOT NULL,
        PRIMARY KEY (server_id, name, other)
      ) STRICT, WITHOUT ROWID;
    `,
  },
  {
    title: "the join code of a link with which nobody has registered yet",
    sql: "ALTER TABLE servers ADD COLUMN join_code TEXT;",
  },
];
