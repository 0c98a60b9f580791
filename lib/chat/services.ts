/**
 * What all sessions of a server share.
 * @module
 */
import { DirectChats } from "./direct_chats.ts";
import { Hub } from "./hub.ts";
import { Pace, type PaceClock, Paces } from "./pace.ts";
import { Passwords } from "./passwords.ts";
import type { ChatStore } from "./store.ts";
import { DEFAULT_THROTTLES, type ThrottleLimits, Throttles } from "./throttles.ts";

/** Who may register: anybody, whoever has a join code, or nobody. */
export type Registration = "open" | "invite" | "closed";

/** Where sessions write their log. Properties never hold a secret or the text of a message. */
export interface Log {
  info(message: string, properties?: Record<string, unknown>): void;
  /** Something went wrong that needs nobody now. */
  warn(message: string, properties?: Record<string, unknown>): void;
  /** A fault of ours, or of the machine. */
  error(message: string, properties?: Record<string, unknown>): void;
}

export interface ServicesOptions {
  readonly store: ChatStore;
  readonly log: Log;
  readonly registration: Registration;
  readonly throttles?: ThrottleLimits; // DEFAULT_THROTTLES by default
  readonly passwords?: Passwords; // at full cost by default
  readonly now?: () => number; // epoch milliseconds
  readonly paceClock?: PaceClock; // slows sends and strangers' logins
}

export class Services {
  readonly store: ChatStore;
  readonly log: Log;
  readonly registration: Registration;
  readonly hub: Hub = new Hub();
  readonly directChats: DirectChats = new DirectChats({
    notifyAccount: (accountId, event, content) => this.hub.notify(accountId, event, content),
  });
  readonly passwords: Passwords;
  readonly throttles: Throttles;
  readonly now: () => number; // epoch milliseconds
  /** How fast each account may send, by its row id: all its sessions together, and those that have ended. */
  readonly sendPaces: Paces<number>;

  constructor(options: ServicesOptions) {
    const { throttles = DEFAULT_THROTTLES, paceClock } = options;
    this.store = options.store;
    this.log = options.log;
    this.registration = options.registration;
    this.passwords = options.passwords ?? new Passwords();
    this.throttles = new Throttles(throttles, paceClock);
    this.now = options.now ?? Date.now;
    const perSecond = throttles.sendsPerSecond;
    this.sendPaces = new Paces(() =>
      new Pace({ perSecond, burst: perSecond * 2, purpose: "send" }, paceClock)
    );
  }
}
