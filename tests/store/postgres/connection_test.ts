import assert from "node:assert/strict";
import { ChatError } from "../../../lib/errors.ts";
import { openSharedStore } from "../../../lib/store/open.ts";
import { connect } from "../../../lib/store/postgres/connection.ts";
import {
  mayRunAgain,
  OutcomeUnknown,
  sqlStateOf,
  unavailableFrom,
} from "../../../lib/store/postgres/errors.ts";
import { openLane } from "../../../lib/store/postgres/lane.ts";
import { parseDatabaseUrl } from "../../../lib/store/postgres/url.ts";
import { join } from "node:path";
import { makeAuthority } from "../../helpers/mail_certificates.ts";
import { runProgram } from "../../helpers/program.ts";
import { tempFolder } from "../../helpers/temp_folder.ts";
import { testWith } from "../../helpers/needs.ts";
import { lookAt, newDatabase, POSTGRES, PostgresCluster } from "../../helpers/postgres.ts";
import { waitUntil } from "../../helpers/wait_until.ts";

const isUnavailable = (error: unknown) =>
  error instanceof ChatError && error.code === "unavailable" && error.retryAfterMs === 1_000;

testWith(
  POSTGRES,
  "Connection answers in order, with numbers where PostgreSQL has int8, and counts changes",
  async () => {
    const connection = await lookAt(await newDatabase());
    try {
      const answers = await connection.pipeline([
        { sql: "SELECT $1::int8 AS n, count(*), sum($1::int8)", values: [2 ** 52] },
        { sql: "SELECT $1::int8[] AS list, $2::text AS text", values: [[1, 2], 'a"\\{},é'] },
        { sql: "CREATE TEMP TABLE t (n int)" },
        { sql: "INSERT INTO t SELECT unnest($1::int[])", values: [[1, 2, 3]], wanted: "changes" },
      ]);
      assert.deepEqual(answers, [
        [{ n: 2 ** 52, count: 1, sum: 2 ** 52 }],
        [{ list: [1, 2], text: 'a"\\{},é' }],
        [],
        3,
      ]);
      // The same text is parsed once.
      for (const n of [1, 2]) await connection.rows("SELECT $1::int + 1", [n]);
      const [prepared] = await connection.rows<{ count: number }>(
        "SELECT count(*) FROM pg_prepared_statements WHERE statement = 'SELECT $1::int + 1'",
      );
      assert.equal(prepared?.count, 1);
    } finally {
      await connection.close();
    }
  },
);

testWith(
  POSTGRES,
  "Connection.transaction() stores all or nothing, and can be used after a failure",
  async () => {
    const connection = await lookAt(await newDatabase());
    try {
      await connection.query({ sql: "CREATE TABLE t (n int PRIMARY KEY)" });
      const insert = (...values: number[]) => ({
        sql: "INSERT INTO t SELECT unnest($1::int[])",
        values: [values],
      });
      const numbers = async () =>
        (await connection.rows<{ n: number }>("SELECT n FROM t ORDER BY n")).map(({ n }) => n);

      await connection.transaction(() => connection.query(insert(1)));
      await connection.transaction(async () => {
        await connection.query(insert(2));
        await connection.commit([insert(3), insert(4)]);
      });
      assert.deepEqual(await numbers(), [1, 2, 3, 4]);

      const twice = (error: unknown) => sqlStateOf(error) === "23505" && unavailableFrom(error) === null;
      await assert.rejects(connection.transaction(() => connection.pipeline([insert(5), insert(5)])), twice);
      await assert.rejects(
        connection.transaction(() => connection.commit([insert(6), insert(1), insert(7)])),
        twice,
      );
      await assert.rejects(
        connection.transaction(async () => {
          await connection.query(insert(8));
          throw new RangeError("ours");
        }),
        RangeError,
      );
      assert.deepEqual(await numbers(), [1, 2, 3, 4]);
    } finally {
      await connection.close();
    }
  },
);

