/**
 * Servers of one community in one process: news and presence go through memory.
 * @module
 */
import type { Bus, BusNews, Cluster, PresentState } from "../../lib/chat/cluster.ts";

/** How an account is present at one server. */
interface Present {
  readonly state: PresentState;
  readonly deviceIds: readonly string[];
}

type Listener = Parameters<Bus["listen"]>;

/** What joins the servers. It carries news as texts, each a moment later, in the order in which they were told. */
export class ChatCommunity {
  /** Whether news is lost from now on. */
  isDeaf = false;
  readonly #listeners = new Map<string, Listener>();
  readonly #present = new Map<string, Map<number, Present>>();
  #carrying = Promise.resolve();
  #carryOn = () => {};

  /** The ports of one more server. */
  join({ isLeader = true } = {}): Cluster {
    const server = crypto.randomUUID();
    const here = new Map<number, Present>();
    this.#present.set(server, here);
    return {
      bus: {
        server,
        publish: (news) => this.#carry(server, JSON.stringify(news)),
        listen: (...listener) => {
          this.#listeners.set(server, listener);
          return { [Symbol.dispose]: () => void this.#listeners.delete(server) };
        },
      },
      presence: {
        elsewhere: (accountIds) => Promise.resolve(this.#elsewhere(server, accountIds)),
        devicesElsewhere: (accountId) =>
          Promise.resolve(this.#others(server).flatMap((present) => present.get(accountId)?.deviceIds ?? [])),
        noteHere: (accountId, state, deviceIds) => {
          if (state === "offline") here.delete(accountId);
          else here.set(accountId, { state, deviceIds });
        },
      },
      servers: () => this.#present.size,
      isLeader: () => isLeader,
    };
  }

  /** Keeps news back until {@linkcode ChatCommunity.release}. */
  hold(): void {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#carrying = promise;
    this.#carryOn = resolve;
  }

  /** Lets what was kept back go. */
  release(): void {
    this.#carryOn();
  }

  /** Tells every server that it may have missed something. */
  gap(): void {
    for (const [, onGap] of this.#listeners.values()) onGap();
  }

  #carry(from: string, news: string): void {
    if (this.isDeaf) return;
    this.#carrying.then(() => {
      for (const [server, [hear]] of this.#listeners) if (server !== from) hear(JSON.parse(news) as BusNews);
    });
  }

  #elsewhere(server: string, accountIds: readonly number[]): Map<number, PresentState> {
    const found = new Map<number, PresentState>();
    for (const present of this.#others(server)) {
      for (const id of accountIds) {
        const state = present.get(id)?.state;
        if (state !== undefined && found.get(id) !== "online") found.set(id, state);
      }
    }
    return found;
  }

  #others(server: string): Map<number, Present>[] {
    return [...this.#present].filter(([other]) => other !== server).map(([, present]) => present);
  }
}
