// A line that is fair by address: whoever fills it with many waits behind themselves, and everybody else goes in between.
// It knows who waits and who is next, nothing of what they wait for or of when the next may go.
import { ChatError } from "../../errors.ts";

export interface TurnTaker {
  readonly addressGroup: string; // the part of its address that one household or host can choose freely (IPv6: a /64)
  readonly hasEnded: boolean; // its owner can take no more turns
}

type Waiting = PromiseWithResolvers<void> & { readonly taker: TurnTaker };

/** Those who wait for a turn: each address group's first in turn, and within a group first come first served. */
export class FairLine {
  readonly #maxWaiting: number;
  readonly #whenFull: () => ChatError;
  readonly #groups = new Map<string, Waiting[]>(); // no empty list; in the order of the groups' turns
  #length = 0;

  /** @param whenFull What is told to the last of the group that has the most in line, when one more comes. */
  constructor(maxWaiting: number, whenFull: () => ChatError) {
    this.#maxWaiting = maxWaiting;
    this.#whenFull = whenFull;
  }

  get length(): number {
    return this.#length;
  }

  /** @throws {ChatError} What the line says when it is full; `unavailable` when the taker was gone at its turn. */
  wait(taker: TurnTaker): Promise<void> {
    const waiting: Waiting = { taker, ...Promise.withResolvers<void>() };
    this.#groups.getOrInsert(taker.addressGroup, []).push(waiting);
    this.#length++;
    if (this.#length > this.#maxWaiting) this.#dropOne();
    return waiting.promise;
  }

  /** Gives the next turn. False when nobody waits for one. */
  next(): boolean {
    for (const [group, waiting] of this.#groups) {
      const { taker, resolve, reject } = waiting.shift()!;
      this.#length--;
      // To the end of the round, behind those of whom none had a turn since.
      this.#groups.delete(group);
      if (waiting.length > 0) this.#groups.set(group, waiting);
      if (!taker.hasEnded) {
        resolve();
        return true;
      }
      reject(connectionEnded());
    }
    return false;
  }

  #dropOne(): void {
    let [longest, most]: [string, Waiting[]] = ["", []];
    for (const [group, waiting] of this.#groups) {
      if (waiting.length >= most.length) [longest, most] = [group, waiting];
    }
    most.pop()!.reject(this.#whenFull());
    this.#length--;
    if (most.length === 0) this.#groups.delete(longest);
  }
}

/** What is said, to the log at most, when the caller of a request has hung up. */
export function connectionEnded(): ChatError {
  return new ChatError("unavailable", "Cannot answer: the connection has ended");
}
