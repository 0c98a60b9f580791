/**
 * Two ordinary people on a server that is under attack: they write to each other, and everything has to work.
 * @module
 */
import type { Person } from "../helpers/population.ts";
import { type FuzzTarget, HostileConnection } from "./hostile_connection.ts";

/** Pause between two requests, in milliseconds. */
const PAUSE_MS = 20;

/** Ana and Bob, going about their business. */
export class Bystanders {
  /** Rejects when a request of theirs fails; resolves when they are stopped. */
  readonly failed: Promise<void>;
  #requests = 0;
  #longestWaitMs = 0;
  #isStopped = false;

  private constructor(connections: readonly HostileConnection[], people: readonly Person[]) {
    this.failed = this.#run(connections, people);
    this.failed.catch(() => {});
  }

  /** Signs them in and lets them begin. */
  static async begin(target: FuzzTarget, people: readonly Person[]): Promise<Bystanders> {
    const connections = await Promise.all(people.map(async ({ token }) => {
      const connection = await HostileConnection.open(target);
      await connection.ask("hello", { protocol: 1, client: { name: "bystander", version: "0" } });
      await connection.ask("resume", { token });
      await connection.ask("subscribe", {});
      return connection;
    }));
    return new Bystanders(connections, people);
  }

  /** What they did so far. */
  get tally(): { readonly bystanderRequests: number; readonly longestWaitMs: number } {
    return { bystanderRequests: this.#requests, longestWaitMs: this.#longestWaitMs };
  }

  /** Lets them finish what they are doing. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    await this.failed.catch(() => {});
  }

  async #run(connections: readonly HostileConnection[], people: readonly Person[]): Promise<void> {
    try {
      await Promise.all(connections.map((connection, index) => {
        const [friend, other] = [people[1 - index]!, connections[1 - index]!];
        return this.#talk(connection, friend, other);
      }));
    } finally {
      for (const connection of connections) connection.close();
    }
  }

  async #talk(connection: HostileConnection, friend: Person, other: HostileConnection): Promise<void> {
    while (!this.#isStopped) {
      const startedAt = performance.now();
      const arrived = other.event("message_received");
      const message = { id: crypto.randomUUID(), to: friend.name, text: "all is well" };
      const [, event] = await Promise.all([connection.ask("send_message", message), arrived]);
      if (event.id !== message.id) throw new Error("A bystander received another message than was sent");
      await connection.ask("list_users", { name: friend.name });
      await other.ask("acknowledge", { read: event.sequence });
      this.#longestWaitMs = Math.max(this.#longestWaitMs, performance.now() - startedAt);
      this.#requests += 3;
      await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
    }
  }
}
