/**
 * Somebody who is not meant by any fault, and asks the server all the time whether it is there.
 * @module
 */
import { LoadConnection, type Target } from "../bench/load.ts";
import type { Person } from "../helpers/population.ts";

/** Pause between two pings, and before a new try, in milliseconds. */
const PAUSE_MS = 20;

/** Pings on a connection of its own, which it makes again at once when it breaks. */
export class Watcher {
  readonly #answers: number[] = []; // when each answer came, on the clock of performance.now()
  readonly #running: Promise<void>;
  readonly #stopping = new AbortController();
  #connection: LoadConnection | undefined;

  /** Starts to ask. */
  constructor(target: Target, person: Pick<Person, "token">) {
    this.#running = this.#run(target, person);
  }

  /** The longest time without an answer that began or ended within these times, in milliseconds. */
  longestStallMs(from: number, to: number): number {
    let longest = 0;
    for (let index = 1; index <= this.#answers.length; index++) {
      const before = this.#answers[index - 1]!;
      const after = this.#answers[index] ?? performance.now();
      if (after > from && before < to) longest = Math.max(longest, after - before);
    }
    return longest;
  }

  /** Stops. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    this.#connection?.close();
    await this.#running;
  }

  async #run(target: Target, person: Pick<Person, "token">): Promise<void> {
    const { signal } = this.#stopping;
    while (!signal.aborted) {
      try {
        this.#connection ??= await LoadConnection.signIn(target, person, signal);
        await this.#connection.ask("ping", {});
        this.#answers.push(performance.now());
      } catch {
        this.#connection?.close();
        this.#connection = undefined;
      }
      await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
    }
    this.#connection?.close(); // one that was signed in while it stopped
  }
}
