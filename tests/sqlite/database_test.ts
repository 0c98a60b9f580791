import { deepEqual, equal, throws } from "node:assert/strict";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { inspectDatabase } from "../../lib/sqlite/backup.ts";
import { Database } from "../../lib/sqlite/database.ts";
import { StatementCache } from "../../lib/sqlite/statement_cache.ts";
import { runProgram } from "../helpers/program.ts";
import { tempFolder } from "../helpers/temp_folder.ts";

const PEOPLE = [{ title: "people", sql: "CREATE TABLE people (id INTEGER PRIMARY KEY, name TEXT) STRICT;" }];

Deno.test("Database runs Kysely's queries, transactions and row by row on the runtime's SQLite", () => {
  using database = new Database<{ people: { id: number; name: string } }>(":memory:", PEOPLE);
  const { tables } = database;
  equal(database.run(tables.insertInto("people").values({ id: 1, name: "ana" })), 1);
  database.transaction(() =>
    database.run(tables.insertInto("people").values([{ id: 2, name: "bob" }, { id: 3, name: "eve" }]))
  );
  throws(() =>
    database.transaction(() => {
      database.run(tables.insertInto("people").values({ id: 4, name: "joe" }));
      database.run(tables.insertInto("people").values({ id: 4, name: "kim" }));
    })
  );
  const above = database.prepare((p: { id: number }) =>
    tables.selectFrom("people").selectAll().where("id", ">", p.id).orderBy("id")
  );
  deepEqual([...above.iterate({ id: 0 })].map((row) => row.name), ["ana", "bob", "eve"]);
  for (const row of above.iterate({ id: 0 })) if (row.name === "bob") break;
  deepEqual(above.all({ id: 1 }).map((row) => row.name), ["bob", "eve"]);
});

Deno.test("Database says what any failure of a query means in the words of whoever opened it", () => {
  const describe = (error: unknown) => new RangeError("described", { cause: error });
  using database = new Database<{ people: { id: number; name: string } }>(":memory:", PEOPLE, { describe });
  const { tables } = database;
  database.run(tables.insertInto("people").values({ id: 1, name: "ana" }));
  throws(() => database.run(tables.insertInto("people").values({ id: 1, name: "bob" })), RangeError);
  throws(() => database.commit(), RangeError);
  const all = database.prepare(() => tables.selectFrom("people").selectAll());
  throws(() => {
    for (const _ of all.iterate({})) throw new SyntaxError("the caller's own error stays as it is");
  }, SyntaxError);
  database.connection.exec("DROP TABLE people");
  throws(() => all.all({}), RangeError);
});

Deno.test("StatementCache keeps no more statements than asked, the longest unused going first", () => {
  using connection = new DatabaseSync(":memory:");
  const statements = new StatementCache(connection, 2);
  const one = statements.prepare("SELECT 1");
  statements.prepare("SELECT 2");
  equal(statements.prepare("SELECT 1"), one);
  statements.prepare("SELECT 3");
  equal(statements.prepare("SELECT 1"), one, "used after the second was");
  statements.prepare("SELECT 2");
  statements.prepare("SELECT 3");
  equal(statements.prepare("SELECT 1") === one, false);
});

Deno.test("Database keeps its log when its program opens the file once more, and another program then closes it", async () => {
  // `status`, then any other subcommand: the server wrote into a log that had been removed.
  using folder = tempFolder();
  const path = join(folder.path, "people.db");
  const opens = {
    "a second time": () => new Database(path, PEOPLE)[Symbol.dispose](),
    "to look into it": () =>
      inspectDatabase(path, (database) => database.prepare("SELECT * FROM people").all()),
  };
  for (const [how, open] of Object.entries(opens)) {
    using database = new Database<{ people: { id: number; name: string } }>(path, PEOPLE);
    open();
    const visit = `import { DatabaseSync } from "node:sqlite";
      const visitor = new DatabaseSync(${JSON.stringify(path)});
      visitor.exec("DELETE FROM people");
      visitor.close();`;
    const { code, stderr } = await runProgram(Deno.execPath(), ["eval", visit]);
    equal(code, 0, stderr);
    equal(database.displacedFile(), null, how);
  }
});
