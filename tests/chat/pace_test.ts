import assert from "node:assert/strict";
import { Pace, Paces } from "../../lib/chat/throttles/pace.ts";
import { ChatError } from "../../lib/errors.ts";
import { FakeClock } from "../helpers/fake_clock.ts";

const ANA = { addressGroup: "192.0.2.1", hasEnded: false };

function paceOf(perSecond: number, clock = new FakeClock(), maxWaiting = Infinity): Pace {
  return new Pace({ perSecond, burst: perSecond * 2, purpose: "do that", maxWaiting }, clock);
}

Deno.test("Pace lets the burst go at once, and one more wait", async () => {
  const pace = paceOf(10);
  for (let i = 0; i < 20; i++) assert.equal(pace.turn(ANA), undefined);
  const turn = pace.turn(ANA);
  assert.ok(turn instanceof Promise);
  await turn;
});

Deno.test("Pace keeps the order of its takers, and its rate", async () => {
  const clock = new FakeClock();
  const pace = paceOf(10, clock);
  const turns: number[] = [];
  await Promise.all(Array.from({ length: 40 }, async (_, i) => {
    await pace.turn(ANA);
    turns.push(i);
  }));
  assert.deepEqual(turns, Array.from({ length: 40 }, (_, i) => i));
  assert.equal(Math.round(clock.time), 2000);
});

Deno.test("Pace lets nobody take a turn at once while one before is about to", async () => {
  const clock = new FakeClock();
  const pace = paceOf(1, clock);
  for (let i = 0; i < 2; i++) pace.turn(ANA);
  clock.stop();
  const order: string[] = [];
  const take = (name: string) => {
    const turn = pace.turn(ANA);
    if (turn) return turn.then(() => void order.push(name));
    order.push(name);
  };
  const first = take("first");
  clock.time += 10_000; // there are turns again, and the first has not taken its own
  const others = ["second", "third"].map(take);
  clock.go();
  // As soon as the first is told, and before it goes on.
  for (let hop = 0; hop < 20; hop++) await Promise.resolve().then(() => others.push(take(`hop ${hop}`)));
  await Promise.all([first, ...others]);
  assert.deepEqual(order.slice(0, 4), ["first", "second", "third", "hop 0"]);
  assert.deepEqual(order.slice(3), Array.from({ length: 20 }, (_, hop) => `hop ${hop}`));
});

Deno.test("Pace refills while nobody goes on", async () => {
  const clock = new FakeClock();
  const pace = paceOf(10, clock);
  for (let i = 0; i < 20; i++) pace.turn(ANA);
  clock.time += 500;
  for (let i = 0; i < 5; i++) assert.equal(pace.turn(ANA), undefined);
  await pace.turn(ANA);
  assert.equal(Math.round(clock.time), 600);
});

Deno.test("Pace gives no turn to a taker that is gone, and takes none for it", async () => {
  const clock = new FakeClock();
  const pace = paceOf(10, clock);
  for (let i = 0; i < 20; i++) pace.turn(ANA);
  const gone = { addressGroup: "192.0.2.1", hasEnded: false };
  const refused = Promise.allSettled(Array.from({ length: 200 }, () => pace.turn(gone)));
  gone.hasEnded = true;
  await pace.turn(ANA);
  assert.equal(Math.round(clock.time), 100, "as if they had never been");
  for (const outcome of await refused) {
    assert.ok(outcome.status === "rejected" && outcome.reason.code === "unavailable");
  }
});

Deno.test("Pace refuses the one too many, and says when to come back", async () => {
  const pace = paceOf(1, new FakeClock(), 3);
  for (let i = 0; i < 2; i++) pace.turn(ANA);
  const outcomes = await Promise.allSettled(Array.from({ length: 4 }, () => pace.turn(ANA)));
  assert.deepEqual(outcomes.map(({ status }) => status), ["fulfilled", "fulfilled", "fulfilled", "rejected"]);
  const { reason } = outcomes[3] as PromiseRejectedResult;
  assert.ok(reason instanceof ChatError && reason.code === "rate_limited" && reason.retryAfterMs === 3_000);
});

Deno.test("Paces remember each pace until it is rested, and no longer", () => {
  const clock = new FakeClock();
  const paces = new Paces<number>(() => paceOf(10, clock));
  for (let i = 0; i < 20; i++) paces.of(1).turn(ANA);
  for (let key = 2; key <= 100; key++) paces.of(key).turn(ANA);
  assert.equal(paces.size, 100);
  clock.time += 1_000;
  for (let i = 0; i < 9; i++) assert.equal(paces.of(1).turn(ANA), undefined);
  clock.time += 2_000;
  for (let use = 0; use < 50; use++) paces.of(7).turn(ANA);
  assert.equal(paces.size, 1);
});

Deno.test("Paces forget those that rest also where the first of them goes on", () => {
  // The pace of one name that was tried often once kept all those that were tried after it.
  const clock = new FakeClock();
  const paces = new Paces<number>(() => paceOf(10, clock));
  for (let i = 0; i < 20; i++) paces.of(1).turn(ANA);
  for (let key = 2; key <= 100; key++) paces.of(key).turn(ANA);
  clock.time += 1_000;
  for (let use = 0; use < 100; use++) paces.of(7).turn(ANA);
  assert.equal(paces.size, 2);
});
