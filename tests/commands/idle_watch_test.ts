import assert from "node:assert/strict";
import { IdleWatch } from "../../lib/commands/idle_watch.ts";

Deno.test("IdleWatch tells once that somebody went, and once that they are back", async () => {
  const changes: boolean[] = [];
  const went = Promise.withResolvers<void>();
  using watch = new IdleWatch((isIdle) => {
    changes.push(isIdle);
    if (isIdle) went.resolve();
  }, 10);
  watch.touched();
  assert.deepEqual(changes, []);
  await went.promise;
  watch.touched();
  watch.touched();
  assert.deepEqual(changes, [true, false]);
});
