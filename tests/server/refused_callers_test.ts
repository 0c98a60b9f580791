import assert from "node:assert/strict";
import { RefusedCallers } from "../../lib/server/refused_callers.ts";
import { waitUntil } from "../helpers/wait_until.ts";

/** A log that keeps its lines. */
function keptLog() {
  const lines: { message: string; [property: string]: unknown }[] = [];
  const info = (message: string, properties = {}) => void lines.push({ message, ...properties });
  return { lines, log: { info, warn() {}, error() {} } };
}

const TOO_MANY = {
  address: "192.0.2.1",
  reason: "too_many_from_address",
  message: "100 are the most",
} as const;
const LATE = { address: "192.0.2.2", reason: "handshake_timeout", message: "no handshake" } as const;

Deno.test("RefusedCallers writes a few lines for each reason however many callers come, and how many more there were", () => {
  const { lines, log } = keptLog();
  {
    using callers = new RefusedCallers(log);
    for (let caller = 0; caller < 10_000; caller++) callers.note(TOO_MANY);
    callers.note(LATE);
    assert.deepEqual(lines, [...Array(5).fill(TOO_MANY), LATE]);
    lines.length = 0;
  }
  assert.deepEqual(lines, [{
    message: "more callers refused",
    reason: "too_many_from_address",
    more: 9_995,
  }]);
});

Deno.test("RefusedCallers writes lines again after a rest, and none once it is disposed", async () => {
  const { lines, log } = keptLog();
  const callers = new RefusedCallers(log, 10);
  for (let caller = 0; caller < 7; caller++) callers.note(TOO_MANY);
  await waitUntil("the stretch has ended", () => Promise.resolve(lines.length === 6));
  assert.equal(lines.at(-1)!.more, 2);
  callers.note(TOO_MANY);
  assert.equal(lines.length, 7);
  callers[Symbol.dispose]();
  callers.note(TOO_MANY);
  assert.equal(lines.length, 7);
});
