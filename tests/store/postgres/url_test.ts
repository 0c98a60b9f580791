import assert from "node:assert/strict";
import { UsageError } from "../../../lib/errors.ts";
import { describeDatabase, parseDatabaseUrl } from "../../../lib/store/postgres/url.ts";

Deno.test("parseDatabaseUrl() reads hosts, user, password and database as PostgreSQL's own programs do", () => {
  const near = { user: "chat", password: "", database: "mini_chat", tls: null };
  assert.deepEqual(parseDatabaseUrl("postgres://chat@localhost/mini_chat"), {
    ...near,
    hosts: [{ host: "localhost", port: 5432 }],
  });
  assert.deepEqual(parseDatabaseUrl("postgresql://chat:p%40%2F%25:x@127.0.0.1:1,[::1]:2/mini_chat"), {
    ...near,
    password: "p@/%:x",
    hosts: [{ host: "127.0.0.1", port: 1 }, { host: "::1", port: 2 }],
  });
  const socket = { ...near, hosts: [{ host: "/run/postgresql", port: 6000 }] };
  assert.deepEqual(parseDatabaseUrl("postgres://chat@/mini_chat?host=/run/postgresql&port=6000"), socket);
  assert.deepEqual(parseDatabaseUrl("postgres://chat@%2Frun%2Fpostgresql:6000/mini_chat"), socket);
});

Deno.test("parseDatabaseUrl() asks for a verified certificate wherever the database is on another machine", () => {
  const tlsOf = (rest: string) => parseDatabaseUrl(`postgres://chat@${rest}`).tls;
  assert.deepEqual(tlsOf("db.example.org/chat"), { rootCertificatePath: null });
  assert.deepEqual(tlsOf("127.0.0.1,db.example.org/chat"), { rootCertificatePath: null });
  assert.deepEqual(tlsOf("10.0.0.1/chat?sslrootcert=%2Fca.pem"), { rootCertificatePath: "/ca.pem" });
  assert.deepEqual(tlsOf("localhost/chat?sslmode=verify-full"), { rootCertificatePath: null });
  assert.equal(tlsOf("127.0.0.1/chat?sslmode=disable"), null);
});

Deno.test("parseDatabaseUrl() refuses in one sentence, and never shows the password", () => {
  const refused = {
    "mysql://chat:secret@localhost/chat": /does not look like postgres:/,
    "chat:secret@localhost": /does not look like/,
    "postgres://:secret@localhost/chat": /names no user/,
    "postgres://chat:secret@localhost": /names no database/,
    "postgres://chat:secret@/chat": /names no host/,
    "postgres://chat:secret@localhost:0/chat": /port of "localhost"/,
    "postgres://chat:secret@localhost:70000/chat": /port of "localhost"/,
    "postgres://chat:secret%@localhost/chat": /write % as %25/,
    "postgres://chat:secret@db.example.org/chat?sslmode=disable": /only for a database on this machine/,
    "postgres://chat:secret@db.example.org/chat?sslmode=require": /verify-full and disable are known/,
    "postgres://chat:secret@localhost/chat?connect_timeout=3": /unknown parameter "connect_timeout"/,
    "postgres://chat:sec/ret@localhost/chat": /write %40 %2F %3F for @ \/ \? of a password/,
    "postgres://chat:sec?ret@localhost/chat": /an @ behind its host/,
    "postgres://chat:sec@ret?sec@localhost/chat": /an @ behind its host/,
  };
  for (const [text, words] of Object.entries(refused)) {
    assert.throws(() => parseDatabaseUrl(text), (error) => {
      assert.ok(error instanceof UsageError, text);
      assert.match(error.message, words);
      assert.doesNotMatch(error.message, /sec|\n/);
      return true;
    }, text);
  }
  const url = parseDatabaseUrl("postgres://chat:secret@h1:1,[::1]:2,h3/chat");
  assert.equal(describeDatabase(url), "h1:1,[::1]:2,h3:5432/chat");
});
