/**
 * What all sessions of a server share.
 * @module
 */
import { DirectChats } from "./direct_chats.ts";
import { Hub } from "./hub.ts";
import type { ChatStore } from "./ports.ts";
import { Passwords } from "./passwords.ts";
import { DEFAULT_THROTTLES, SendPace, type ThrottleLimits, Throttles } from "./throttles.ts";

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
  readonly #sendsPerSecond: number;
  readonly #paces = new Map<number, SendPace>();

  /** Puts the parts together. */
  constructor(options: ServicesOptions) {
    const throttles = options.throttles ?? DEFAULT_THROTTLES;
    this.store = options.store;
    this.log = options.log;
    this.registration = options.registration;
    this.passwords = options.passwords ?? new Passwords();
    this.throttles = new Throttles(throttles);
    this.now = options.now ?? Date.now;
    this.#sendsPerSecond = throttles.sendsPerSecond;
  }

  /** The pace at which an account may send, shared by its sessions. */
  paceOf(accountId: number): SendPace {
    const known = this.#paces.get(accountId);
    if (known) return known;
    const pace = new SendPace(this.#sendsPerSecond);
    this.#paces.set(accountId, pace);
    return pace;
  }

  /** Forgets the pace of an account whose last session has ended. */
  forgetPace(accountId: number): void {
    this.#paces.delete(accountId);
  }
}