testWith(
  POSTGRES,
  "a lock that is not free, or a deadlock, is PostgreSQL's to end, and time mends it",
  async () => {
    const url = await newDatabase();
    const [one, other] = [await lookAt(url), await lookAt(url)];
    try {
      await one.query({ sql: "CREATE TABLE t (n int); INSERT INTO t VALUES (1), (2)" });
      for (const connection of [one, other]) {
        await connection.query({ sql: "SET deadlock_timeout = '10ms'; SET lock_timeout = '1s'" });
      }
      const lock = (n: number) => ({ sql: "SELECT n FROM t WHERE n = $1 FOR UPDATE", values: [n] });
      await one.query({ sql: "BEGIN" });
      await one.query(lock(1));
      await assert.rejects(
        other.transaction(async () => {
          await other.query({ sql: "SET LOCAL lock_timeout = '10ms'" });
          await other.query(lock(1));
        }),
        (error) => isUnavailable(unavailableFrom(error)) && !mayRunAgain(error),
      );
      await other.query({ sql: "BEGIN" });
      await other.query(lock(2));
      const outcomes = await Promise.allSettled([one.query(lock(2)), other.query(lock(1))]);
      const failures = outcomes.flatMap((outcome) => outcome.status === "rejected" ? [outcome.reason] : []);
      assert.equal(failures.length, 1);
      assert.ok(mayRunAgain(failures[0]) && isUnavailable(unavailableFrom(failures[0])));
    } finally {
      await one.close();
      await other.close();
    }
  },
);

testWith(POSTGRES, "a call without an answer fails at its deadline, and the connection with it", async () => {
  const connection = await lookAt(await newDatabase());
  const slow = connection.rows("SELECT pg_sleep($1)", [60], 50);
  const behind = connection.rows("SELECT 1");
  await assert.rejects(slow, isUnavailable);
  await assert.rejects(behind, isUnavailable);
  assert.ok(connection.isLost);
  await assert.rejects(connection.rows("SELECT 1"), isUnavailable);
  await connection.close();
});

testWith(
  POSTGRES,
  "PostgreSQL killed while calls wait: they are unavailable, and work goes on once it is back",
  async () => {
    await using cluster = await PostgresCluster.start();
    const url = parseDatabaseUrl(await cluster.newDatabase());
    await using lane = await openLane(url, { name: "test", connections: 2, waitMs: 200 });
    await using patient = await openLane(url, { name: "test", waitMs: 60_000 });
    const slow = () => lane.run((connection) => connection.rows("SELECT pg_sleep($1)", [60]));
    const underWay = [slow(), slow()];
    const waiting = lane.run((connection) => connection.rows("SELECT 1"));
    const settled = Promise.allSettled([...underWay, waiting]);
    await waitUntil("two calls are under way", async () => {
      const look = await lookAt(url);
      const active = await look.rows("SELECT FROM pg_stat_activity WHERE wait_event = 'PgSleep'");
      await look.close();
      return active.length === 2;
    });
    await cluster.kill();
    await assert.rejects(lane.run((connection) => connection.rows("SELECT 1")), isUnavailable);
    for (const outcome of await settled) {
      assert.ok(outcome.status === "rejected" && isUnavailable(outcome.reason));
    }
    const later = patient.run((connection) => connection.rows("SELECT 1 AS one"));
    later.catch(() => {});
    await cluster.restart();
    assert.deepEqual(await later, [{ one: 1 }]);
  },
);

testWith(POSTGRES, "a COMMIT that may or may not be durable is never taken for done", async () => {
  // With a standby that does not exist, each COMMIT waits for ever.
  await using cluster = await PostgresCluster.start({ settings: { synchronous_standby_names: "nobody" } });
  const url = parseDatabaseUrl(cluster.adminUrl);
  await using lane = await openLane(url, { name: "test" });
  await using looking = await openLane(url, { name: "look", loseable: true });
  const look = <Row>(sql: string, values: unknown[] = []) =>
    looking.run((connection) => connection.rows<Row>(sql, values));
  await look("CREATE TABLE t (n int)");
  const ways: ((pid: number) => Promise<unknown>)[] = [
    (pid) => look("SELECT pg_cancel_backend($1)", [pid]),
    (pid) => look("SELECT pg_terminate_backend($1)", [pid]),
    () => cluster.kill(),
  ];
  for (const end of ways) {
    const unknown = lane.run((connection) =>
      connection.transaction(() => connection.changes("INSERT INTO t VALUES ($1)", [1]))
    );
    const refused = assert.rejects(unknown, OutcomeUnknown);
    let pid = 0;
    await waitUntil("the COMMIT waits", async () => {
      const [row] = await look<{ pid: number }>(
        "SELECT pid FROM pg_stat_activity WHERE wait_event = 'SyncRep'",
      );
      return (pid = row?.pid ?? 0) > 0;
    });
    await end(pid);
    await refused;
  }
});

