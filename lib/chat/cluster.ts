/**
 * The ports by which the rules of chat reach the other servers of a community.
 *
 * All servers of a community share one store; what is said here is only news about it, and who is connected where. News may be
 * lost: whatever matters is in the store, and whoever listens looks there now and then. A server that is alone uses
 * {@linkcode alone}, which reaches nobody.
 * @module
 */
import type { Event, EventName } from "../protocol/events.ts";

/** Names one session in a community. */
export interface SessionAddress {
  /** Id of its server: new at each start of the program, so that no session of an earlier life is meant. */
  readonly server: string;
  /** Its id within the server. */
  readonly session: string;
}

/** An event as a client gets it, with its content. */
export type AnyEvent = {
  readonly [E in EventName]: { readonly event: E; readonly content: Event<E> };
}[EventName];

/** What one server tells all others. */
export type BusNews =
  /** New messages lie in the mailboxes of these accounts. */
  | { readonly type: "wake"; readonly accountIds: readonly number[] }
  /**
   * The newest sequence that each of these mailboxes has ever received, as the store says now. Comes from the bus itself, every few
   * seconds and after a gap, for whoever is present here: so a lost `wake` costs a few seconds, and no message.
   */
  | { readonly type: "highest"; readonly highest: ReadonlyMap<number, number> }
  /** For every session of an account. */
  | { readonly type: "event"; readonly accountId: number; readonly news: AnyEvent }
  /** For one session. */
  | { readonly type: "event_at"; readonly to: SessionAddress; readonly news: AnyEvent }
  /** Some logins of an account have ended in the store: the sessions that hold them end for this reason. */
  | {
    readonly type: "logins_ended";
    readonly accountId: number;
    readonly reason: Event<"session_ended">["reason"];
  }
  /** The operator has ordered something else: bans or the lockdown. */
  | { readonly type: "orders_changed" }
  /** A device has logged in again: its other sessions go on under its new token. */
  | {
    readonly type: "token_renewed";
    readonly accountId: number;
    readonly deviceId: string;
    readonly tokenHash: string;
  };

/** Carries news between the servers of a community. */
export interface Bus {
  /** Id of this server. */
  readonly server: string;

  /** Tells all other servers, soon; never this one. Never throws and never waits. */
  publish(news: BusNews): void;

  /**
   * Hears what the others tell. `hear` is called in the order in which one server told it.
   * @param onGap Called when news may have been missed (a lost connection): whoever listens looks into the store for all but
   *   messages, of which `highest` tells.
   */
  listen(hear: (news: BusNews) => void, onGap: () => void): Disposable;
}

/** How somebody is present: at the keys of some session, or of none. */
export type PresentState = "online" | "idle";

/** Who is present at the other servers. */
export interface SharedPresence {
  /** How these accounts are present at other servers; who is absent is left out. Empty when it cannot be known now. */
  elsewhere(accountIds: readonly number[]): Promise<ReadonlyMap<number, PresentState>>;

  /** Devices of an account that are connected at other servers; none when it cannot be known now. */
  devicesElsewhere(accountId: number): Promise<readonly string[]>;

  /** Tells how an account is present here from now on, and on which devices. Never throws and never waits. */
  noteHere(accountId: number, state: PresentState | "offline", deviceIds: readonly string[]): void;
}

/** What a server shares with the others of its community, beside the store. */
export interface Cluster {
  /** News to and from the others. */
  readonly bus: Bus;
  /** Who is present at the others. */
  readonly presence: SharedPresence;

  /** Servers of the community that live, as of a few seconds ago, this one among them; 0 while it has lost the database. */
  servers(): number;

  /** Whether this server is the one of the community that does what one alone should do. It may have changed a moment later. */
  isLeader(): boolean;
}

/** The ports of a server that is alone. */
export function alone(): Cluster {
  return {
    bus: { server: crypto.randomUUID(), publish: () => {}, listen: () => ({ [Symbol.dispose]: () => {} }) },
    presence: {
      elsewhere: () => Promise.resolve(new Map()),
      devicesElsewhere: () => Promise.resolve([]),
      noteHere: () => {},
    },
    servers: () => 1,
    isLeader: () => true,
  };
}
