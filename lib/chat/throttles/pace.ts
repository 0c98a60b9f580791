// Paces: how fast somebody may go on. Nobody is refused for being fast, but made to wait for a turn.
import { ChatError } from "../../errors.ts";
import { sleep } from "../../waiting.ts";
import { FairLine, type TurnTaker } from "./fair_line.ts";

export interface PaceRate {
  readonly perSecond: number; // turns, for long
  readonly burst: number; // turns that may be taken at once after a rest
  readonly purpose: string; // of a turn, to be read after "Cannot"
  readonly maxWaiting?: number; // any number by default
}

export interface PaceClock {
  now(): number; // milliseconds from any fixed point; never goes back
  sleep(ms: number): Promise<void>;
}

const REAL_CLOCK: PaceClock = { now: () => performance.now(), sleep };

const TOKEN = 1 - 1e-6; // counts as a whole one: what is lost in adding up fractions must not cost a wait

/** A token bucket whose takers wait their turn: fair by address group, in order within one. */
export class Pace {
  readonly #rate: PaceRate;
  readonly #clock: PaceClock;
  readonly #line: FairLine;
  #tokens: number;
  #filledAt: number;
  #isServing = false;

  constructor(rate: PaceRate, clock: PaceClock = REAL_CLOCK) {
    const { burst, purpose, maxWaiting = Infinity } = rate;
    this.#rate = rate;
    this.#clock = clock;
    this.#tokens = burst;
    this.#filledAt = clock.now();
    this.#line = new FairLine(maxWaiting, () => {
      const retryAfterMs = Math.ceil(this.#msUntil(maxWaiting));
      const words = `Cannot ${purpose} now: too many are waiting; try again in ${spokenWait(retryAfterMs)}`;
      return new ChatError("rate_limited", words, { retryAfterMs });
    });
  }

  /** True when the burst may be taken: a new pace is no different from this one. */
  get isRested(): boolean {
    this.#fill();
    return !this.#isServing && this.#tokens >= this.#rate.burst;
  }

  /** Takes a turn. Returns nothing when it may be used at once, else a promise of it, which rejects when too many wait. */
  turn(taker: TurnTaker): Promise<void> | void {
    this.#fill();
    if (!this.#isServing && this.#tokens >= TOKEN) {
      this.#tokens -= 1;
      return;
    }
    const turn = this.#line.wait(taker);
    if (!this.#isServing) void this.#serve();
    return turn;
  }

  giveBack(): void {
    this.#tokens = Math.min(this.#rate.burst, this.#tokens + 1);
  }

  async #serve(): Promise<void> {
    this.#isServing = true;
    while (this.#line.length > 0) {
      this.#fill();
      if (this.#tokens < TOKEN) {
        await this.#clock.sleep(this.#msUntil(1));
      } else if (this.#line.next()) {
        this.#tokens -= 1;
        // Until the taker has gone on, nobody may take a turn at once: two messages must never change places.
        await Promise.resolve();
      }
    }
    this.#isServing = false;
  }

  #fill(): void {
    const now = this.#clock.now();
    const { perSecond, burst } = this.#rate;
    this.#tokens = Math.min(burst, this.#tokens + (now - this.#filledAt) * perSecond / 1000);
    this.#filledAt = now;
  }

  #msUntil(tokens: number): number {
    return (tokens - this.#tokens) * 1000 / this.#rate.perSecond;
  }
}

/**
 * The paces of many, each remembered until it is rested: then a new one is the same. So coming back under a new connection
 * changes nothing, and only those who went on lately cost memory.
 */
export class Paces<Key> {
  readonly #make: (key: Key) => Pace; // a rested one
  readonly #paces = new Map<Key, Pace>(); // the one that was looked at, or used, the longest ago first

  constructor(make: (key: Key) => Pace) {
    this.#make = make;
  }

  get size(): number {
    return this.#paces.size;
  }

  /** The pace of a key; ask for it at each turn, and keep it no longer. */
  of(key: Key): Pace {
    const pace = this.#paces.get(key) ?? this.#make(key);
    this.#paces.delete(key);
    this.#paces.set(key, pace);
    this.#forgetRested();
    return pace;
  }

  /**
   * Two are looked at for each one that may have come, so that the number goes down as they rest. One that goes on is looked at
   * again when all others have been: it must not keep those behind it, which may be very many.
   */
  #forgetRested(): void {
    let looks = 2;
    for (const [key, pace] of this.#paces) {
      if (looks-- === 0 || this.#paces.size === 1) return;
      this.#paces.delete(key);
      if (pace.isRested) continue;
      this.#paces.set(key, pace);
      return;
    }
  }
}

export function spokenWait(ms: number): string {
  const seconds = Math.ceil(ms / 1000);
  return seconds < 90 ? `${seconds} s` : `${Math.ceil(seconds / 60)} min`;
}
