import assert from "node:assert/strict";
import { testWith } from "../../helpers/needs.ts";
import { newDatabase, POSTGRES } from "../../helpers/postgres.ts";
import { runOrder } from "./order_run.ts";

// The long form is `deno task torture --order`.
const SHORT = { messages: 10_000, forMs: 1_000, mailboxes: 6 };

/** Without the lock a run misses about a hundred; more of them only in case that a machine is so slow that the writers never meet. */
const MOST_RUNS = 5;

testWith(
  POSTGRES,
  "while two servers write, who reads on from the last message seen misses none",
  async () => {
    const result = await runOrder({ ...SHORT, url: await newDatabase(), isLocked: true });
    assert.deepEqual(result, { stored: SHORT.messages, missed: 0, outOfOrder: 0, wrongTotals: 0 });
  },
);

testWith(POSTGRES, "without the lock on mailboxes the same reader misses messages", async () => {
  for (let run = 1; run <= MOST_RUNS; run++) {
    const { missed } = await runOrder({ ...SHORT, url: await newDatabase(), isLocked: false });
    if (missed > 0) return;
  }
  assert.fail(`none missed in ${MOST_RUNS} runs: this test can see nothing`);
});
