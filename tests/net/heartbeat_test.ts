import assert from "node:assert/strict";
import { Heartbeat } from "../../lib/net/heartbeat.ts";

/** What a heartbeat did until it declared death, with nothing ever heard. */
async function watchSilence(options: { isDeaf?: () => boolean; onQuiet?: (count: number) => void } = {}) {
  let asked = 0;
  const startedAt = performance.now();
  const silenceMs = await new Promise<number>((onDead) => {
    new Heartbeat({
      quietMs: 20,
      deadMs: 60,
      heardAt: () => startedAt,
      onQuiet: () => options.onQuiet?.(++asked),
      onDead,
      ...(options.isDeaf ? { isDeaf: options.isDeaf } : {}),
    });
  });
  return { silenceMs, asked, tookMs: performance.now() - startedAt };
}

Deno.test("Heartbeat asks during the silence, and declares death only at its end", async () => {
  const { silenceMs, asked, tookMs } = await watchSilence({ onQuiet: () => {} });
  assert.ok(asked >= 1, "asked before giving up");
  assert.ok(silenceMs >= 60 && tookMs >= 60, `${silenceMs} ms`);
});

Deno.test("Heartbeat gives the other end a new chance when its own process was stopped", async () => {
  const { asked, tookMs } = await watchSilence({
    onQuiet: (count) => {
      // What SIGSTOP does: nothing of this process runs, timers included, for longer than deadMs.
      if (count === 1) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 120);
    },
  });
  assert.ok(asked >= 2, "asked again after waking up");
  assert.ok(tookMs >= 120 + 60, `${tookMs} ms`);
});

Deno.test("Heartbeat holds no silence against the other end while nobody reads", async () => {
  let deafChecks = 0;
  const { tookMs } = await watchSilence({ isDeaf: () => ++deafChecks <= 5 });
  assert.ok(tookMs >= 5 * 20 + 60, `${tookMs} ms`);
});

Deno.test("Heartbeat stops when it is disposed of", () => {
  using _heartbeat = new Heartbeat({
    quietMs: 20,
    deadMs: 60,
    heardAt: () => 0,
    onQuiet: () => assert.fail("asked"),
    onDead: () => assert.fail("declared dead"),
  });
});
