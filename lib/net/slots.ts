/**
 * Places for callers: so many in all, and so many for one address.
 * @module
 */
import { addressGroup } from "../addresses.ts";

/** A caller that got no connection. */
export interface RefusedCaller {
  readonly address: string; // its address; empty when it was not even accepted
  readonly reason:
    | "too_many"
    | "too_many_from_address"
    | "handshake_failed"
    | "handshake_timeout"
    | "put_out"
    | "accept_failed";
  readonly message: string;
}

export class Slots {
  readonly #most: number;
  readonly #mostPerAddress: number;
  readonly #countByGroup = new Map<string, number>();
  #count = 0;

  constructor(most: number, mostPerAddress: number) {
    this.#most = most;
    this.#mostPerAddress = mostPerAddress;
  }

  get count(): number {
    return this.#count;
  }

  /** What keeps an address from a place, for the log; undefined when it can have one. */
  refusal(address: string): { reason: "too_many" | "too_many_from_address"; message: string } | undefined {
    if (this.#count >= this.#most) {
      return { reason: "too_many", message: `${this.#most} connections are the most taken` };
    }
    if ((this.#countByGroup.get(addressGroup(address)) ?? 0) >= this.#mostPerAddress) {
      const message = `${this.#mostPerAddress} connections are the most taken from one address`;
      return { reason: "too_many_from_address", message };
    }
    return undefined;
  }

  /** Takes a place; give it back once, with what this returns. */
  take(address: string): () => void {
    const group = addressGroup(address);
    this.#count += 1;
    this.#countByGroup.set(group, (this.#countByGroup.get(group) ?? 0) + 1);
    return () => {
      this.#count -= 1;
      const left = (this.#countByGroup.get(group) ?? 1) - 1;
      if (left > 0) this.#countByGroup.set(group, left);
      else this.#countByGroup.delete(group);
    };
  }
}
