import assert from "node:assert/strict";
import type { Community } from "../../../lib/store/open.ts";
import { joinCommunity } from "../../../lib/store/open.ts";
import type { Connection } from "../../../lib/store/postgres/connection.ts";
import { testWith } from "../../helpers/needs.ts";
import { lookAt, newDatabase, POSTGRES } from "../../helpers/postgres.ts";
import { waitUntil } from "../../helpers/wait_until.ts";
import { addPerson, type Person, send } from "../store_helpers.ts";

// The lock that a transaction with a NOTIFY takes until its commit is on the disk: of "database 0", so of the whole cluster.
// Two servers' notifiers may meet there for a moment, since neither waits for the disk.
const WAITING = `
  SELECT count(*) AS waiting FROM pg_locks JOIN pg_stat_activity USING (pid)
  WHERE locktype = 'object' AND classid = 'pg_database'::regclass AND objid = 0 AND NOT granted
    AND application_name <> 'mini-chat notify' AND datname = current_database()`;

const SAMPLES = 1_000;
const SENDERS = 32;

/** How often somebody is seen waiting for that lock while others work. */
async function sample(connection: Connection, isEnough: (waits: number) => boolean): Promise<number> {
  let waits = 0;
  for (let taken = 0; taken < SAMPLES && !isEnough(waits); taken++) {
    const [row] = await connection.rows<{ waiting: number }>(WAITING);
    waits += row!.waiting;
  }
  return waits;
}

/** Runs work again and again, many times at once, until it is disposed of. */
function keepDoing(work: (nth: number) => Promise<unknown>): AsyncDisposable {
  let hasEnded = false;
  const workers = Array.from({ length: SENDERS }, async (_, nth) => {
    while (!hasEnded) await work(nth);
  });
  return {
    async [Symbol.asyncDispose]() {
      hasEnded = true;
      await Promise.all(workers);
    },
  };
}

testWith(
  POSTGRES,
  "two servers under load tell each other of each message, and no commit waits for a NOTIFY",
  async () => {
    const url = await newDatabase();
    const options = { fingerprint: "of this test", relayAddress: null, onAway() {}, onBack() {} };
    await using ana = await joinCommunity(url, options);
    await using bob = await joinCommunity(url, options);
    const people: Person[] = [];
    for (let nth = 0; nth < SENDERS; nth++) people.push(await addPerson(ana.store, `user${nth}`));
    const told = new Set<number>();
    bob.cluster.bus.listen((news) => {
      if (news.type === "wake") { for (const id of news.accountIds) told.add(id); }
    }, () => {});
    const looking = await lookAt(url);

    // What the hub does for each message.
    const say = async ({ store, cluster }: Community, from: Person, to: Person) => {
      await send(store, from, to.name, "hello");
      cluster.bus.publish({ type: "wake", accountIds: [to.accountId] });
    };
    {
      await using _load = keepDoing((nth) =>
        say(nth % 2 === 0 ? ana : bob, people[nth]!, people[(nth + 1) % SENDERS]!)
      );
      assert.equal(await sample(looking, () => false), 0);
    }
    await waitUntil("everybody's messages were told", () => told.size === SENDERS / 2);

    // Inside the transactions that store, it would be seen.
    const connections = await Promise.all(people.map(() => lookAt(url)));
    {
      await using _load = keepDoing((nth) =>
        connections[nth]!.transaction(async () => {
          await connections[nth]!.rows("SELECT pg_notify($1, $2)", ["another", "hello"]);
          await connections[nth]!.rows("UPDATE accounts SET email = $1 WHERE id = $2", [
            `${nth}`,
            people[nth]!.accountId,
          ]);
        })
      );
      assert.notEqual(await sample(looking, (waits) => waits > 0), 0);
    }
    await Promise.all([...connections, looking].map((connection) => connection.close()));
  },
);
