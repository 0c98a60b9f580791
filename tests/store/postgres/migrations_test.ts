import assert from "node:assert/strict";
import { DatabaseSync } from "node:sqlite";
import { UsageError } from "../../../lib/errors.ts";
import { migratePostgres, POSTGRES_MIGRATIONS } from "../../../lib/store/postgres/migrations.ts";
import { SERVER_MIGRATIONS } from "../../../lib/store/sqlite/migrations.ts";
import { testWith } from "../../helpers/needs.ts";
import { lookAt, newDatabase, POSTGRES } from "../../helpers/postgres.ts";

const community = { fingerprint: "key" };

testWith(POSTGRES, "five servers that start at once on an empty database make one schema", async () => {
  const url = await newDatabase();
  await Promise.all(Array.from({ length: 5 }, async () => {
    const connection = await lookAt(url);
    await migratePostgres(connection, community);
    await connection.close();
  }));
  const connection = await lookAt(url);
  assert.deepEqual(
    await connection.rows("SELECT fingerprint, schema_version, oldest_program FROM community"),
    [
      { fingerprint: "key", schema_version: POSTGRES_MIGRATIONS.length, oldest_program: 1 },
    ],
  );
  await connection.close();
});

testWith(POSTGRES, "PostgreSQL's schema has every table and column of SQLite's", async () => {
  using sqlite = new DatabaseSync(":memory:");
  for (const { sql } of SERVER_MIGRATIONS) sqlite.exec(sql);
  const columns = sqlite.prepare(
    `SELECT t.name || '.' || c.name AS name FROM sqlite_schema t, pragma_table_info(t.name) c
     WHERE t.type = 'table' AND t.name NOT LIKE 'sqlite_%'`,
  ).all().map(({ name }) => String(name));
  const connection = await lookAt(await newDatabase());
  await migratePostgres(connection, community);
  const found = await connection.rows<{ name: string }>(
    "SELECT table_name || '.' || column_name AS name FROM information_schema.columns WHERE table_schema = 'public'",
  );
  const names = new Set(found.map(({ name }) => name));
  assert.deepEqual(columns.filter((name) => !names.has(name)), []);
  assert.ok(columns.length > 30);
  await connection.close();
});

testWith(
  POSTGRES,
  "a server with another key, or a program too old, is refused in one sentence",
  async () => {
    const connection = await lookAt(await newDatabase());
    const next = [{ title: "one", sql: "CREATE TABLE one (n int)" }, {
      title: "takes something away",
      sql: "DROP TABLE one",
      oldestProgram: 2,
    }];
    const refused = (words: RegExp) => (error: unknown) => {
      assert.ok(error instanceof UsageError);
      assert.match(error.message, words);
      return true;
    };
    await migratePostgres(connection, community, next.slice(0, 1));
    await assert.rejects(
      migratePostgres(connection, { fingerprint: "other" }, next),
      refused(/has another key: copy/),
    );
    await migratePostgres(connection, community, next);
    await migratePostgres(connection, community, next);
    await assert.rejects(
      migratePostgres(connection, community, next.slice(0, 1)),
      refused(/is too old: .* please update/),
    );
    // What is newer but takes nothing away can be served by both.
    await connection.query({ sql: "UPDATE community SET oldest_program = 1" });
    await migratePostgres(connection, community, next.slice(0, 1));
    await connection.close();
  },
);

testWith(
  POSTGRES,
  "a migration that fails leaves the schema as it was; a database in another encoding is refused",
  async () => {
    const url = await newDatabase();
    const connection = await lookAt(url);
    const wrong = [{ title: "fails in the middle", sql: "CREATE TABLE one (n int); SELECT 1 / 0" }];
    await assert.rejects(migratePostgres(connection, community, wrong), /division by zero/);
    assert.deepEqual(await connection.rows("SELECT FROM pg_tables WHERE schemaname = 'public'"), []);
    const latinName = `latin_${crypto.randomUUID().slice(0, 8)}`;
    await connection.query({
      sql: `CREATE DATABASE ${latinName} ENCODING 'LATIN1' TEMPLATE template0 LOCALE 'C'`,
    });
    await connection.close();
    const latin = await lookAt(url.replace(/\w+$/, latinName));
    await assert.rejects(migratePostgres(latin, community), /its encoding is LATIN1: make one with createdb/);
    await latin.close();
  },
);
