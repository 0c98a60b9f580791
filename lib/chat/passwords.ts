// Passwords: hashed with scrypt, checked in bounded numbers, upgraded when the parameters grow.
// Cost: N=2^17, r=8, p=1 (OWASP Password Storage Cheat Sheet), which takes 128 MiB and a few tenths of a second for each
// hash. `node:crypto` computes it off the main thread. Stored in the PHC string form, so that each hash says with what
// it was made: `$scrypt$ln=17,r=8,p=1$<salt>$<hash>`, both base64 without padding.
import { Buffer } from "node:buffer";
import { type BinaryLike, randomBytes, scrypt, type ScryptOptions, timingSafeEqual } from "node:crypto";
import { promisify } from "node:util";
import { ChatError } from "../errors.ts";
import { Desk } from "./throttles/desk.ts";
import { FairLine, type TurnTaker } from "./throttles/fair_line.ts";

/** Cost of a hash: `N = 2^logN`, block size `r`, parallelism `p`; memory is `128 · N · r` bytes. */
export interface ScryptCost {
  readonly logN: number;
  readonly r: number;
  readonly p: number;
}

export const DEFAULT_COST: ScryptCost = { logN: 17, r: 8, p: 1 };

const MAX_AT_ONCE = 2; // hashes: each takes 128 MiB and a whole core
const MAX_RETURNING_AT_ONCE = 1; // beside them, for devices that have signed in before
const MAX_WAITING = 64; // hashes; more would wait longer than a person does
const RETRY_AFTER_MS = 5_000; // for those who had to leave the line

const OPERATOR: PasswordTaker = { addressGroup: "", hasEnded: false };

export interface PasswordTaker extends TurnTaker {
  /**
   * Name of the account to which the same device has signed in before: so it has a line that no stranger is in, and each account
   * one share of it. Unset for anybody else.
   */
  readonly returningTo?: string;
}

const scryptKey = promisify<BinaryLike, BinaryLike, number, ScryptOptions, Buffer>(scrypt);

const SALT_BYTES = 16;
const HASH_BYTES = 32;

/** Hashes and checks passwords, a bounded number at a time, for each address group (or returning account) in turn. */
export class Passwords {
  readonly #cost: ScryptCost;
  readonly #desk = new Desk(MAX_AT_ONCE, new FairLine(MAX_WAITING, tooManyWait));
  readonly #returningDesk = new Desk(MAX_RETURNING_AT_ONCE, new FairLine(MAX_WAITING, tooManyWait));
  readonly #nobody: string; // checked when a name is unknown, so that it costs the same as a wrong password

  /** @param cost Of new hashes; tests use a low one. */
  constructor(cost: ScryptCost = DEFAULT_COST) {
    this.#cost = cost;
    this.#nobody = format(cost, randomBytes(SALT_BYTES), randomBytes(HASH_BYTES));
  }

  /**
   * Makes the PHC string of a password, with a new random salt.
   * @throws {ChatError} `unavailable` when too many wait, most of them from the taker's addresses, or the taker was gone.
   */
  async hash(password: string, taker: PasswordTaker = OPERATOR): Promise<string> {
    const salt = randomBytes(SALT_BYTES);
    const hash = await this.#serve(taker, () => derive(password, salt, this.#cost, HASH_BYTES));
    return format(this.#cost, salt, hash);
  }

  /**
   * Compares a password with a stored PHC string, in constant time; throws as `hash` does.
   * @param stored `null` for a name that does not exist: the answer is then no, after the same work.
   * @returns `needsRehash`: right, and the hash was made at another cost than new ones, so store a new one.
   */
  async check(
    password: string,
    stored: string | null,
    taker: PasswordTaker = OPERATOR,
  ): Promise<{ readonly isRight: boolean; readonly needsRehash: boolean }> {
    const { cost, salt, hash } = parse(stored ?? this.#nobody);
    const derived = await this.#serve(taker, () => derive(password, salt, cost, hash.length));
    const isRight = timingSafeEqual(derived, hash) && stored !== null;
    const isCurrent = cost.logN === this.#cost.logN && cost.r === this.#cost.r && cost.p === this.#cost.p;
    return { isRight, needsRehash: isRight && !isCurrent };
  }

  #serve<T>(taker: PasswordTaker, work: () => Promise<T>): Promise<T> {
    const { returningTo } = taker;
    if (returningTo === undefined) return this.#desk.serve(taker, work);
    const returning: TurnTaker = {
      addressGroup: returningTo,
      get hasEnded() {
        return taker.hasEnded;
      },
    };
    return this.#returningDesk.serve(returning, work);
  }
}

function tooManyWait(): ChatError {
  return new ChatError("unavailable", "Cannot check the password now: too many logins are waiting", {
    retryAfterMs: RETRY_AFTER_MS,
  });
}

/** As typed on any keyboard: some compose a letter differently, and NFKC makes them agree. */
function derive(password: string, salt: Buffer, cost: ScryptCost, bytes: number): Promise<Buffer> {
  const N = 2 ** cost.logN;
  const options = { N, r: cost.r, p: cost.p, maxmem: 256 * N * cost.r };
  return scryptKey(password.normalize("NFKC"), salt, bytes, options);
}

function format(cost: ScryptCost, salt: Buffer, hash: Buffer): string {
  return `$scrypt$ln=${cost.logN},r=${cost.r},p=${cost.p}$${base64(salt)}$${base64(hash)}`;
}

function base64(bytes: Uint8Array): string {
  return bytes.toBase64({ omitPadding: true });
}

function parse(stored: string): { cost: ScryptCost; salt: Buffer; hash: Buffer } {
  const match = /^\$scrypt\$ln=(\d+),r=(\d+),p=(\d+)\$([A-Za-z0-9+/]+)\$([A-Za-z0-9+/]+)$/.exec(stored);
  if (!match) {
    throw new TypeError("Cannot read a stored password hash: it is not $scrypt$ln=…,r=…,p=…$salt$hash");
  }
  const [, logN, r, p, salt, hash] = match as unknown as [string, string, string, string, string, string];
  return {
    cost: { logN: Number(logN), r: Number(r), p: Number(p) },
    salt: Buffer.from(salt, "base64"),
    hash: Buffer.from(hash, "base64"),
  };
}
