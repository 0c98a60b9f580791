-- A profile as version 1 of its schema left it, with something in it. Never changed.
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

INSERT INTO servers VALUES (1, 'chat.example.org', 7667, 'PEM', 'AB:CD', 1000);
INSERT INTO logins VALUES (1, 'ana', 'secret', 'd1', 1000);
INSERT INTO cursors VALUES (1, 'ana', 42);
INSERT INTO outbox (id, server_id, name, recipient, text, created_at) VALUES ('m1', 1, 'ana', 'bob', 'waits', 1000);
PRAGMA user_version = 1;
