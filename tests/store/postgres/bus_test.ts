import assert from "node:assert/strict";
import type { BusNews } from "../../../lib/chat/cluster.ts";
import { noticeOf, openBus, type PostgresBus } from "../../../lib/store/postgres/bus.ts";
import { parseDatabaseUrl } from "../../../lib/store/postgres/url.ts";
import { testWith } from "../../helpers/needs.ts";
import { lookAt, newDatabase, POSTGRES, PostgresCluster } from "../../helpers/postgres.ts";
import { waitUntil } from "../../helpers/wait_until.ts";

const two = () => 2;

function eventFor(accountId: number, chatId = "c"): BusNews {
  return { type: "event", accountId, news: { event: "chat_reopened", content: { chatId } } };
}

function wake(...accountIds: number[]): BusNews {
  return { type: "wake", accountIds };
}

/** Everything that a bus hears, in order. */
function hearing(bus: PostgresBus): (BusNews | "gap")[] {
  const heard: (BusNews | "gap")[] = [];
  bus.listen((news) => heard.push(news), () => heard.push("gap"));
  return heard;
}

testWith(POSTGRES, "Bus tells the others what was published, in order, and itself nothing", async () => {
  const url = parseDatabaseUrl(await newDatabase());
  await using ana = await openBus(url, two);
  await using bob = await openBus(url, two);
  const [heardByAna, heardByBob] = [hearing(ana), hearing(bob)];

  // What one turn publishes leaves together; an event larger than half a payload does not fit beside another one.
  const events = [1, 2, 3].map((id) => eventFor(id, "é".repeat(2_500)));
  for (const id of [7, 8, 7]) ana.publish(wake(id));
  for (const event of events) ana.publish(event);
  ana.publish(eventFor(4, "x".repeat(9_000))); // too large: lost, as news may be
  ana.publish(eventFor(5));
  await waitUntil("everything is heard", () => heardByBob.length >= 5);
  assert.deepEqual(heardByBob, [wake(7, 8), ...events, eventFor(5)]);
  assert.deepEqual(heardByAna, []);

  bob.publish(eventFor(6));
  await waitUntil("the answer is heard", () => heardByAna.length === 1);
  assert.deepEqual(heardByAna, [eventFor(6)]);
});

testWith(
  POSTGRES,
  "Bus sends many wakes in a few payloads, and lets everybody look where there are too many",
  async () => {
    const url = parseDatabaseUrl(await newDatabase());
    await using ana = await openBus(url, two);
    await using bob = await openBus(url, two);
    const heard = hearing(bob);
    const ids = Array.from({ length: 2_000 }, (_, index) => 1_000_000_000 + index);
    for (const id of ids) ana.publish(wake(id));
    const woken = () =>
      heard.flatMap((news) => news !== "gap" && news.type === "wake" ? news.accountIds : []);
    await waitUntil("all are woken", () => woken().length === ids.length);
    assert.deepEqual(woken(), ids);
    assert.equal(heard.length, 4);

    for (let id = 0; id <= 10_000; id++) ana.publish(wake(id));
    await waitUntil("everybody looks", () => heard.length > 4);
    assert.deepEqual(heard.slice(4), ["gap"]);
  },
);

testWith(
  POSTGRES,
  "all servers hear that logins have ended when the verb's transaction commits, and only then",
  async () => {
    const url = parseDatabaseUrl(await newDatabase());
    await using bus = await openBus(url, two);
    const heard = hearing(bus);
    const connection = await lookAt(url);
    const announce = (accountId: number) => {
      const { channel, payload } = noticeOf({ type: "logins_ended", accountId, reason: "revoked" });
      return connection.query({ sql: "SELECT pg_notify($1, $2)", values: [channel, payload] });
    };
    await assert.rejects(connection.transaction(async () => {
      await announce(1);
      throw new Error("the verb refuses");
    }));
    // Another program's words on the channel, and a format of the future, are nobody's news.
    for (const payload of ["hello", "1 somebody {", "2 somebody [{}]"]) {
      await connection.query({ sql: "SELECT pg_notify('mini_chat', $1)", values: [payload] });
    }
    await connection.transaction(() => announce(2));
    await connection.close();
    await waitUntil("it is heard", () => heard.length > 0);
    assert.deepEqual(heard, [{ type: "logins_ended", accountId: 2, reason: "revoked" }]);
  },
);

testWith(
  POSTGRES,
  "Bus says that news may have been missed, and carries on, after a crash of PostgreSQL",
  async () => {
    await using cluster = await PostgresCluster.start();
    const url = parseDatabaseUrl(cluster.adminUrl);
    await using ana = await openBus(url, two);
    await using bob = await openBus(url, two);
    const heard = hearing(bob);
    await cluster.kill();
    ana.publish(eventFor(1));
    await cluster.restart();
    await waitUntil("a gap is known", () => heard.length > 0);
    assert.equal(heard[0], "gap");
    await waitUntil("news is heard again", () => {
      ana.publish(wake(9));
      return heard.some((news) => news !== "gap" && news.type === "wake");
    });
  },
);
