import assert from "node:assert/strict";
import { MAX_COUNTED } from "../../../lib/chat/counts.ts";
import { DEFAULT_THROTTLES } from "../../../lib/chat/limits.ts";
import { Throttles } from "../../../lib/chat/throttles/throttles.ts";
import { ChatError } from "../../../lib/errors.ts";
import { connect } from "../../../lib/store/postgres/connection.ts";
import { openCounts } from "../../../lib/store/postgres/counts/counts.ts";
import { triesInPostgres } from "../../../lib/store/postgres/counts/tries.ts";
import { openLane } from "../../../lib/store/postgres/lane.ts";
import { migratePostgres } from "../../../lib/store/postgres/migrations.ts";
import { type DatabaseUrl, parseDatabaseUrl } from "../../../lib/store/postgres/url.ts";
import { testWith } from "../../helpers/needs.ts";
import { newDatabase, POSTGRES, PostgresCluster } from "../../helpers/postgres.ts";

/** A database with the tables of a community. */
async function newCommunity(database: Promise<string>): Promise<DatabaseUrl> {
  const url = parseDatabaseUrl(await database);
  const connection = await connect(url, { name: "schema" });
  await migratePostgres(connection, { fingerprint: "of the tests" });
  await connection.close();
  return url;
}

function from(addressGroup: string) {
  return { addressGroup, hasEnded: false };
}

function tryLogin(throttles: Throttles, address: string): Promise<string> {
  return codeOf(throttles.startLogin(from(address), { name: "ana", knownDeviceId: null }));
}

async function codeOf(work: Promise<unknown>): Promise<string> {
  try {
    await work;
    return "allowed";
  } catch (error) {
    if (!(error instanceof ChatError)) throw error;
    assert.ok(error.retryAfterMs! > 0);
    return error.code;
  }
}

testWith(POSTGRES, "PostgreSQL: failed logins count together, wherever they are tried", async () => {
  const url = await newCommunity(newDatabase());
  await using a = await openCounts(url);
  await using b = await openCounts(url);
  const [one, other] = [a, b].map(({ tries }) => new Throttles({ tries })) as [Throttles, Throttles];
  for (let i = 0; i < DEFAULT_THROTTLES.failedLoginsPerAccount; i++) {
    assert.equal(await tryLogin(i % 2 === 0 ? one : other, "192.0.2.1"), "allowed");
  }
  assert.equal(await tryLogin(one, "192.0.2.1"), "rate_limited");
  assert.equal(await tryLogin(other, "192.0.2.1"), "rate_limited");
  assert.equal(await tryLogin(other, "192.0.2.2"), "allowed");
});

testWith(POSTGRES, "PostgreSQL: while the database is away, tries are counted in memory", async () => {
  await using cluster = await PostgresCluster.start();
  const url = await newCommunity(cluster.newDatabase());
  await using counts = await openCounts(url);
  const limits = { ...DEFAULT_THROTTLES, registrationsPerAddress: 2 };
  const throttles = new Throttles({ limits, tries: counts.tries });
  await cluster.kill();
  // Together, as each waits for the database.
  const tries = Array.from({ length: 3 }, () => codeOf(throttles.startRegistration(from("192.0.2.1"))));
  assert.deepEqual((await Promise.all(tries)).toSorted(), ["allowed", "allowed", "rate_limited"]);
});

testWith(
  POSTGRES,
  "PostgreSQL: while the database is away, a bounded number of callers is counted",
  async () => {
    // Each address that tried to register once took a kilobyte, for an hour.
    await using cluster = await PostgresCluster.start();
    const url = await newCommunity(cluster.newDatabase());
    await using lane = await openLane(url, { name: "counts", loseable: true, waitMs: 10 });
    const throttles = new Throttles({
      limits: { ...DEFAULT_THROTTLES, registrationsPerAddress: 1 },
      tries: (limit, inMemory) => triesInPostgres(lane, limit, inMemory),
    });
    const register = (address: number) => codeOf(throttles.startRegistration(from(`${address}`)));
    await cluster.kill();
    await Promise.all(Array.from({ length: MAX_COUNTED }, (_, address) => register(address)));
    assert.equal(await register(0), "rate_limited"); // and is the last one that has tried
    assert.equal(await register(MAX_COUNTED), "allowed"); // in the place of 1
    assert.equal(await register(0), "rate_limited");
    assert.equal(await register(1), "allowed");
  },
);

testWith(POSTGRES, "PostgreSQL: bytes relayed for an account count together in a day", async () => {
  const url = await newCommunity(newDatabase());
  await using b = await openCounts(url);
  {
    await using a = await openCounts(url);
    a.relayUse.add(1, 3_000_000_000);
    a.relayUse.add(1, 5);
    a.relayUse.add(2, 7);
    assert.equal((await a.relayUse.today(1)).bytes, 3_000_000_005);
  }
  b.relayUse.add(1, 10);
  const { bytes, until } = await b.relayUse.today(1);
  assert.equal(bytes, 3_000_000_015);
  assert.ok(until > Date.now() && until <= Date.now() + 24 * 3_600_000);
});
