// Counts places, and refuses callers when there is none.
import { addressGroup } from "../addresses.ts";

export interface RefusedCaller {
  readonly address: string; // its address; empty when it was not even accepted
  readonly reason:
    | "too_many"
    | "too_many_from_address"
    | "shut_out"
    | "handshake_failed"
    | "handshake_timeout"
    | "put_out"
    | "accept_failed";
  readonly message: string;
}

export class Places<Key> {
  readonly #countByKey = new Map<Key, number>();
  #count = 0;

  get count(): number {
    return this.#count;
  }

  heldBy(key: Key): number {
    return this.#countByKey.get(key) ?? 0;
  }

  /** Takes a place; give it back once, with what this returns. */
  take(key: Key): () => void {
    this.#count += 1;
    this.#countByKey.set(key, this.heldBy(key) + 1);
    return () => {
      this.#count -= 1;
      const left = this.heldBy(key) - 1;
      if (left > 0) this.#countByKey.set(key, left);
      else this.#countByKey.delete(key);
    };
  }
}

/** Places for callers: so many in all, and so many for one address (IPv6: one /64). */
export class Slots {
  readonly #most: number;
  readonly #mostPerAddress: number;
  readonly #isShutOut: (address: string) => boolean;
  readonly #places = new Places<string>();

  /** @param isShutOut Whether nobody from an address gets a place. */
  constructor(most: number, mostPerAddress: number, isShutOut: (address: string) => boolean = () => false) {
    this.#most = most;
    this.#mostPerAddress = mostPerAddress;
    this.#isShutOut = isShutOut;
  }

  get count(): number {
    return this.#places.count;
  }

  /** What keeps an address from a place, for the log; undefined when it can have one. */
  refusal(
    address: string,
  ): { reason: "too_many" | "too_many_from_address" | "shut_out"; message: string } | undefined {
    if (this.#isShutOut(address)) return { reason: "shut_out", message: "the address is banned" };
    if (this.count >= this.#most) {
      return { reason: "too_many", message: `the limit of ${this.#most} connections is reached` };
    }
    if (this.#places.heldBy(addressGroup(address)) >= this.#mostPerAddress) {
      const message = `the limit of ${this.#mostPerAddress} connections from one address is reached`;
      return { reason: "too_many_from_address", message };
    }
    return undefined;
  }

  /** Takes a place; give it back once, with what this returns. */
  take(address: string): () => void {
    return this.#places.take(addressGroup(address));
  }
}
