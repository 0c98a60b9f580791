// Counts that all servers of a community share, over a connection of their own: a flood of guesses holds up nothing else.
import type { Counts } from "../../../chat/counts.ts";
import { sleep } from "../../../waiting.ts";
import { type Lane, openLane } from "../lane.ts";
import type { DatabaseUrl } from "../url.ts";
import { PostgresRelayUse } from "./relay_use.ts";
import { clearExpired, triesInPostgres } from "./tries.ts";

const WRITE_EVERY_MS = 10_000;
const CLEAR_EVERY_MS = 10 * 60_000;

/** Opens the counts; the schema has to be there. To dispose of them writes what was counted last. */
export async function openCounts(url: DatabaseUrl): Promise<Counts & AsyncDisposable> {
  const lane = await openLane(url, { name: "counts", loseable: true });
  const relayUse = new PostgresRelayUse(lane);
  const closing = new AbortController();
  const upkeep = Promise.all([
    keepDoing(WRITE_EVERY_MS, () => relayUse.write(), closing.signal),
    keepDoing(CLEAR_EVERY_MS, () => clearAway(lane, relayUse), closing.signal),
  ]);
  return {
    tries: (limit, inMemory) => triesInPostgres(lane, limit, inMemory),
    relayUse,
    async [Symbol.asyncDispose]() {
      closing.abort(new Error("the counts were closed"));
      await upkeep;
      await relayUse.write().catch(() => {});
      await lane[Symbol.asyncDispose]();
    },
  };
}

async function clearAway(lane: Lane, relayUse: PostgresRelayUse): Promise<void> {
  await clearExpired(lane);
  await relayUse.clearOld();
}

/** Does it again and again until it is called off; what fails is tried again the next time. */
async function keepDoing(everyMs: number, work: () => Promise<void>, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    await sleep(everyMs, signal).catch(() => {});
    if (!signal.aborted) await work().catch(() => {});
  }
}
