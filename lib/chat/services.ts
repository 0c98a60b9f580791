// What all sessions of a server share.
import type { ChatEntries } from "./chat_entries.ts";
import { alone, type Cluster } from "./cluster.ts";
import type { Counts } from "./counts.ts";
import { MemoryEntries } from "./direct/memory_entries.ts";
import { DirectChats } from "./direct_chats.ts";
import { Hub } from "./hub.ts";
import { HouseRules } from "./moderation/house_rules.ts";
import { Desk, Desks } from "./throttles/desk.ts";
import { connectionEnded, FairLine } from "./throttles/fair_line.ts";
import { Pace, type PaceClock, Paces } from "./throttles/pace.ts";
import type { Passwords } from "./passwords.ts";
import type { ChatStore } from "./store.ts";
import type { ThrottleLimits } from "./limits.ts";
import { Throttles } from "./throttles/throttles.ts";

/** Who may register: anybody, whoever has a join code, or nobody. */
export type Registration = "open" | "invite" | "closed";

/** Where sessions write their log. Properties never hold a secret or the text of a message. */
export interface Log {
  info(message: string, properties?: Record<string, unknown>): void;
  warn(message: string, properties?: Record<string, unknown>): void; // needs nobody now
  error(message: string, properties?: Record<string, unknown>): void; // a fault of ours, or of the machine
}

/** Somebody who has just signed in. */
export interface SignedIn {
  readonly connection: string;
  readonly name: string;
  readonly address: string;
}

export type ServicesOptions = Pick<Services, "store" | "log" | "registration" | "passwords"> & {
  readonly throttles: ThrottleLimits;
  readonly paceClock?: PaceClock; // slows sends and strangers' logins
  readonly cluster?: Cluster; // alone by default
  readonly tries?: Counts["tries"]; // in memory by default
  readonly openChats?: ChatEntries; // in memory by default
  readonly relayAddress?: string; // host and port at which the others of the cluster reach this server
  readonly onSignedIn?: (signedIn: SignedIn) => void;
};

/** An invitation calls a person, and each round of attempts sets a client to work: two that look for a way begin one a second. */
const CHAT_RATE = { perSecond: 2, burst: 30, purpose: "open or join a chat", maxWaiting: 10 };

/** Enough that nobody waits who waits for replies, and few enough that the store is busy with them for some milliseconds at most. */
const REQUESTS_AT_ONCE = 8;

/** What the sessions of a server have done since it started, for those who watch it. */
export class Tally {
  messages = 0; // stored, and not before
  logins = 0; // by password, by token, or new
  refusedLogins = 0; // with a wrong name or password
}

export class Services {
  readonly store: ChatStore;
  readonly log: Log;
  readonly registration: Registration;
  readonly cluster: Cluster;
  readonly hub: Hub;
  readonly directChats: DirectChats;
  readonly rules: HouseRules;
  readonly passwords: Passwords;
  readonly throttles: Throttles;
  readonly tally = new Tally();
  readonly onSignedIn: (signedIn: SignedIn) => void;

  /** How fast each account may send, by its row id: all its sessions together, and those that have ended. */
  readonly sendPaces: Paces<number>;

  /**
   * What each account may ask of the store at once, beside messages: all its sessions together. Keyed by its row id, and before
   * anybody is signed in by the group of the address. Whoever asks for more waits, and nobody else does.
   */
  readonly desks = new Desks<number | string>(() =>
    new Desk(REQUESTS_AT_ONCE, new FairLine(Infinity, connectionEnded))
  );

  /** How often each account may call somebody to a direct chat, or come to one. */
  readonly chatPaces: Paces<number>;

  constructor(options: ServicesOptions) {
    const { store, log, registration, throttles, tries, passwords, paceClock, relayAddress } = options;
    this.cluster = options.cluster ?? alone();
    this.hub = new Hub(this.cluster);
    this.directChats = new DirectChats({
      server: this.cluster.bus.server,
      entries: options.openChats ?? new MemoryEntries(),
      hub: this.hub,
      ...(relayAddress === undefined ? {} : { relayAddress }),
    });
    this.store = store;
    this.rules = new HouseRules(store, this.hub);
    this.log = log;
    this.onSignedIn = options.onSignedIn ?? (() => {});
    this.registration = registration;
    this.passwords = passwords;
    this.throttles = new Throttles({
      limits: throttles,
      ...(tries ? { tries } : {}),
      ...(paceClock ? { clock: paceClock } : {}),
    });
    const rate = {
      perSecond: throttles.sendsPerSecond,
      burst: throttles.sendsPerSecond * 2,
      purpose: "send",
    };
    this.sendPaces = new Paces(() => new Pace(rate, paceClock));
    this.chatPaces = new Paces(() => new Pace(CHAT_RATE, paceClock));
  }
}
