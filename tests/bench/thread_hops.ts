/**
 * What it costs to have work done by another thread that sleeps, and to sleep meanwhile: two wake-ups.
 *
 * The server's store has a thread of its own, so a lone send pays this; in exchange no slow disk stalls anybody's ping.
 * @module
 */
import { median } from "./report.ts";

/** As long as an insert on a quick disk: without it this thread would not be asleep yet when the other has done. */
const WORK_MS = 0.2;

const REPEATS = 1_000;

/** Median of the time that is not the work's, in milliseconds. */
export async function measureThreadHops(): Promise<number> {
  const worker = new Worker(new URL("./thread_hops_worker.ts", import.meta.url), { type: "module" });
  const bells = new Int32Array(new SharedArrayBuffer(2 * Int32Array.BYTES_PER_ELEMENT));
  worker.postMessage({ bells: bells.buffer, workMs: WORK_MS });
  const taken: number[] = [];
  for (let time = 0; time < REPEATS; time++) {
    // The event loop turns, as it does between two messages.
    await new Promise((resolve) => setTimeout(resolve, 0));
    const startedAt = performance.now();
    const rung = Atomics.load(bells, 1);
    Atomics.add(bells, 0, 1);
    Atomics.notify(bells, 0);
    const heard = Atomics.waitAsync(bells, 1, rung);
    if (heard.async) await heard.value;
    taken.push(performance.now() - startedAt - WORK_MS);
  }
  worker.terminate();
  return median(taken);
}
