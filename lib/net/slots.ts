// Counts places, and refuses callers when there is none.
import { addressGroup, addressSite } from "../addresses.ts";

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

/** The place of one caller. */
export interface Place {
  /** From now on others may have it when places become few: then `giveWay` is called, once, and has to end the caller's stay. */
  offer(giveWay: () => void): void;
  /** It is no longer offered. */
  keep(): void;
  /** Gives it back; a second time does nothing. */
  release(): void;
}

/**
 * Places for callers: so many in all, and so many for one address (IPv6: one /64). Callers who may be anybody offer theirs: where
 * fewer than `spare` are free, and more than `spare` are offered, each newcomer takes the place of the one who has been there the
 * longest, of the customer (IPv6: a /48) with the most of them.
 */
export class Slots {
  readonly #most: number;
  readonly #mostPerAddress: number;
  readonly #spare: number;
  readonly #isShutOut: (address: string) => boolean;
  readonly #places = new Places<string>();
  readonly #offers = new Map<string, Set<() => void>>(); // by site, no empty set; the oldest first
  #offerCount = 0;

  /** @param isShutOut Whether nobody from an address gets a place. */
  constructor(
    most: number,
    mostPerAddress: number,
    spare = 0,
    isShutOut: (address: string) => boolean = () => false,
  ) {
    this.#most = most;
    this.#mostPerAddress = mostPerAddress;
    this.#spare = spare;
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

  take(address: string): Place {
    const giveBack = this.#places.take(addressGroup(address));
    if (this.#most - this.count < this.#spare && this.#offerCount > this.#spare) this.makeRoom();
    const site = addressSite(address);
    let offered: (() => void) | undefined;
    let isHeld = true;
    const keep = () => {
      if (offered) this.#withdraw(site, offered);
      offered = undefined;
    };
    return {
      offer: (giveWay) => {
        if (!isHeld || offered) return;
        offered = () => {
          keep();
          giveWay();
        };
        this.#offers.getOrInsertComputed(site, () => new Set()).add(offered);
        this.#offerCount += 1;
      },
      keep,
      release: () => {
        keep();
        if (isHeld) giveBack();
        isHeld = false;
      },
    };
  }

  #withdraw(site: string, offer: () => void): void {
    const offers = this.#offers.get(site)!;
    offers.delete(offer);
    if (offers.size === 0) this.#offers.delete(site);
    this.#offerCount -= 1;
  }

  /**
   * Has whoever would be next give way, if anybody offers their place. It is free only once they have really gone: until then a
   * newcomer has one that was spare.
   */
  makeRoom(): void {
    let most = new Set<() => void>();
    for (const offers of this.#offers.values()) if (offers.size > most.size) most = offers;
    const [oldest] = most;
    oldest?.();
  }

  /**
   * The same after something failed, if it did because this process may open no more files: callers hold most of them.
   * @returns Whether that was why.
   */
  makeRoomAfter(error: unknown): boolean {
    const { code } = error as { code?: unknown };
    const isOutOfFiles = code === "EMFILE" || code === "ENFILE";
    if (isOutOfFiles) this.makeRoom();
    return isOutOfFiles;
  }
}
