// A desk serves so many at once; the others wait in a line that is fair by address.
import { FairLine, type TurnTaker } from "./fair_line.ts";

export class Desk {
  readonly #places: number;
  readonly #line: FairLine;
  #served = 0;

  /** @param line Where they wait. */
  constructor(places: number, line: FairLine) {
    this.#places = places;
    this.#line = line;
  }

  get isEmpty(): boolean {
    return this.#served === 0;
  }

  /** Does work as soon as there is a place, at once if there is one now. Rejects as the work does, or as the line. */
  async serve<T>(taker: TurnTaker, work: () => Promise<T>): Promise<T> {
    if (this.#served < this.#places) this.#served++;
    else await this.#line.wait(taker);
    try {
      return await work();
    } finally {
      if (!this.#line.next()) this.#served--;
    }
  }
}

/** A desk for each of many, there while somebody is at it. */
export class Desks<Key> {
  readonly #make: () => Desk;
  readonly #desks = new Map<Key, Desk>();

  constructor(make: () => Desk) {
    this.#make = make;
  }

  get size(): number {
    return this.#desks.size;
  }

  /** Serves at the desk of a key: see {@linkcode Desk.serve}. */
  async serve<T>(key: Key, taker: TurnTaker, work: () => Promise<T>): Promise<T> {
    const desk = this.#desks.getOrInsertComputed(key, this.#make);
    try {
      return await desk.serve(taker, work);
    } finally {
      if (desk.isEmpty) this.#desks.delete(key);
    }
  }
}
