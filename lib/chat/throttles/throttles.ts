// Throttles: how often one address or one account may be tried, how many may register from one address, and what one account
// may report.
// Failed logins are counted in three ways. One account tried from one address: a guesser is stopped there without locking out
// the owner, who comes from elsewhere. One address over all accounts: a guesser who walks through names is stopped too.
// One account over all addresses: a guesser with many is slowed, and so is nobody who has signed in to it before, with the
// same device or from the same address. A device that has signed in before is counted for itself, whatever its neighbours do.
// An address is an IPv4 address, or an IPv6 /64.
import { type RateLimiterAbstract, RateLimiterRes } from "rate-limiter-flexible";
import { ChatError } from "../../errors.ts";
import { type Counts, triesInMemory, type TryLimit } from "../counts.ts";
import { Desk, Desks } from "./desk.ts";
import { connectionEnded, FairLine, type TurnTaker } from "./fair_line.ts";
import { DEFAULT_THROTTLES, type ThrottleLimits } from "../limits.ts";
import { Pace, type PaceClock, Paces, spokenWait } from "./pace.ts";

const ADDRESSES_PER_ACCOUNT = 8; // remembered: home, work, the telephone's network, and some more
const MAX_ACCOUNTS = 20_000; // remembered; the one whose owner came the longest ago goes first

const LOGIN_WINDOW_S = 15 * 60;
const REGISTRATION_WINDOW_S = 60 * 60;
const REPORT_WINDOW_S = 60 * 60;

const COUNTED_AT_ONCE = 8; // tries of one address: where a database counts, a flood of them is to hold up itself alone

const STRANGERS_PER_SECOND = 1 / 5; // for one account: 17,000 guesses a day, from all of the world together
const MAX_STRANGERS_WAITING = 4; // for one account: the last one's answer still comes while its client waits (30 s)

export interface ThrottlesOptions {
  readonly limits?: ThrottleLimits; // DEFAULT_THROTTLES by default
  readonly tries?: Counts["tries"]; // where failed logins and registrations are counted; in memory by default
  readonly clock?: PaceClock; // time that strangers wait by; tests give their own
}

export interface LoginTry {
  readonly name: string; // of the account, which need not exist
  readonly knownDeviceId: string | null; // a device that has signed in to this account before; null for none
}

