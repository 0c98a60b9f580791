/**
 * The hub: the one owner of who is present, and where.
 *
 * Presence is a lease in memory, held by a live session and never stored: when the connection ends, however it ends, the lease
 * ends with it. An account may hold several. Everything here is synchronous, so no two sessions can see it half changed.
 * @module
 */
import type { Event, EventName } from "../protocol/events.ts";
import type { StoredMessage } from "./store.ts";

/** Whether somebody is there: a session in use, sessions but nobody at the keys, or none. */
export type Presence = "online" | "idle" | "offline";

/** A signed-in session as the hub sees it. */
export interface PresentSession {
  /** Row id of the account. */
  readonly accountId: number;
  /** SHA-256 of the token that the session was opened with, in hex. */
  readonly tokenHash: string;
  /** Device that is signed in. */
  readonly deviceId: string;
  /** Tells it that its device has got another token; the older one is void. */
  renewToken(tokenHash: string): void;
  /** True while its person has not touched a key for a while. */
  readonly isIdle: boolean;
  /** Takes a message that was just committed for this account. */
  deliver(message: StoredMessage): void;
  /** Tells an event. */
  notify<E extends EventName>(event: E, content: Event<E>): void;
  /** Ends the session with a reason for the person. */
  end(reason: Event<"session_ended">["reason"]): void;
}

/** Knows every signed-in session. */
export class Hub {
  readonly #sessions = new Map<number, Set<PresentSession>>();
  #count = 0;

  /** Signed-in sessions now. */
  get sessionCount(): number {
    return this.#count;
  }

  /** Begins a lease. */
  add(session: PresentSession): void {
    const held = this.#sessions.get(session.accountId);
    if (held) held.add(session);
    else this.#sessions.set(session.accountId, new Set([session]));
    this.#count++;
  }

  /** Lets the sessions of a device go on under the token that a new login of it was given. */
  renewToken(device: { readonly accountId: number; readonly deviceId: string }, tokenHash: string): void {
    for (const session of this.#sessions.get(device.accountId) ?? []) {
      if (session.deviceId === device.deviceId) session.renewToken(tokenHash);
    }
  }

  /** Ends a lease. */
  remove(session: PresentSession): void {
    const held = this.#sessions.get(session.accountId);
    if (!held?.delete(session)) return;
    this.#count--;
    if (held.size === 0) this.#sessions.delete(session.accountId);
  }

  /** Whether an account is there now; online when any of its sessions is. */
  presenceOf(accountId: number): Presence {
    const held = this.#sessions.get(accountId);
    if (!held) return "offline";
    for (const session of held) if (!session.isIdle) return "online";
    return "idle";
  }

  /** Devices of an account that are connected now. */
  devicesOf(accountId: number): string[] {
    return Array.from(this.#sessions.get(accountId) ?? [], ({ deviceId }) => deviceId);
  }

  /** Hands a committed message to every session of its recipient. */
  deliver(recipientId: number, message: StoredMessage): void {
    for (const session of this.#sessions.get(recipientId) ?? []) session.deliver(message);
  }

  /** Tells every session of an account. */
  notify<E extends EventName>(accountId: number, event: E, content: Event<E>): void {
    for (const session of this.#sessions.get(accountId) ?? []) session.notify(event, content);
  }

  /** Ends the sessions of an account but the one of `except`. */
  endSessions(accountId: number, reason: Event<"session_ended">["reason"], except?: PresentSession): void {
    for (const session of [...this.#sessions.get(accountId) ?? []]) {
      if (session !== except) session.end(reason);
    }
  }

  /** Ends the other sessions of the device that a session is on. */
  endDevice(of: PresentSession, reason: Event<"session_ended">["reason"]): void {
    for (const session of [...this.#sessions.get(of.accountId) ?? []]) {
      if (session !== of && session.deviceId === of.deviceId) session.end(reason);
    }
  }

  /** Every session, in no order. */
  *all(): Generator<PresentSession> {
    for (const held of this.#sessions.values()) yield* held;
  }
}
