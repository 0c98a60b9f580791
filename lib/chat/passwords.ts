/**
 * Passwords: hashed with scrypt, checked in bounded numbers, upgraded when the parameters grow.
 *
 * Cost: N=2^17, r=8, p=1 (OWASP Password Storage Cheat Sheet), which takes 128 MiB and a few tenths of a second for each
 * hash. `node:crypto` computes it off the main thread. Stored in the PHC string form, so that each hash says with what
 * it was made: `$scrypt$ln=17,r=8,p=1$<salt>$<hash>`, both base64 without padding.
 * @module
 */
import { Buffer } from "node:buffer";
import { randomBytes, scrypt, timingSafeEqual } from "node:crypto";
import { ChatError } from "../errors.ts";

/** Cost of a hash: `N = 2^logN`, block size `r`, parallelism `p`; memory is `128 · N · r` bytes. */
export interface ScryptCost {
  /** Base-2 logarithm of N. */
  readonly logN: number;
  /** Block size. */
  readonly r: number;
  /** Parallelism. */
  readonly p: number;
}

/** Cost of new hashes. */
export const DEFAULT_COST: ScryptCost = { logN: 17, r: 8, p: 1 };

/** Hashes computed at once: each takes 128 MiB and a whole core. */
const MAX_AT_ONCE = 2;

/** Checks that may wait for their turn; more would wait longer than a person does. */
const MAX_WAITING = 64;

const SALT_BYTES = 16;
const HASH_BYTES = 32;

/** What a check found. */
export type PasswordCheck = {
  /** True when the password is the right one. */
  readonly isRight: boolean;
  /** True when it is right and its hash was made with another cost than new ones: store a new hash. */
  readonly needsRehash: boolean;
};

/** Hashes and checks passwords, a bounded number at a time. */
export class Passwords {
  readonly #cost: ScryptCost;
  readonly #waiting: (() => void)[] = [];
  #running = 0;
  /** Checked when a name is unknown, so that it costs the same as a wrong password. */
  readonly #nobody: string;

  /** Hashes at this cost. @param cost Cost of new hashes; {@linkcode DEFAULT_COST} by default, tests use a low one. */
  constructor(cost: ScryptCost = DEFAULT_COST) {
    this.#cost = cost;
    this.#nobody = format(cost, randomBytes(SALT_BYTES), randomBytes(HASH_BYTES));
  }

  /**
   * Hashes a password with a new random salt.
   *
   * @param password As typed; NFKC is applied, so that two keyboards which compose a letter differently agree.
   * @returns PHC string.
   * @throws {ChatError} `unavailable` when too many wait already.
   */
  async hash(password: string): Promise<string> {
    const salt = randomBytes(SALT_BYTES);
    return format(this.#cost, salt, await this.#derive(password, salt, this.#cost, HASH_BYTES));
  }

  /**
   * Compares a password with a stored hash, in constant time.
   *
   * @param password As typed.
   * @param stored PHC string, or `null` for a name that does not exist: the answer is then no, after the same work.
   * @throws {ChatError} `unavailable` when too many wait already.
   */
  async check(password: string, stored: string | null): Promise<PasswordCheck> {
    const { cost, salt, hash } = parse(stored ?? this.#nobody);
    const derived = await this.#derive(password, salt, cost, hash.length);
    const isRight = timingSafeEqual(derived, hash) && stored !== null;
    const isCurrent = cost.logN === this.#cost.logN && cost.r === this.#cost.r && cost.p === this.#cost.p;
    return { isRight, needsRehash: isRight && !isCurrent };
  }

  async #derive(password: string, salt: Buffer, cost: ScryptCost, bytes: number): Promise<Buffer> {
    await this.#enter();
    try {
      return await new Promise<Buffer>((resolve, reject) => {
        const N = 2 ** cost.logN;
        const options = { N, r: cost.r, p: cost.p, maxmem: 256 * N * cost.r };
        scrypt(password.normalize("NFKC"), salt, bytes, options, (error, key) => {
          if (error) reject(error);
          else resolve(key);
        });
      });
    } finally {
      this.#leave();
    }
  }

  #enter(): Promise<void> | void {
    if (this.#running < MAX_AT_ONCE) {
      this.#running++;
      return;
    }
    if (this.#waiting.length >= MAX_WAITING) {
      throw new ChatError("unavailable", "Cannot check the password now: too many logins wait", {
        retryAfterMs: 5_000,
      });
    }
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  #leave(): void {
    const next = this.#waiting.shift();
    if (next) next();
    else this.#running--;
  }
}

function format(cost: ScryptCost, salt: Buffer, hash: Buffer): string {
  return `$scrypt$ln=${cost.logN},r=${cost.r},p=${cost.p}$${unpadded(salt)}$${unpadded(hash)}`;
}

function unpadded(bytes: Buffer): string {
  return bytes.toString("base64").replace(/=+$/, "");
}

function parse(stored: string): { cost: ScryptCost; salt: Buffer; hash: Buffer } {
  const match = /^\$scrypt\$ln=(\d+),r=(\d+),p=(\d+)\$([A-Za-z0-9+/]+)\$([A-Za-z0-9+/]+)$/.exec(stored);
  if (!match) {
    throw new TypeError("Cannot read a stored password hash: not the form $scrypt$ln=…,r=…,p=…$salt$hash");
  }
  const [, logN, r, p, salt, hash] = match as unknown as [string, string, string, string, string, string];
  return {
    cost: { logN: Number(logN), r: Number(r), p: Number(p) },
    salt: Buffer.from(salt, "base64"),
    hash: Buffer.from(hash, "base64"),
  };
}
