import assert from "node:assert/strict";
import type { TurnTaker } from "../../lib/chat/throttles/fair_line.ts";
import { MAX_COUNTED, triesInMemory } from "../../lib/chat/counts.ts";
import { DEFAULT_THROTTLES } from "../../lib/chat/limits.ts";
import { Throttles } from "../../lib/chat/throttles/throttles.ts";
import { ChatError } from "../../lib/errors.ts";
import { FakeClock } from "../helpers/fake_clock.ts";

function throttlesOf(changes: Partial<typeof DEFAULT_THROTTLES>, clock = new FakeClock()): Throttles {
  return new Throttles({ limits: { ...DEFAULT_THROTTLES, ...changes }, clock });
}

function from(addressGroup: string): TurnTaker {
  return { addressGroup, hasEnded: false };
}

/** A login without a device that is known. */
function as(name: string) {
  return { name, knownDeviceId: null };
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

/** Fails to log in as somebody once from each of so many addresses. */
async function guess(throttles: Throttles, name: string, addresses: number): Promise<void> {
  for (let i = 0; i < addresses; i++) await throttles.startLogin(from(`198.51.100.${i}`), as(name));
}

Deno.test("Throttles refuse the failed login after the last allowed one, at that address only", async () => {
  const throttles = throttlesOf({ failedLoginsPerAccount: 3 });
  const tried = (address: string, name: string) => codeOf(throttles.startLogin(from(address), as(name)));
  for (let i = 0; i < 3; i++) assert.equal(await tried("192.0.2.1", "ana"), "allowed");
  assert.equal(await tried("192.0.2.1", "ana"), "rate_limited");
  assert.equal(await tried("192.0.2.2", "ana"), "allowed");
  assert.equal(await tried("192.0.2.1", "bob"), "allowed");
});

Deno.test("Throttles have few tries of one address counted at once, so that its flood holds up nobody else where that takes long", async () => {
  const held: (() => void)[] = [];
  let isHolding = true;
  const throttles = new Throttles({
    tries(limit) {
      const counted = triesInMemory(limit);
      const consume = counted.consume.bind(counted);
      counted.consume = async (key) => {
        if (isHolding && key !== "192.0.2.2") await new Promise<void>((resolve) => held.push(resolve));
        return await consume(key);
      };
      return counted;
    },
  });
  const logins = Array.from(
    { length: 50 },
    (_, n) => codeOf(throttles.startLogin(from("192.0.2.1"), as(`n${n}`))),
  );
  const registrations = Array.from(
    { length: 50 },
    () => codeOf(throttles.startRegistration(from("192.0.2.1"))),
  );
  await throttles.startRegistration(from("192.0.2.2"));
  assert.equal(held.length, 8);
  isHolding = false;
  for (const go of held.splice(0)) go();
  assert.deepEqual(await Promise.all(logins), Array(50).fill("allowed"));
  assert.deepEqual((await Promise.all(registrations)).slice(19, 21), ["allowed", "rate_limited"]);
});

Deno.test("Throttles stop an address that walks through names", async () => {
  const throttles = throttlesOf({ failedLoginsPerAddress: 3 });
  for (let i = 0; i < 3; i++) await throttles.startLogin(from("192.0.2.1"), as(`name${i}`));
  assert.equal(await codeOf(throttles.startLogin(from("192.0.2.1"), as("another"))), "rate_limited");
});

Deno.test("Throttles do not count a login that succeeded", async () => {
  const clock = new FakeClock();
  const limits = { failedLoginsPerAccount: 2, failedLoginsPerAddress: 2, failedLoginsByStrangers: 2 };
  const throttles = throttlesOf(limits, clock);
  for (let i = 0; i < 10; i++) {
    const succeeded = await throttles.startLogin(from("192.0.2.1"), as("ana"));
    await succeeded();
  }
  assert.equal(await codeOf(throttles.startLogin(from("192.0.2.1"), as("ana"))), "allowed");
  assert.equal(clock.time, 0, "nobody had to wait");
});

Deno.test("Throttles slow strangers down who try one account from many addresses, and refuse when too many wait", async () => {
  const clock = new FakeClock();
  const throttles = throttlesOf({}, clock);
  await guess(throttles, "ana", 50);
  assert.equal(clock.time, 0);
  await guess(throttles, "ana", 20);
  assert.equal(Math.round(clock.time), 20 * 5_000, "one in 5 s");
  assert.equal(await codeOf(throttles.startLogin(from("198.51.100.1"), as("bob"))), "allowed");
  assert.equal(Math.round(clock.time), 20 * 5_000, "another account is not slowed");

  clock.stop();
  const waiting = Array.from(
    { length: 4 },
    (_, i) => codeOf(throttles.startLogin(from(`203.0.113.${i}`), as("ana"))),
  );
  assert.equal(await codeOf(throttles.startLogin(from("203.0.113.9"), as("ana"))), "rate_limited");
  clock.go();
  assert.deepEqual(await Promise.all(waiting), Array(4).fill("allowed"));
});

Deno.test("Throttles never slow the owner for what strangers do, at a known address or with a known device", async () => {
  const clock = new FakeClock();
  const throttles = throttlesOf({ failedLoginsPerAddress: 5 }, clock);
  const home = from("192.0.2.1");
  throttles.signedIn(home, "ana");
  await guess(throttles, "ana", 60);
  const slowedFor = clock.time;
  assert.ok(slowedFor > 0);
  clock.stop();
  assert.equal(await codeOf(throttles.startLogin(home, as("ana"))), "allowed");
  // In a train where somebody has used up what one address may do.
  const train = from("198.51.100.1");
  for (let i = 0; i < 4; i++) await throttles.startLogin(train, as(`name${i}`));
  assert.equal(await codeOf(throttles.startLogin(train, as("ana"))), "rate_limited");
  const laptop = { name: "ana", knownDeviceId: "laptop" };
  assert.equal(await codeOf(throttles.startLogin(train, laptop)), "allowed");
  assert.equal(clock.time, slowedFor);
});

Deno.test("Throttles count a known device for itself", async () => {
  const throttles = throttlesOf({ failedLoginsPerAccount: 2 });
  const laptop = { name: "ana", knownDeviceId: "laptop" };
  for (let i = 0; i < 2; i++) await throttles.startLogin(from(`192.0.2.${i}`), laptop);
  assert.equal(await codeOf(throttles.startLogin(from("192.0.2.9"), laptop)), "rate_limited");
  const phone = { name: "ana", knownDeviceId: "phone" };
  assert.equal(await codeOf(throttles.startLogin(from("192.0.2.9"), phone)), "allowed");
});

Deno.test("Throttles remember a bounded number of addresses for each account, the latest ones", async () => {
  const clock = new FakeClock();
  const throttles = throttlesOf({ failedLoginsByStrangers: 1 }, clock);
  for (let i = 0; i < 9; i++) throttles.signedIn(from(`192.0.2.${i}`), "ana");
  await guess(throttles, "ana", 1);
  for (let i = 1; i < 9; i++) await throttles.startLogin(from(`192.0.2.${i}`), as("ana"));
  assert.equal(clock.time, 0);
  await throttles.startLogin(from("192.0.2.0"), as("ana"));
  assert.ok(clock.time > 0, "the first one is forgotten");
});

Deno.test("Throttles count registrations by address", async () => {
  const throttles = throttlesOf({ registrationsPerAddress: 1 });
  assert.equal(await codeOf(throttles.startRegistration(from("192.0.2.1"))), "allowed");
  assert.equal(await codeOf(throttles.startRegistration(from("192.0.2.1"))), "rate_limited");
  assert.equal(await codeOf(throttles.startRegistration(from("192.0.2.2"))), "allowed");
});

Deno.test("triesInMemory() counts a bounded number of callers, and forgets those who tried the longest ago", async () => {
  // Each try of a caller with a network of addresses once took a kilobyte, for a quarter of an hour.
  const tries = triesInMemory({ name: "tries", points: 1, durationS: 900 });
  for (const key of ["first", "second"]) await tries.consume(key);
  for (let n = 2; n < MAX_COUNTED; n++) await tries.consume(`${n}`);
  await assert.rejects(tries.consume("first"));
  await tries.consume("one more"); // in the place of the second
  assert.equal(await tries.get("second"), null);
  await assert.rejects(tries.consume("first"));
  await tries.delete("first");
  await tries.consume("first");
});
