/**
 * Throttles: how often one address or one account may try to log in, to register, and to send.
 *
 * Failed logins are counted in two ways. One account tried from one address: a guesser is stopped there without locking
 * out the owner, who comes from elsewhere. One address over all accounts: a guesser who walks through names is stopped too.
 * Sends are not refused but slowed: the reply comes when it is their turn, and the connection is read no faster.
 * @module
 */
import { RateLimiterMemory, RateLimiterRes } from "rate-limiter-flexible";
import { ChatError } from "../errors.ts";

/** Rates that a server allows. */
export interface ThrottleLimits {
  /** Failed logins to one account from one address in 15 minutes. */
  readonly failedLoginsPerAccount: number;
  /** Failed logins from one address in 15 minutes, over all accounts. */
  readonly failedLoginsPerAddress: number;
  /** Registrations from one address in an hour. */
  readonly registrationsPerAddress: number;
  /** Messages a second that one account may send for long; a burst of two seconds' worth goes at once. */
  readonly sendsPerSecond: number;
}

/** Rates that serve a community behind a few shared addresses. */
export const DEFAULT_THROTTLES: ThrottleLimits = {
  failedLoginsPerAccount: 10,
  failedLoginsPerAddress: 100,
  registrationsPerAddress: 20,
  sendsPerSecond: 100,
};

const LOGIN_WINDOW_S = 15 * 60;
const REGISTRATION_WINDOW_S = 60 * 60;

/** Counts tries in memory; a restart forgets them, which costs a guesser more than it gives. */
export class Throttles {
  readonly #perAccount: RateLimiterMemory;
  readonly #perAddress: RateLimiterMemory;
  readonly #registrations: RateLimiterMemory;

  /** Starts to count. @param limits {@linkcode DEFAULT_THROTTLES} by default. */
  constructor(limits: ThrottleLimits = DEFAULT_THROTTLES) {
    this.#perAccount = limiter(limits.failedLoginsPerAccount, LOGIN_WINDOW_S);
    this.#perAddress = limiter(limits.failedLoginsPerAddress, LOGIN_WINDOW_S);
    this.#registrations = limiter(limits.registrationsPerAddress, REGISTRATION_WINDOW_S);
  }

  /**
   * Counts a login as failed before it is checked, so that many at once cannot all slip through.
   *
   * @param address Normalised address of the caller.
   * @param name Account that is tried.
   * @returns Call it when the login was right: it takes the count back.
   * @throws {ChatError} `rate_limited` with `retryAfterMs`.
   */
  async startLogin(address: string, name: string): Promise<() => Promise<void>> {
    const key = `${address} ${name}`;
    await take(this.#perAddress, address, "log in from this address");
    await take(this.#perAccount, key, `log in as ${name} from this address`);
    return async () => {
      await this.#perAddress.reward(address);
      await this.#perAccount.delete(key);
    };
  }

  /**
   * Counts a registration.
   *
   * @throws {ChatError} `rate_limited` with `retryAfterMs`.
   */
  startRegistration(address: string): Promise<void> {
    return take(this.#registrations, address, "register from this address");
  }
}

function limiter(points: number, duration: number): RateLimiterMemory {
  return new RateLimiterMemory({ points, duration });
}

async function take(limiter: RateLimiterMemory, key: string, what: string): Promise<void> {
  try {
    await limiter.consume(key);
  } catch (error) {
    if (!(error instanceof RateLimiterRes)) throw error;
    const retryAfterMs = error.msBeforeNext;
    throw new ChatError(
      "rate_limited",
      `Cannot ${what} now: tried too often; try again in ${wait(retryAfterMs)}`,
      {
        retryAfterMs,
      },
    );
  }
}

function wait(ms: number): string {
  const seconds = Math.ceil(ms / 1000);
  return seconds < 90 ? `${seconds} s` : `${Math.ceil(seconds / 60)} min`;
}

/** A token bucket whose takers wait their turn, first come first served. */
export class SendPace {
  readonly #perMs: number;
  readonly #burst: number;
  readonly #clock: PaceClock;
  #tokens: number;
  #filledAt: number;
  /** The turn of the last taker; null when nobody waits. */
  #lastTurn: Promise<void> | null = null;

  /**
   * Starts with a full bucket.
   *
   * @param perSecond Tokens a second; two seconds' worth may be taken at once.
   * @param clock Time; tests give their own.
   */
  constructor(perSecond: number, clock: PaceClock = REAL_CLOCK) {
    this.#perMs = perSecond / 1000;
    this.#burst = perSecond * 2;
    this.#clock = clock;
    this.#tokens = this.#burst;
    this.#filledAt = clock.now();
  }

  /** Takes a token. Returns nothing when it may be used at once, else a promise of the turn. */
  turn(): Promise<void> | void {
    const now = this.#clock.now();
    this.#tokens = Math.min(this.#burst, this.#tokens + (now - this.#filledAt) * this.#perMs);
    this.#filledAt = now;
    this.#tokens -= 1;
    if (this.#tokens >= 0 && !this.#lastTurn) return;
    const dueAt = now + Math.max(0, -this.#tokens / this.#perMs);
    // Behind the one before, whatever the timers do: two messages must never change places.
    const mine = (this.#lastTurn ?? Promise.resolve()).then(() =>
      this.#clock.sleep(dueAt - this.#clock.now())
    );
    this.#lastTurn = mine;
    return mine.finally(() => {
      if (this.#lastTurn === mine) this.#lastTurn = null;
    });
  }
}

/** The time that a pace is kept by. */
export interface PaceClock {
  /** Milliseconds from any fixed point; never goes back. */
  now(): number;
  /** Resolves after so many milliseconds; at once for 0 or less. */
  sleep(ms: number): Promise<void>;
}

const REAL_CLOCK: PaceClock = {
  now: () => performance.now(),
  sleep: (ms) => ms > 0 ? new Promise((resolve) => setTimeout(resolve, ms)) : Promise.resolve(),
};
