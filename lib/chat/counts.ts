// Ports of what is counted against somebody: tries of an address or an account, and bytes relayed for an account. The servers of
// a community count together, so that nobody gains by going from one to the other; a server that is alone counts in memory.
import { type RateLimiterAbstract, RateLimiterMemory } from "rate-limiter-flexible";

export interface TryLimit {
  readonly name: string; // of what is counted, apart from all others
  readonly points: number; // tries
  readonly durationS: number; // since the first of them; then counting begins anew
}

export interface Counts {
  tries(limit: TryLimit): RateLimiterAbstract;
  readonly relayUse: RelayUse;
}

export interface RelayedToday {
  readonly bytes: number;
  readonly until: number; // epoch ms, when the account begins a new day
}

/** How much is relayed for each account in a day. */
export interface RelayUse {
  /** Never rejects: while nobody can say what others have counted, what was counted here is all. */
  today(accountId: number): Promise<RelayedToday>;
  /** Never throws and never waits. */
  add(accountId: number, bytes: number): void;
}

const DAY_MS = 24 * 3_600_000;

/** Counts that a restart forgets: that costs a guesser more than it gives. */
export function countsInMemory(): Counts {
  return { tries: triesInMemory, relayUse: new RelayUseInMemory() };
}

/** Tries counted in memory. */
export function triesInMemory({ points, durationS }: TryLimit): RateLimiterMemory {
  return new RateLimiterMemory({ points, duration: durationS });
}

/** An account's day begins with its first byte. */
class RelayUseInMemory implements RelayUse {
  readonly #today = new Map<number, { bytes: number; readonly until: number }>();

  today(accountId: number): Promise<RelayedToday> {
    const { bytes, until } = this.#of(accountId);
    return Promise.resolve({ bytes, until });
  }

  add(accountId: number, bytes: number): void {
    this.#of(accountId).bytes += bytes;
  }

  #of(accountId: number): { bytes: number; readonly until: number } {
    const now = Date.now();
    const known = this.#today.get(accountId);
    if (known && now < known.until) return known;
    // Whoever begins a day clears away the days that are over, so the table holds only who was here lately.
    for (const [id, { until }] of this.#today) if (now >= until) this.#today.delete(id);
    const fresh = { bytes: 0, until: now + DAY_MS };
    this.#today.set(accountId, fresh);
    return fresh;
  }
}
