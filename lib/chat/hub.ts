// The hub: the one owner of who is present, and where.
// Presence is a lease in memory, held by a live session and never stored: when the connection ends, however it ends, the lease
// ends with it. An account may hold several. Everything here is synchronous, so no two sessions can see it half changed.
import type { Event, EventName } from "../protocol/events.ts";
import type { UserEntry } from "../protocol/requests.ts";
import type { SessionAddress } from "./cluster.ts";
import type { Delivery } from "./delivery.ts";
import type { AccountName, StoredMessage } from "./store.ts";

export interface Identity extends AccountName {
  readonly deviceId: string;
  readonly tokenHash: string; // SHA-256 of the login's token, in hex
}

export interface PresentSession {
  readonly address: SessionAddress;
  readonly identity: Identity;
  /** Tells it that its device has logged in again and has another token; the older one is void. */
  renewToken(tokenHash: string): void;
  readonly isIdle: boolean; // its person has not touched a key for a while
  readonly delivery: Pick<Delivery, "offer" | "wake"> | null; // null before the client has subscribed
  notify<E extends EventName>(event: E, content: Event<E>): void;
  end(reason: Event<"session_ended">["reason"]): void;
}

export class Hub {
  readonly #sessions = new Map<number, Set<PresentSession>>();
  readonly #byId = new Map<string, PresentSession>();

  add(session: PresentSession): void {
    this.#sessions.getOrInsertComputed(session.identity.accountId, () => new Set()).add(session);
    this.#byId.set(session.address.session, session);
  }

  /** Lets the sessions of a device go on under the token that a new login of it was given. */
  renewToken(login: Identity): void {
    for (const session of this.#of(login.accountId)) {
      if (session.identity.deviceId === login.deviceId) session.renewToken(login.tokenHash);
    }
  }

  remove(session: PresentSession): void {
    const held = this.#sessions.get(session.identity.accountId);
    if (held?.delete(session) && held.size === 0) this.#sessions.delete(session.identity.accountId);
    this.#byId.delete(session.address.session);
  }

  /** Online when a person is at the keys of any of its sessions; idle when it has sessions, but nobody is. */
  presenceOf(accountId: number): UserEntry["presence"] {
    const held = this.#of(accountId);
    if (held.length === 0) return "offline";
    return held.some((session) => !session.isIdle) ? "online" : "idle";
  }

  devicesOf(accountId: number): string[] {
    return this.#of(accountId).map(({ identity }) => identity.deviceId);
  }

  /** Delivers a message that was just committed here; `previous` is the mailbox's highest sequence before it. */
  deliver(recipientId: number, message: StoredMessage, previous: number): void {
    for (const session of this.#of(recipientId)) session.delivery?.offer(message, previous);
  }

  /** Lets deliveries look for messages that were not offered to them. */
  wake(accountId: number): void {
    for (const session of this.#of(accountId)) session.delivery?.wake();
  }

  notify<E extends EventName>(accountId: number, event: E, content: Event<E>): void {
    for (const session of this.#of(accountId)) session.notify(event, content);
  }

  /** Tells one session, wherever it is; nobody when it has ended. */
  tell<E extends EventName>(to: SessionAddress, event: E, content: Event<E>): void {
    this.#byId.get(to.session)?.notify(event, content);
  }

  endSessions(accountId: number, reason: Event<"session_ended">["reason"], except?: PresentSession): void {
    for (const session of this.#of(accountId)) if (session !== except) session.end(reason);
  }

  endDevice(of: PresentSession, reason: Event<"session_ended">["reason"]): void {
    for (const session of this.#of(of.identity.accountId)) {
      if (session !== of && session.identity.deviceId === of.identity.deviceId) session.end(reason);
    }
  }

  /** Every session, in no order. */
  *all(): Generator<PresentSession> {
    for (const held of this.#sessions.values()) yield* held;
  }

  /** A copy, since a session that is ended leaves while others are being told. */
  #of(accountId: number): PresentSession[] {
    return [...this.#sessions.get(accountId) ?? []];
  }
}
