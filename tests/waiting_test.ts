import assert from "node:assert/strict";
import { getEventListeners } from "node:events";
import { giveWay, Limit, sleep, unlessAborted, within } from "../lib/waiting.ts";

const never = new Promise<never>(() => {});

Deno.test("sleep() ends in time, or with the signal's reason, and leaves no listener", async () => {
  const stop = new AbortController();
  const startedAt = performance.now();
  await sleep(15, stop.signal);
  assert.ok(performance.now() - startedAt >= 14);
  assert.equal(getEventListeners(stop.signal, "abort").length, 0);

  const asleep = sleep(60_000, stop.signal);
  stop.abort("enough");
  await assert.rejects(asleep, (reason) => reason === "enough");
  await assert.rejects(sleep(0, stop.signal), (reason) => reason === "enough");
  assert.equal(getEventListeners(stop.signal, "abort").length, 0);
});

Deno.test("within() gives the outcome that comes in time, and undefined for one that does not", async () => {
  assert.equal(await within(60_000, Promise.resolve(1)), 1);
  assert.equal(await within(Infinity, Promise.resolve(2)), 2);
  assert.equal(await within(5, never), undefined);
  await assert.rejects(within(60_000, Promise.reject(new Error("no"))), /no/);
  const { promise: late, reject } = Promise.withResolvers<void>();
  assert.equal(await within(0, late), undefined);
  reject(new Error("too late to be heard")); // and not unhandled
});

Deno.test("unlessAborted() waits until the signal says otherwise", async () => {
  const stop = new AbortController();
  assert.equal(await unlessAborted(stop.signal, Promise.resolve(1)), 1);
  await assert.rejects(unlessAborted(stop.signal, Promise.reject(new Error("no"))), /no/);
  assert.equal(getEventListeners(stop.signal, "abort").length, 0);
  const waiting = unlessAborted(stop.signal, never);
  stop.abort("enough");
  await assert.rejects(waiting, (reason) => reason === "enough");
  await assert.rejects(unlessAborted(stop.signal, Promise.resolve(1)), (reason) => reason === "enough");
  await assert.rejects(
    unlessAborted(stop.signal, Promise.reject(new Error("no"))),
    (reason) => reason === "enough",
  );
});

Deno.test("Limit is aborted by time, by an outer signal and by its owner, the first counts", async () => {
  const short = new Limit(5);
  const ended = Promise.withResolvers<void>();
  short.signal.addEventListener("abort", () => ended.resolve());
  await ended.promise;
  assert.equal(short.signal.reason.name, "TimeoutError");

  const outer = new AbortController();
  const inner = new Limit(60_000, outer.signal);
  outer.abort("outer");
  inner.abort("owner");
  assert.equal(inner.signal.reason, "outer");
  assert.equal(new Limit(60_000, outer.signal).signal.reason, "outer");

  const own = new Limit(Infinity, new AbortController().signal);
  own.abort("owner");
  assert.equal(own.signal.reason, "owner");
});

Deno.test("a Limit that was disposed of stops its work, and leaves no timer and no listener", () => {
  const outer = new AbortController();
  let signal: AbortSignal;
  {
    using limit = new Limit(60_000, outer.signal);
    signal = limit.signal;
    assert.equal(signal.aborted, false);
    assert.equal(getEventListeners(outer.signal, "abort").length, 1);
  }
  assert.equal(signal.aborted, true);
  assert.equal(getEventListeners(outer.signal, "abort").length, 0);
});

Deno.test("giveWay() lets in what comes from the network, however many go on and on", async () => {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const [caller, callee] = await Promise.all([
    Deno.connect({ hostname: "127.0.0.1", port: listener.addr.port }),
    listener.accept(),
  ]);
  let rounds = 0;
  let isOver = false;
  const busy = Array.from({ length: 10 }, async (_, index) => {
    while (!isOver) {
      const startedAt = performance.now();
      while (performance.now() - startedAt < 2);
      if (index === 0) rounds += 1;
      await giveWay();
    }
  });
  const bytes = new Uint8Array(1);
  for (let pass = 0; pass < 3; pass++) {
    const read = callee.read(bytes);
    await giveWay(); // it waits by then
    await caller.write(bytes);
    await read;
  }
  const seen = rounds;
  isOver = true;
  await Promise.all(busy);
  caller.close();
  callee.close();
  assert.ok(seen < 30, `3 bytes came in ${seen} rounds of the busy ones`); // else 61 for each
});
