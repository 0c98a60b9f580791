import assert from "node:assert/strict";
import { DEFAULT_THROTTLES, type PaceClock, SendPace, Throttles } from "../../lib/chat/throttles.ts";
import { ChatError } from "../../lib/errors.ts";

/** A clock that stands still until somebody sleeps. */
class FakeClock implements PaceClock {
  time = 0;
  now(): number {
    return this.time;
  }
  sleep(ms: number): Promise<void> {
    this.time += Math.max(0, ms);
    return Promise.resolve();
  }
}

Deno.test("SendPace lets two seconds' worth go at once, and one more wait", () => {
  const pace = new SendPace(10, new FakeClock());
  for (let i = 0; i < 20; i++) assert.equal(pace.turn(), undefined);
  assert.ok(pace.turn() instanceof Promise);
});

Deno.test("SendPace keeps the order of its takers, and its rate", async () => {
  const clock = new FakeClock();
  const pace = new SendPace(10, clock);
  const turns: number[] = [];
  await Promise.all(Array.from({ length: 40 }, async (_, i) => {
    await pace.turn();
    turns.push(i);
  }));
  assert.deepEqual(turns, Array.from({ length: 40 }, (_, i) => i));
  assert.equal(Math.round(clock.time), 2000);
});

Deno.test("SendPace refills while nobody sends", () => {
  const clock = new FakeClock();
  const pace = new SendPace(10, clock);
  for (let i = 0; i < 20; i++) pace.turn();
  clock.time += 500;
  for (let i = 0; i < 5; i++) assert.equal(pace.turn(), undefined);
  assert.ok(pace.turn() instanceof Promise);
});

function throttlesOf(changes: Partial<typeof DEFAULT_THROTTLES>): Throttles {
  return new Throttles({ ...DEFAULT_THROTTLES, ...changes });
}

async function codeOf(work: Promise<unknown>): Promise<string> {
  try {
    await work;
    return "allowed";
  } catch (error) {
    if (!(error instanceof ChatError)) throw error;
    if (error.code === "rate_limited") assert.ok(error.retryAfterMs! > 0);
    return error.code;
  }
}

Deno.test("Throttles refuse the failed login after the last allowed one, at that address only", async () => {
  const throttles = throttlesOf({ failedLoginsPerAccount: 3 });
  for (let i = 0; i < 3; i++) assert.equal(await codeOf(throttles.startLogin("192.0.2.1", "ana")), "allowed");
  assert.equal(await codeOf(throttles.startLogin("192.0.2.1", "ana")), "rate_limited");
  assert.equal(await codeOf(throttles.startLogin("192.0.2.2", "ana")), "allowed");
  assert.equal(await codeOf(throttles.startLogin("192.0.2.1", "bob")), "allowed");
});

Deno.test("Throttles stop an address that walks through names", async () => {
  const throttles = throttlesOf({ failedLoginsPerAddress: 3 });
  for (let i = 0; i < 3; i++) await throttles.startLogin("192.0.2.1", `name${i}`);
  assert.equal(await codeOf(throttles.startLogin("192.0.2.1", "another")), "rate_limited");
});

Deno.test("Throttles do not count a login that succeeded", async () => {
  const throttles = throttlesOf({ failedLoginsPerAccount: 2, failedLoginsPerAddress: 2 });
  for (let i = 0; i < 10; i++) {
    const succeeded = await throttles.startLogin("192.0.2.1", "ana");
    await succeeded();
  }
  assert.equal(await codeOf(throttles.startLogin("192.0.2.1", "ana")), "allowed");
});

Deno.test("Throttles count registrations by address", async () => {
  const throttles = throttlesOf({ registrationsPerAddress: 1 });
  assert.equal(await codeOf(throttles.startRegistration("192.0.2.1")), "allowed");
  assert.equal(await codeOf(throttles.startRegistration("192.0.2.1")), "rate_limited");
  assert.equal(await codeOf(throttles.startRegistration("192.0.2.2")), "allowed");
});
