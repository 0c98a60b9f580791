// Ports of what is counted against somebody: tries of an address or an account, and bytes relayed for an account. The servers of
// a community count together, so that nobody gains by going from one to the other; a server that is alone counts in memory.
import { type RateLimiterAbstract, RateLimiterMemory, type RateLimiterRes } from "rate-limiter-flexible";

export interface TryLimit {
  readonly name: string; // of what is counted, apart from all others
  readonly points: number; // tries
  readonly durationS: number; // since the first of them; then counting begins anew
}

export interface Counts {
  /** @param inMemory Counts in its place while it cannot. */
  tries(limit: TryLimit, inMemory: RateLimiterAbstract): RateLimiterAbstract;
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

/**
 * Whoever may be counted at once, for each limit: 25 MiB. Beyond it the one whose last try was the longest ago is forgotten: whoever
 * has so many addresses gains nothing by that, and a caller with a network of them (IPv6) could fill the memory otherwise.
 */
export const MAX_COUNTED = 20_000;

/** Tries counted in memory, of the last {@linkcode MAX_COUNTED} who tried. */
export function triesInMemory({ points, durationS }: TryLimit): RateLimiterMemory {
  return new BoundedTries({ points, duration: durationS });
}

class BoundedTries extends RateLimiterMemory {
  readonly #counted = new Set<string | number>(); // whose last try was the longest ago first; some may have expired

  override consume(...args: Parameters<RateLimiterMemory["consume"]>): Promise<RateLimiterRes> {
    const [key] = args;
    this.#counted.delete(key);
    this.#counted.add(key);
    const [first] = this.#counted;
    if (this.#counted.size > MAX_COUNTED) this.delete(first!);
    return super.consume(...args);
  }

  override delete(key: string | number): Promise<boolean> {
    this.#counted.delete(key);
    return super.delete(key);
  }
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
