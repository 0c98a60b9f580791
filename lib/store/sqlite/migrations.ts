// How the server's database came to its present schema. Append only.
import type { Migration } from "../../sqlite/migrations.ts";

export const SERVER_MIGRATIONS: readonly Migration[] = [
  {
    title: "accounts, devices, messages, invites",
    // messages_by_id begins with the id: ids grow with time (UUIDv7), so new ones fall on the same few pages. Beginning
    // with the sender costs 40 % of all inserts a second (measured with 64 senders in groups of 256). The other two
    // indexes end in the row's sequence, as every index of SQLite does: reading a mailbox or a conversation in order
    // is one seek, however many messages there are.
    sql: `
      CREATE TABLE accounts (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        name TEXT NOT NULL UNIQUE,
        password_hash TEXT NOT NULL,
        created_at INTEGER NOT NULL,
        last_seen_at INTEGER,
        is_disabled INTEGER NOT NULL DEFAULT 0,
        removed_at INTEGER,
        share_read INTEGER NOT NULL DEFAULT 0,
        email TEXT
      ) STRICT;

      CREATE TABLE mailboxes (
        account_id INTEGER PRIMARY KEY REFERENCES accounts (id),
        highest_sequence INTEGER NOT NULL DEFAULT 0,
        delivered_sequence INTEGER NOT NULL DEFAULT 0,
        read_sequence INTEGER NOT NULL DEFAULT 0,
        unread_messages INTEGER NOT NULL DEFAULT 0,
        unread_bytes INTEGER NOT NULL DEFAULT 0,
        kept_bytes INTEGER NOT NULL DEFAULT 0
      ) STRICT;

      CREATE TABLE devices (
        id TEXT PRIMARY KEY,
        account_id INTEGER NOT NULL REFERENCES accounts (id),
        name TEXT NOT NULL,
        token_hash TEXT UNIQUE,
        created_at INTEGER NOT NULL,
        last_used_at INTEGER NOT NULL,
        delivered_sequence INTEGER NOT NULL,
        read_sequence INTEGER NOT NULL
      ) STRICT, WITHOUT ROWID;
      CREATE INDEX devices_by_account ON devices (account_id);
      CREATE INDEX devices_by_use ON devices (last_used_at);

      CREATE TABLE blocks (
        account_id INTEGER NOT NULL REFERENCES accounts (id),
        blocked_id INTEGER NOT NULL REFERENCES accounts (id),
        PRIMARY KEY (account_id, blocked_id)
      ) STRICT, WITHOUT ROWID;

      CREATE TABLE messages (
        sequence INTEGER PRIMARY KEY AUTOINCREMENT,
        id TEXT NOT NULL,
        sender_id INTEGER NOT NULL REFERENCES accounts (id),
        recipient_id INTEGER NOT NULL REFERENCES accounts (id),
        text TEXT NOT NULL,
        stored_at INTEGER NOT NULL
      ) STRICT;
      CREATE UNIQUE INDEX messages_by_id ON messages (id, sender_id);
      CREATE INDEX messages_by_mailbox ON messages (recipient_id);
      CREATE INDEX messages_by_conversation ON messages (recipient_id, sender_id);

      CREATE TABLE invites (
        code TEXT PRIMARY KEY,
        max_uses INTEGER,
        uses INTEGER NOT NULL DEFAULT 0,
        created_at INTEGER NOT NULL,
        expires_at INTEGER,
        revoked_at INTEGER,
        note TEXT NOT NULL
      ) STRICT, WITHOUT ROWID;
    `,
  },
  {
    title: "bans, lockdown, reports, audit log; texts of deleted accounts are cleared",
    sql: `
      CREATE TABLE bans (
        kind TEXT NOT NULL,
        subject TEXT NOT NULL,
        created_at INTEGER NOT NULL,
        ends_at INTEGER NOT NULL,
        reason TEXT NOT NULL,
        PRIMARY KEY (kind, subject)
      ) STRICT, WITHOUT ROWID;

      CREATE TABLE lockdown (
        only_row INTEGER PRIMARY KEY CHECK (only_row = 1),
        since INTEGER NOT NULL,
        ends_at INTEGER
      ) STRICT;

      CREATE TABLE reports (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        created_at INTEGER NOT NULL,
        reporter_id INTEGER NOT NULL REFERENCES accounts (id),
        reported_id INTEGER NOT NULL REFERENCES accounts (id),
        message_count INTEGER NOT NULL,
        content TEXT,
        closed_at INTEGER
      ) STRICT;

      CREATE TABLE audit_log (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        at INTEGER NOT NULL,
        actor TEXT NOT NULL,
        act TEXT NOT NULL,
        subject TEXT NOT NULL
      ) STRICT;

      ALTER TABLE accounts ADD COLUMN cleared_up_to INTEGER;
      CREATE INDEX accounts_to_clear ON accounts (id) WHERE cleared_up_to IS NOT NULL;
    `,
  },
];
