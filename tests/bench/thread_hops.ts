/**
 * What it costs to have a commit done by another thread that sleeps, and to sleep meanwhile: two wake-ups.
 *
 * The server's store has a thread of its own, so a lone send pays this; in exchange no slow disk stalls anybody's ping.
 * @module
 */
import { join } from "node:path";
import { median } from "./report.ts";

const REPEATS = 500;
const CLOSING = -1; // in place of the count of rings: the thread shall end
const REPEATS_AT_A_PACE = 100; // 5 s at 20 a second

/** Medians, in milliseconds. */
export interface ThreadHops {
  /** Time that is not the work's. */
  readonly hopsMs: number;
  /** A write of 4 KiB that is synced. */
  readonly fsyncMs: number;
}

/**
 * @param folder On the disk that is measured.
 * @param paceMs Rest before each one, in which processors and disk may fall asleep; none by default.
 */
export async function measureThreadHops(folder: string, paceMs = 0): Promise<ThreadHops> {
  const worker = new Worker(new URL("./thread_hops_worker.ts", import.meta.url), { type: "module" });
  const bells = new Int32Array(new SharedArrayBuffer(2 * Int32Array.BYTES_PER_ELEMENT));
  const worked = new Float64Array(new SharedArrayBuffer(Float64Array.BYTES_PER_ELEMENT));
  worker.postMessage({
    bells: bells.buffer,
    worked: worked.buffer,
    path: join(folder, "hops"),
    closing: CLOSING,
  });
  const hops: number[] = [];
  const fsyncs: number[] = [];
  for (let time = 0; time < (paceMs > 0 ? REPEATS_AT_A_PACE : REPEATS); time++) {
    // The event loop turns, as it does between two messages.
    await new Promise((resolve) => setTimeout(resolve, paceMs));
    const startedAt = performance.now();
    const rung = Atomics.load(bells, 1);
    Atomics.add(bells, 0, 1);
    Atomics.notify(bells, 0);
    const heard = Atomics.waitAsync(bells, 1, rung);
    if (heard.async) await heard.value;
    fsyncs.push(worked[0]!);
    hops.push(performance.now() - startedAt - worked[0]!);
  }
  // Not terminate(): a thread that is asleep on a bell is not woken by it, and holds the process.
  Atomics.store(bells, 0, CLOSING);
  Atomics.notify(bells, 0);
  return { hopsMs: median(hops), fsyncMs: median(fsyncs) };
}
