-- A server's database as version 1 of its schema left it, with something in it. Never changed.
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

INSERT INTO accounts (id, name, password_hash, created_at, last_seen_at, share_read, email)
VALUES (1, 'ana', 'hash', 1000, 2000, 1, 'ana@example.org'), (2, 'bob', 'hash', 1000, NULL, 0, NULL);
INSERT INTO messages (sequence, id, sender_id, recipient_id, text, stored_at)
VALUES (1, 'm1', 1, 2, 'read', 3000), (3, 'm3', 1, 2, 'waiting', 3000), (7, 'm7', 2, 1, 'hé', 3000);
INSERT INTO mailboxes VALUES (1, 7, 0, 0, 1, 3, 3), (2, 3, 1, 1, 1, 7, 11);
INSERT INTO devices VALUES ('d1', 2, 'laptop', 'token', 1000, 2000, 1, 1);
INSERT INTO blocks VALUES (1, 2);
INSERT INTO invites VALUES ('spent', 1, 1, 1000, NULL, NULL, '');
PRAGMA user_version = 1;