export class Throttles {
  readonly #perAccount: RateLimiterAbstract;
  readonly #perAddress: RateLimiterAbstract;
  readonly #registrations: RateLimiterAbstract;
  readonly #reports: RateLimiterAbstract;
  readonly #strangers: Paces<string>; // by name of the account
  readonly #knownAddresses = new KnownAddresses();
  readonly #desks = new Desks<string>(() =>
    new Desk(COUNTED_AT_ONCE, new FairLine(Infinity, connectionEnded))
  );
  readonly #checks = new Desks<string>(() => new Desk(1, new FairLine(Infinity, connectionEnded)));

  constructor({ limits = DEFAULT_THROTTLES, tries = triesInMemory, clock }: ThrottlesOptions = {}) {
    const counted = (limit: TryLimit) => tries(limit, triesInMemory(limit));
    const logins = (name: string, points: number) => counted({ name, points, durationS: LOGIN_WINDOW_S });
    this.#perAccount = logins("failed_logins_account", limits.failedLoginsPerAccount);
    this.#perAddress = logins("failed_logins_address", limits.failedLoginsPerAddress);
    this.#registrations = counted({
      name: "registrations",
      points: limits.registrationsPerAddress,
      durationS: REGISTRATION_WINDOW_S,
    });
    this.#reports = counted({
      name: "reports",
      points: limits.reportsPerAccount,
      durationS: REPORT_WINDOW_S,
    });
    this.#strangers = new Paces((name) =>
      new Pace({
        perSecond: STRANGERS_PER_SECOND,
        burst: limits.failedLoginsByStrangers,
        purpose: `log in as ${name}`,
        maxWaiting: MAX_STRANGERS_WAITING,
      }, clock)
    );
  }

  /**
   * Counts a login as failed before it is checked, so that many at once cannot all slip through. Waits for its turn where
   * strangers have failed too often.
   * @returns Call it when the password was right: it takes the count back.
   */
  async startLogin(taker: TurnTaker, { name, knownDeviceId }: LoginTry): Promise<() => Promise<void>> {
    const { addressGroup } = taker;
    if (knownDeviceId !== null) {
      const key = `device ${knownDeviceId}`;
      await this.#count(taker, () => take(this.#perAccount, key, `log in as ${name} with this device`));
      return async () => void await this.#perAccount.delete(key);
    }
    const key = `${addressGroup} ${name}`;
    await this.#count(taker, async () => {
      await take(this.#perAddress, addressGroup, "log in from this address");
      await take(this.#perAccount, key, `log in as ${name} from this address`);
    });
    const isStranger = !this.#knownAddresses.has(name, addressGroup);
    if (isStranger) await this.#strangers.of(name).turn(taker);
    return async () => {
      if (isStranger) this.#strangers.of(name).giveBack();
      await this.#perAddress.reward(addressGroup);
      await this.#perAccount.delete(key);
    };
  }

  /**
   * Does what goes on between the start of a login and its outcome. Logins of one account from one address, or on one device that
   * it knows, are checked one after the other: those under way count as failed, and many of them would use up what all at that
   * address may try, and keep the password desk from them.
   */
  oneByOne<T>(taker: TurnTaker, { name, knownDeviceId }: LoginTry, check: () => Promise<T>): Promise<T> {
    const key = knownDeviceId === null ? `${taker.addressGroup} ${name}` : `device ${knownDeviceId}`;
    return this.#checks.serve(key, taker, check);
  }

  /** Notes that somebody signed in to an account, by whatever means: no stranger there from now on. */
  signedIn(taker: TurnTaker, name: string): void {
    this.#knownAddresses.add(name, taker.addressGroup);
  }

  /** Counts a registration. @throws {ChatError} `rate_limited` with `retryAfterMs`. */
  startRegistration(taker: TurnTaker): Promise<void> {
    const { addressGroup } = taker;
    return this.#count(taker, () => take(this.#registrations, addressGroup, "register from this address"));
  }

  /** Counts a report. @throws {ChatError} `rate_limited` with `retryAfterMs`. */
  startReport(accountId: number): Promise<void> {
    return take(this.#reports, String(accountId), "report anybody");
  }

  #count(taker: TurnTaker, work: () => Promise<void>): Promise<void> {
    return this.#desks.serve(taker.addressGroup, taker, work);
  }
}

/** From where the owners of accounts have signed in lately. A restart forgets it, and tokens bring it back. */
class KnownAddresses {
  readonly #byName = new Map<string, Set<string>>();

  has(name: string, addressGroup: string): boolean {
    return this.#byName.get(name)?.has(addressGroup) ?? false;
  }

  add(name: string, addressGroup: string): void {
    const groups = this.#byName.get(name) ?? new Set();
    this.#byName.delete(name);
    this.#byName.set(name, groups);
    groups.delete(addressGroup);
    groups.add(addressGroup);
    dropFirst(groups, ADDRESSES_PER_ACCOUNT);
    dropFirst(this.#byName, MAX_ACCOUNTS);
  }
}

/** Drops what was put in first. */
function dropFirst<Key>(kept: Set<Key> | Map<Key, unknown>, most: number): void {
  for (const key of kept.keys()) {
    if (kept.size <= most) return;
    kept.delete(key);
  }
}

async function take(limiter: RateLimiterAbstract, key: string, what: string): Promise<void> {
  try {
    await limiter.consume(key);
  } catch (error) {
    if (!(error instanceof RateLimiterRes)) throw error;
    const retryAfterMs = error.msBeforeNext;
    const words = `Cannot ${what} now: tried too often; try again in ${spokenWait(retryAfterMs)}`;
    throw new ChatError("rate_limited", words, { retryAfterMs });
  }
}
