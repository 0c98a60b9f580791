import assert from "node:assert/strict";
import { testWith } from "./needs.ts";
import { startPgBouncer } from "./pgbouncer.ts";
import { lookAt, newDatabase, POSTGRES, PostgresCluster } from "./postgres.ts";

testWith(POSTGRES, "each database of the shared cluster is empty", async () => {
  for (const url of [await newDatabase(), await newDatabase()]) {
    await ask(url, "CREATE TABLE things (name text)");
  }
});

testWith(POSTGRES, "a cluster that was killed has all that it confirmed", async () => {
  await using cluster = await PostgresCluster.start();
  const url = await cluster.newDatabase();
  await ask(url, "CREATE TABLE things AS SELECT 1 number");
  await cluster.kill();
  await assert.rejects(ask(url, "SELECT 1"), /ECONNREFUSED/);
  await cluster.restart();
  assert.deepEqual(await ask(url, "SELECT number FROM things"), [{ number: 1 }]);
});

testWith(POSTGRES, "a standby has all that its cluster confirmed, and takes its place", async () => {
  await using first = await PostgresCluster.start();
  await using second = await first.startStandby();
  const url = await first.newDatabase();
  await ask(url, "CREATE TABLE things AS SELECT 1 number");
  await first.kill();
  await second.promote();
  // As a server is told: both hosts, of which one takes writes.
  const both = url.replace(`:${first.port}/`, `:${first.port},127.0.0.2:${second.port}/`);
  await ask(both, "INSERT INTO things SELECT 2");
  await using third = await second.startStandby({ port: first.port });
  await second.kill();
  await third.promote();
  assert.deepEqual(await ask(both, "SELECT count(*)::int FROM things"), [{ count: 2 }]);
});

testWith([...POSTGRES, { command: "pgbouncer" }], "a pooler leads to the database", async () => {
  const url = await newDatabase();
  await ask(url, "CREATE TABLE things AS SELECT 1 number");
  await using pooler = await startPgBouncer(url);
  assert.deepEqual(await ask(pooler.url, "SELECT number FROM things"), [{ number: 1 }]);
});

async function ask(url: string, sql: string): Promise<unknown[]> {
  const connection = await lookAt(url);
  try {
    return await connection.rows(sql);
  } finally {
    await connection.close();
  }
}
