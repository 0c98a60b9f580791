import { deepEqual, equal } from "node:assert/strict";
import { DatabaseSync } from "node:sqlite";
import { Kysely } from "kysely";
import { adaptDatabase, sqliteDialect } from "../../lib/sqlite/dialect.ts";

Deno.test("sqliteDialect() runs Kysely's own queries, transactions and streams on the runtime's SQLite", async () => {
  const database = new DatabaseSync(":memory:");
  database.exec("CREATE TABLE people (id INTEGER PRIMARY KEY, name TEXT) STRICT");
  await using tables = new Kysely<{ people: { id: number; name: string } }>({
    dialect: sqliteDialect(adaptDatabase(database)),
  });
  const inserted = await tables.insertInto("people").values({ id: 1, name: "ana" }).executeTakeFirstOrThrow();
  equal(inserted.numInsertedOrUpdatedRows, 1n);
  await tables.transaction().execute(async (inside) => {
    await inside.insertInto("people").values([{ id: 2, name: "bob" }, { id: 3, name: "eve" }]).execute();
  });
  const names: string[] = [];
  for await (const row of tables.selectFrom("people").selectAll().orderBy("id").stream()) {
    names.push(row.name);
  }
  deepEqual(names, ["ana", "bob", "eve"]);
});

Deno.test("adaptDatabase() keeps no more statements than asked, the longest unused going first", () => {
  const database = new DatabaseSync(":memory:");
  const adapted = adaptDatabase(database, { maxStatements: 2 });
  const one = adapted.prepare("SELECT 1");
  adapted.prepare("SELECT 2");
  equal(adapted.prepare("SELECT 1"), one);
  adapted.prepare("SELECT 3");
  equal(adapted.prepare("SELECT 1"), one, "used after the second was");
  adapted.prepare("SELECT 2");
  adapted.prepare("SELECT 3");
  equal(adapted.prepare("SELECT 1") === one, false);
  adapted.close();
  adapted.close();
});