testWith(POSTGRES, "of several hosts the one that takes writes is used", async () => {
  await using cluster = await PostgresCluster.start();
  const { hosts: [host], ...url } = parseDatabaseUrl(cluster.adminUrl);
  const nobody = { host: "127.0.0.1", port: 1 };
  const connection = await connect({ ...url, hosts: [nobody, host!] }, { name: "test" });
  await connection.close();
  await Deno.writeTextFile(`${cluster.folder}/standby.signal`, "");
  await cluster.stop();
  await cluster.restart();
  await assert.rejects(connect({ ...url, hosts: [host!] }, { name: "test" }), /it is a standby/);
});

testWith(
  POSTGRES,
  "a database that was made read-only once seemed well, until something was to be written",
  async () => {
    const url = await newDatabase();
    const connection = await lookAt(url);
    await connection.rows("SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY", []);
    await assert.rejects(connection.rows("CREATE TABLE refused (id INTEGER)", []), (error) => {
      assert.ok(error instanceof ChatError);
      assert.match(
        error.message,
        /^Cannot store anything now: the database takes no writes, as it is read-only/,
      );
      return true;
    });
    await connection.close();
    const admin = await lookAt(url);
    const { database } = parseDatabaseUrl(url);
    await admin.rows(`ALTER DATABASE "${database}" SET default_transaction_read_only = on`, []);
    await admin.close();
    await assert.rejects(lookAt(url), /it takes no writes, as default_transaction_read_only is on/);
  },
);

testWith(
  POSTGRES,
  "an operator looks into a database that takes no writes, and changes nothing",
  async () => {
    const url = await newDatabase();
    {
      await using store = await openSharedStore(url, { fingerprint: "of the tests" });
      await store.createAccount({ name: "ana", passwordHash: "", joinCode: null });
    }
    const admin = await lookAt(url);
    const { database } = parseDatabaseUrl(url);
    await admin.rows(`ALTER DATABASE "${database}" SET default_transaction_read_only = on`, []);
    await admin.close();
    await assert.rejects(openSharedStore(url), /takes no writes/);
    await using store = await openSharedStore(url, { orReadOnly: true });
    assert.equal((await store.listAccounts({ after: null, limit: 9 })).accounts[0]!.name, "ana");
    assert.deepEqual(await store.checkIntegrity(), []);
    await assert.rejects(
      store.setDisabled("ana", true),
      /^ChatError: Cannot store anything now: the database takes no writes/,
    );
  },
);

testWith(POSTGRES, "over TLS the certificate must be signed by the given one and name the host", async () => {
  const authority = await makeAuthority();
  const { cert, key } = await authority.issue("127.0.0.1");
  using files = tempFolder();
  const file = async (name: string, text: string) => {
    await Deno.writeTextFile(join(files.path, name), text, { mode: 0o600 });
    return join(files.path, name);
  };
  const settings = {
    ssl: "on",
    ssl_cert_file: await file("server.crt", cert),
    ssl_key_file: await file("server.key", key),
  };
  if (Deno.uid() === 0) await runProgram("chown", ["-R", "postgres", files.path]);
  await using cluster = await PostgresCluster.start({ settings });
  const open = async (host: string, root: string) => {
    const url = `postgres://postgres@${host}:${cluster.port}/postgres?sslrootcert=${
      encodeURIComponent(root)
    }`;
    await using lane = await openLane(parseDatabaseUrl(url), { name: "test" });
    return await lane.run((connection) =>
      connection.rows("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()")
    );
  };
  const root = await file("root.crt", authority.caPem);
  assert.deepEqual(await open("127.0.0.1", root), [{ ssl: true }]);
  const stranger = await file("stranger.crt", (await makeAuthority()).caPem);
  const refused = { name: "UsageError", message: /Cannot open the database .*certificate/i };
  await assert.rejects(open("127.0.0.1", stranger), refused);
  await assert.rejects(open("localhost", root), { name: "UsageError", message: /localhost.*altnames/i });
});
