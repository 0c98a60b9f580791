/**
 * The other thread of `thread_hops.ts`: at each ring it writes to a file and syncs it, as a commit does, and rings back.
 * @module
 */
/// <reference lib="deno.worker" />
self.onmessage = (
  { data }: MessageEvent<
    { bells: SharedArrayBuffer; worked: SharedArrayBuffer; path: string; closing: number }
  >,
) => {
  const bells = new Int32Array(data.bells);
  const worked = new Float64Array(data.worked);
  const file = Deno.openSync(data.path, { create: true, write: true });
  const block = new Uint8Array(4096);
  for (let heard = 0;; heard++) {
    Atomics.wait(bells, 0, heard);
    if (Atomics.load(bells, 0) === data.closing) break;
    const startedAt = performance.now();
    file.writeSync(block);
    file.syncDataSync();
    worked[0] = performance.now() - startedAt;
    Atomics.add(bells, 1, 1);
    Atomics.notify(bells, 1);
  }
  file.close();
  self.close();
};
