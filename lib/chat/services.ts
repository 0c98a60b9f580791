/**
 * What all sessions of a server share.
 * @module
 */
import { DirectChats } from "./direct_chats.ts";
import { Hub } from "./hub.ts";
import type { ChatStore } from "./store.ts";
import { Passwords } from "./passwords.ts";
import { Pace, type PaceClock, Paces } from "./pace.ts";
import { DEFAULT_THROTTLES, type ThrottleLimits, Throttles } from "./throttles.ts";

/** Who may register: anybody, whoever has a join code, or nobody. */
export type Registration = "open" | "invite" | "closed";

/** Where sessions write their log. Properties never hold a secret or the text of a message. */
export interface Log {
  /** Something ordinary happened. */
  info(message: string, properties?: Record<string, unknown>): void;
  /** Something went wrong that needs nobody now. */
  warn(message: string, properties?: Record<string, unknown>): void;
  /** A fault of ours, or of the machine. */
  error(message: string, properties?: Record<string, unknown>): void;
}

/** What {@linkcode Services} is made of. */
export interface ServicesOptions {
  /** Accounts and mailboxes. */
  readonly store: ChatStore;
  /** Where it writes what happens. */
  readonly log: Log;
  /** Who may register. */
  readonly registration: Registration;
  /** {@linkcode DEFAULT_THROTTLES} by default. */
  readonly throttles?: ThrottleLimits;
  /** Checks passwords; at full cost by default. */
  readonly passwords?: Passwords;
  /** Epoch milliseconds; `Date.now` by default. */
  readonly now?: () => number;
  /** Time that sends and strangers' logins are slowed by; the machine's by default. */
  readonly paceClock?: PaceClock;
}

/** The shared parts of a server that sessions work with. */
export class Services {
  /** Accounts and mailboxes. */
  readonly store: ChatStore;
  /** Who is present. */
  readonly hub: Hub = new Hub();
  /** Direct chats that are open. */
  readonly directChats: DirectChats = new DirectChats({
    notifyAccount: (accountId, event, content) => this.hub.notify(accountId, event, content),
  });
  /** Hashes and checks passwords. */
  readonly passwords: Passwords;
  /** Counts tries. */
  readonly throttles: Throttles;
  /** Who may register. */
  readonly registration: Registration;
  /** The operator's log. */
  readonly log: Log;
  /** Epoch milliseconds. */
  readonly now: () => number;
  /** How fast each account may send, by its row id: all its sessions together, and those that have ended. */
  readonly sendPaces: Paces<number>;

  /** Puts the parts together. */
  constructor(options: ServicesOptions) {
    const throttles = options.throttles ?? DEFAULT_THROTTLES;
    this.store = options.store;
    this.log = options.log;
    this.registration = options.registration;
    this.passwords = options.passwords ?? new Passwords();
    this.throttles = new Throttles(throttles, options.paceClock);
    this.now = options.now ?? Date.now;
    const { sendsPerSecond } = throttles;
    this.sendPaces = new Paces(() =>
      new Pace({ perSecond: sendsPerSecond, burst: sendsPerSecond * 2, purpose: "send" }, options.paceClock)
    );
  }
}
