/**
 * From where the owners of accounts have signed in lately. In memory: a restart forgets it, and tokens bring it back.
 * @module
 */

/** Addresses remembered for each account: home, work, the telephone's network, and some more. */
const ADDRESSES_PER_ACCOUNT = 8;

/** Accounts remembered; the one whose owner came the longest ago goes first. */
const MAX_ACCOUNTS = 20_000;

/** The address groups that each account was signed in from, the latest ones. */
export class KnownAddresses {
  readonly #byName = new Map<string, Set<string>>();

  /** Whether an account was signed in from there lately. */
  has(name: string, addressGroup: string): boolean {
    return this.#byName.get(name)?.has(addressGroup) ?? false;
  }

  /** Notes that it was. */
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

/** Drops what was put in first while there is more than so much. */
function dropFirst<Key>(kept: Set<Key> | Map<Key, unknown>, most: number): void {
  for (const key of kept.keys()) {
    if (kept.size <= most) return;
    kept.delete(key);
  }
}
