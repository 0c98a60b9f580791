import assert from "node:assert/strict";
import { CallerLog, RefusedCallers } from "../../lib/server/caller_log.ts";
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

Deno.test("CallerLog writes a few lines of those who come and go by the thousand, and how many more there were", () => {
  // One address that called and hung up again and again wrote gigabytes a day.
  const { lines, log } = keptLog();
  {
    using callers = new CallerLog(log);
    for (let n = 0; n < 1_000; n++) callers.connected({ connection: `c${n}`, address: "192.0.2.1" });
    for (let n = 0; n < 500; n++) callers.disconnected({ connection: `c${n}`, reason: "hung up" });
    for (let n = 0; n < 300; n++) callers.sideLost({ reason: "it was reset" });
  }
  assert.equal(lines.length, 183);
  assert.deepEqual(lines.at(59), { message: "connected", connection: "c59", address: "192.0.2.1" });
  assert.deepEqual(lines.at(60), { message: "disconnected", connection: "c0", reason: "hung up" });
  assert.deepEqual(lines.slice(180), [
    { message: "more callers connected", more: 940 },
    { message: "more callers disconnected", more: 440 },
    { message: "more side connections lost", more: 240 },
  ]);
});

Deno.test("CallerLog writes a few lines of an account that comes and goes by the thousand, and all of the others", () => {
  const { lines, log } = keptLog();
  {
    using callers = new CallerLog(log);
    for (let n = 0; n < 1_000; n++) {
      callers.signedIn({ connection: `c${n}`, name: "mallory", address: "192.0.2.1" });
      callers.disconnected({ connection: `c${n}`, name: "mallory", reason: "hung up" });
    }
    callers.signedIn({ connection: "c2000", name: "ana", address: "192.0.2.2" });
  }
  assert.equal(lines.length, 62);
  assert.deepEqual(lines.slice(58), [
    { message: "signed in", connection: "c29", name: "mallory", address: "192.0.2.1" },
    { message: "disconnected", connection: "c29", name: "mallory", reason: "hung up" },
    { message: "signed in", connection: "c2000", name: "ana", address: "192.0.2.2" },
    { message: "signed in or disconnected more often", name: "mallory", more: 1_940 },
  ]);
});
