import assert from "node:assert/strict";
import type { BusNews } from "../../../lib/chat/cluster.ts";
import { openCluster } from "../../../lib/store/postgres/cluster.ts";
import type { Connection } from "../../../lib/store/postgres/connection.ts";
import { migratePostgres } from "../../../lib/store/postgres/migrations.ts";
import { type DatabaseUrl, parseDatabaseUrl } from "../../../lib/store/postgres/url.ts";
import { testWith } from "../../helpers/needs.ts";
import { lookAt, newDatabase, POSTGRES, PostgresCluster } from "../../helpers/postgres.ts";
import { waitUntil } from "../../helpers/wait_until.ts";

const ACCOUNTS = `
  INSERT INTO accounts (name, password_hash, created_at) SELECT 'user' || n, '', 0 FROM generate_series(1, 5) n;
  INSERT INTO mailboxes (account_id) SELECT id FROM accounts`;

/** A database with five accounts, 1 to 5. */
async function openDatabase(url: DatabaseUrl): Promise<Connection> {
  const connection = await lookAt(url);
  await migratePostgres(connection, { fingerprint: "key" });
  await connection.query({ sql: ACCOUNTS });
  return connection;
}

async function openServer(url: DatabaseUrl, options: { readonly sweepEveryMs?: number } = {}) {
  const told: string[] = [];
  const cluster = await openCluster(url, {
    version: "1.0.0",
    relayAddress: null,
    onLost: () => told.push("lost"),
    onBack: () => told.push("back"),
    beatEveryMs: 100,
    lostAfterMs: 2_000,
    ...options,
  });
  return Object.assign(cluster, { told });
}

testWith(
  POSTGRES,
  "servers know who is present at the others, and a dead one's people are gone",
  async () => {
    const url = parseDatabaseUrl(await newDatabase());
    const connection = await openDatabase(url);
    const present = (server: string) =>
      connection.rows("SELECT account_id, is_idle FROM presence WHERE server_id = $1 ORDER BY 1", [server]);
    await using ana = await openServer(url);
    const bob = await openServer(url);
    assert.deepEqual([ana.isLeader(), bob.isLeader()], [true, false]);

    ana.presence.noteHere(1, "online", []);
    ana.presence.noteHere(2, "online", ["laptop"]);
    bob.presence.noteHere(2, "idle", ["phone", "tablet"]);
    bob.presence.noteHere(3, "online", []);
    bob.presence.noteHere(3, "idle", []);
    bob.presence.noteHere(4, "online", []);
    bob.presence.noteHere(4, "offline", []);
    const all = [1, 2, 3, 4, 5];
    const seenByAna = async () => Object.fromEntries(await ana.presence.elsewhere(all));
    await waitUntil("ana sees bob's people", async () => Object.keys(await seenByAna()).length === 2);
    assert.deepEqual(await seenByAna(), { 2: "idle", 3: "idle" });
    assert.deepEqual(await ana.presence.devicesElsewhere(2), ["phone", "tablet"]);
    assert.deepEqual(await ana.presence.devicesElsewhere(1), []);
    await waitUntil("bob sees ana's people", async () => (await bob.presence.elsewhere(all)).size === 2);

    // A server that has gone for 15 s by the database's clock: its people are offline at once, and were last seen at its last beat.
    await connection.query({
      sql: "INSERT INTO servers (id, version, since, beat_at) VALUES ('dead', '1.0.0', 0, 1000); " +
        "INSERT INTO presence (account_id, server_id, is_idle, device_ids) VALUES (5, 'dead', 0, '{watch}')",
    });
    assert.deepEqual(await seenByAna(), { 2: "idle", 3: "idle" });
    assert.deepEqual(await ana.presence.devicesElsewhere(5), []);
    await waitUntil("the leader has cleared it away", async () => (await present("dead")).length === 0);
    const seen = await connection.rows(
      "SELECT id, last_seen_at FROM accounts WHERE last_seen_at IS NOT NULL",
    );
    assert.deepEqual(seen, [{ id: 5, last_seen_at: 1_000 }]);

    // One that was only frozen finds its lease cleared away, and writes everything again. Another one leads now.
    const { server } = ana.bus;
    await connection.query({ // one transaction, as the leader does it
      sql: `DELETE FROM servers WHERE id = '${server}'; DELETE FROM presence WHERE server_id = '${server}'`,
    });
    await waitUntil("ana's people are back", async () => (await present(server)).length === 2);
    await waitUntil("bob leads", () => bob.isLeader() && !ana.isLeader());

    await bob[Symbol.asyncDispose]();
    assert.deepEqual(await seenByAna(), {});
    assert.deepEqual(await connection.rows("SELECT id FROM servers"), [{ id: ana.bus.server }]);
    await connection.close();
  },
);

testWith(POSTGRES, "the sweep tells how far mailboxes have come, at once after a gap", async () => {
  const url = parseDatabaseUrl(await newDatabase());
  const connection = await openDatabase(url);
  await connection.query({ sql: "UPDATE mailboxes SET highest_sequence = 10 * account_id" });
  await using server = await openServer(url, { sweepEveryMs: 3_600_000 });
  const heard: BusNews[] = [];
  server.bus.listen((news) => heard.push(news), () => {});
  for (const id of [1, 2]) server.presence.noteHere(id, "online", []);
  await connection.query({
    sql: "SELECT pg_terminate_backend(pid) FROM pg_stat_activity " +
      "WHERE application_name = 'mini-chat listen' AND datname = current_database()",
  });
  await waitUntil("it is swept", () => heard.length > 0);
  assert.deepEqual(heard, [{ type: "highest", highest: new Map([[1, 10], [2, 20]]) }]);
  await connection.close();
});

testWith(
  POSTGRES,
  "a server without its database says so, and when it is back everybody is present again",
  async () => {
    await using postgres = await PostgresCluster.start();
    const url = parseDatabaseUrl(postgres.adminUrl);
    await (await openDatabase(url)).close();
    await using server = await openServer(url);
    server.presence.noteHere(1, "idle", []);
    await postgres.kill();
    await waitUntil("the lease is lost", () => server.told.length === 1);
    assert.deepEqual([server.lease.isHeld, server.isLeader()], [false, false]);
    await postgres.restart();
    await waitUntil("the lease is back", () => server.told.length === 2);
    assert.deepEqual(server.told, ["lost", "back"]);
    const connection = await lookAt(url);
    await waitUntil(
      "presence is back",
      async () => (await connection.rows("SELECT FROM presence")).length === 1,
    );
    await waitUntil("it leads again", () => server.isLeader());
    await connection.close();
  },
);
