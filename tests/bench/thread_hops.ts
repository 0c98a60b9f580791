/**
 * What it costs to have a commit done by another thread that sleeps, and to sleep meanwhile: two wake-ups.
 *
 * The server's store has a thread of its own, so a lone send pays this; in exchange no slow disk stalls anybody's ping.
 * @module
 */
import { join } from "node:path";
import { median } from "./report.ts";

const REPEATS = 500;

/**
 * @param folder On the disk that is measured.
 * @returns Median of the time that is not the work's, in milliseconds.
 */
export async function measureThreadHops(folder: string): Promise<number> {
  const worker = new Worker(new URL("./thread_hops_worker.ts", import.meta.url), { type: "module" });
  const bells = new Int32Array(new SharedArrayBuffer(2 * Int32Array.BYTES_PER_ELEMENT));
  const worked = new Float64Array(new SharedArrayBuffer(Float64Array.BYTES_PER_ELEMENT));
  worker.postMessage({ bells: bells.buffer, worked: worked.buffer, path: join(folder, "hops") });
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
    taken.push(performance.now() - startedAt - worked[0]!);
  }
  worker.terminate();
  return median(taken);
}
