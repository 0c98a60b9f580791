/**
 * Notices what happens to this machine: that it slept, and that it has other addresses now.
 * @module
 */

/** A timer that comes this late means that the machine was suspended, and not only busy. */
const SUSPENDED_MS = 10_000;

export interface MachineWatchOptions {
  readonly everyMs: number;
  readonly now: () => number;
  readonly listAddresses: (() => readonly string[]) | undefined;
  readonly onMoved: (addresses: readonly string[]) => void;
  readonly onWokenUp: () => void; // the wall clock has gone on further than our timer
}

export function watchMachine(options: MachineWatchOptions): Disposable {
  const { everyMs, now, listAddresses = listOwnAddresses } = options;
  let lastAt = now();
  let lastAddresses = listAddresses().join();
  const timer = setInterval(() => {
    const at = now();
    const wasSuspended = at - lastAt - everyMs > SUSPENDED_MS;
    lastAt = at;
    const addresses = listAddresses();
    const hasMoved = addresses.join() !== lastAddresses;
    lastAddresses = addresses.join();
    if (hasMoved) options.onMoved(addresses);
    else if (wasSuspended) options.onWokenUp();
  }, everyMs);
  return { [Symbol.dispose]: () => clearInterval(timer) };
}

function listOwnAddresses(): string[] {
  return Deno.networkInterfaces().map(({ address }) => address);
}
