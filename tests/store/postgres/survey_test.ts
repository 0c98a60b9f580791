import assert from "node:assert/strict";
import { openSharedStore } from "../../../lib/store/open.ts";
import { testWith } from "../../helpers/needs.ts";
import { lookAt, newDatabase, POSTGRES } from "../../helpers/postgres.ts";
import { addPerson } from "../store_helpers.ts";

testWith(POSTGRES, "survey() takes PostgreSQL's estimate of many messages, and says so", async () => {
  // To count 30 million took 10 s, each time that somebody looked at the status.
  const url = await newDatabase();
  await using store = await openSharedStore(url, { fingerprint: "of the tests" });
  const { accountId } = await addPerson(store, "ana");
  const connection = await lookAt(url);
  const add = (amount: number) =>
    connection.query({
      sql: `INSERT INTO messages (id, sender_id, recipient_id, text, stored_at)
        SELECT gen_random_uuid(), $1, $1, 'x', 0 FROM generate_series(1, $2)`,
      values: [accountId, amount],
    });
  const about = async () => {
    const { messages, isEstimated } = await store.survey();
    return { messages, isEstimated };
  };
  await add(1_000);
  assert.deepEqual(await about(), { messages: 1_000, isEstimated: false }, "never analysed");
  await connection.query({ sql: "ANALYZE messages" });
  assert.deepEqual(await about(), { messages: 1_000, isEstimated: false });
  await add(150_000);
  for (const analyse of [false, true]) {
    if (analyse) await connection.query({ sql: "ANALYZE messages" });
    const { messages, isEstimated } = await about();
    assert.equal(isEstimated, true);
    assert.ok(Math.abs(messages - 151_000) < 15_000, `${messages}`);
  }
  assert.equal((await store.counts()).messages, 151_000, "what is counted is exact");
  await connection.close();
});
