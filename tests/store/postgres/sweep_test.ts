import assert from "node:assert/strict";
import { Sweep } from "../../../lib/store/postgres/sweep.ts";
import { waitUntil } from "../../helpers/wait_until.ts";

Deno.test("Sweep leaves nothing behind that grows with each sweep", async () => {
  // Each one left a listener at the signal that ends them all: 17,000 a day.
  const { addEventListener: add, removeEventListener: remove } = AbortSignal.prototype;
  let [listeners, sweeps] = [0, 0];
  AbortSignal.prototype.addEventListener = function (...args: Parameters<typeof add>) {
    listeners += 1;
    return add.apply(this, args);
  };
  AbortSignal.prototype.removeEventListener = function (...args: Parameters<typeof remove>) {
    listeners -= 1;
    return remove.apply(this, args);
  };
  try {
    await using _sweep = new Sweep({ run: () => assert.fail("nobody is present") }, {
      everyMs: 1,
      hear: () => {},
      present: () => {
        sweeps += 1;
        return [];
      },
    });
    await waitUntil("some sweeps are done", () => sweeps >= 20);
    assert.ok(listeners < 10, `${listeners} listeners after ${sweeps} sweeps`);
  } finally {
    Object.assign(AbortSignal.prototype, { addEventListener: add, removeEventListener: remove });
  }
});
