/**
 * The other thread of `thread_hops.ts`: at each ring it works as long as an insert takes, and rings back.
 * @module
 */
/// <reference lib="deno.worker" />
self.onmessage = ({ data }: MessageEvent<{ bells: SharedArrayBuffer; workMs: number }>) => {
  const bells = new Int32Array(data.bells);
  for (let heard = 0;; heard++) {
    Atomics.wait(bells, 0, heard);
    const until = performance.now() + data.workMs;
    while (performance.now() < until);
    Atomics.add(bells, 1, 1);
    Atomics.notify(bells, 1);
  }
};
