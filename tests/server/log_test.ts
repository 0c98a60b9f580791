import assert from "node:assert/strict";
import { ChatError } from "../../lib/errors.ts";
import { printable } from "../../lib/server/log.ts";
import { packOutcome, unpackOutcome } from "../../lib/store/sqlite/thread_messages.ts";

Deno.test("the log once held four stacks for each message that a full disk did not take; now a line says what the disk said", () => {
  const full = Object.assign(new Error("database or disk is full"), { errcode: 13 });
  const refusal = new ChatError("unavailable", "Cannot store anything now: the disk is full", {
    cause: full,
  });
  const outcome = unpackOutcome(packOutcome({ error: refusal }));
  assert.ok("error" in outcome);
  assert.equal(
    printable(outcome.error),
    "Cannot store anything now: the disk is full; caused by database or disk is full (SQLite's code 13)",
  );
  assert.match(
    String(printable(new Error("ours", { cause: new Error("below") }))),
    /^Error: ours\n +at .*; caused by Error: below\n/s,
  );
  assert.match(String(printable(new ChatError("internal", "ours"))), /^ChatError: ours\n +at /);
  assert.equal(printable(7), 7);
});
