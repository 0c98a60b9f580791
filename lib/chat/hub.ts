// The hub: the one owner of who is present, and where.
// Presence is a lease in memory, held by a live session and never stored: when the connection ends, however it ends, the lease
// ends with it. An account may hold several. Everything about the sessions here is synchronous, so no two of them can see it
// half changed. What is told to an account reaches its sessions at the other servers of the community as well.
import type { Event, EventName } from "../protocol/events.ts";
import type { UserEntry } from "../protocol/requests.ts";
import {
  alone,
  type AnyEvent,
  type Bus,
  type BusNews,
  type Cluster,
  type SessionAddress,
  type SharedPresence,
} from "./cluster.ts";
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
  readonly remoteAddress: string;
  isIdle: boolean; // its person has not touched a key for a while; the hub sets it
  readonly delivery: Pick<Delivery, "offer" | "wake" | "lookUpTo"> | null; // null before the client has subscribed
  notify<E extends EventName>(event: E, content: Event<E>): void;
  end(reason: EndReason): void;
  /** Disconnects it; its client comes back, and learns why it is not let in. */
  turnOut(): void;
}

type EndReason = Event<"session_ended">["reason"];
type Presence = UserEntry["presence"];

export class Hub {
  readonly #bus: Bus;
  readonly #presence: SharedPresence;
  readonly #sessions = new Map<number, Set<PresentSession>>();
  readonly #byId = new Map<string, PresentSession>();

  constructor({ bus, presence }: Pick<Cluster, "bus" | "presence"> = alone()) {
    this.#bus = bus;
    this.#presence = presence;
  }

  add(session: PresentSession): void {
    const { accountId, deviceId } = session.identity;
    this.#byId.set(session.address.session, session);
    this.#change(accountId, deviceId, () => {
      this.#sessions.getOrInsertComputed(accountId, () => new Set()).add(session);
    });
  }

  remove(session: PresentSession): void {
    const { accountId, deviceId } = session.identity;
    const held = this.#sessions.get(accountId);
    this.#byId.delete(session.address.session);
    this.#change(accountId, deviceId, () => {
      if (held?.delete(session) && held.size === 0) this.#sessions.delete(accountId);
    });
  }

  setIdle(session: PresentSession, isIdle: boolean): void {
    this.#change(session.identity.accountId, null, () => session.isIdle = isIdle);
  }

  /** How each of these accounts is present in the whole community. */
  async presenceOf(accountIds: readonly number[]): Promise<ReadonlyMap<number, Presence>> {
    const elsewhere = await this.#presence.elsewhere(accountIds);
    return new Map(
      accountIds.map((id) => [id, stronger(this.#presenceHere(id), elsewhere.get(id) ?? "offline")]),
    );
  }

  /** Devices of an account with a session in the whole community. */
  async connectedDevices(accountId: number): Promise<string[]> {
    return [...this.#devicesHere(accountId), ...await this.#presence.devicesElsewhere(accountId)];
  }

  /** Lets the sessions of a device go on under the token that a new login of it was given. */
  renewToken({ accountId, deviceId, tokenHash }: Omit<Identity, "name">): void {
    this.#renewTokenHere({ accountId, deviceId, tokenHash });
    this.#bus.publish({ type: "token_renewed", accountId, deviceId, tokenHash });
  }

  /** Delivers a message that was just committed here; `previous` is the mailbox's highest sequence before it. */
  deliver(recipientId: number, message: StoredMessage, previous: number): void {
    for (const session of this.of(recipientId)) session.delivery?.offer(message, previous);
    this.#bus.publish({ type: "wake", accountIds: [recipientId] });
  }

  /** Lets deliveries look for messages that were not offered to them. */
  wake(accountId: number): void {
    this.#wakeHere([accountId]);
    this.#bus.publish({ type: "wake", accountIds: [accountId] });
  }

  /** Tells all sessions of an account. */
  notify<E extends EventName>(accountId: number, event: E, content: Event<E>): void {
    for (const session of this.of(accountId)) session.notify(event, content);
    this.#bus.publish({ type: "event", accountId, news: { event, content } as AnyEvent });
  }

  /** Tells one session, wherever it is; nobody when it has ended. */
  tell<E extends EventName>(to: SessionAddress, event: E, content: Event<E>): void {
    if (to.server === this.#bus.server) this.#byId.get(to.session)?.notify(event, content);
    else this.#bus.publish({ type: "event_at", to, news: { event, content } as AnyEvent });
  }

  /** Ends the sessions of an account but one; at other servers those whose login has ended in the store. */
  endSessions(accountId: number, reason: EndReason, except: PresentSession): void {
    for (const session of this.of(accountId)) if (session !== except) session.end(reason);
    this.#bus.publish({ type: "logins_ended", accountId, reason });
  }

  /** Ends the other sessions of a device whose login has ended in the store. */
  endDevice(of: PresentSession, reason: EndReason): void {
    const { accountId, deviceId } = of.identity;
    for (const session of this.of(accountId)) {
      if (session !== of && session.identity.deviceId === deviceId) session.end(reason);
    }
    this.#bus.publish({ type: "logins_ended", accountId, reason });
  }

  /** Does for the sessions here what another server has told. */
  hear(news: Exclude<BusNews, { readonly type: "logins_ended" | "orders_changed" }>): void {
    switch (news.type) {
      case "wake":
        return this.#wakeHere(news.accountIds);
      case "highest":
        for (const [id, highest] of news.highest) {
          for (const session of this.of(id)) session.delivery?.lookUpTo(highest);
        }
        return;
      case "event":
        for (const session of this.of(news.accountId)) session.notify(news.news.event, news.news.content);
        return;
      case "event_at":
        if (news.to.server === this.#bus.server) this.tell(news.to, news.news.event, news.news.content);
        return;
      case "token_renewed":
        return this.#renewTokenHere(news);
      default:
        return news satisfies never;
    }
  }

  /** Accounts with a session here. */
  get peopleHere(): number {
    return this.#sessions.size;
  }

  sessionsHere(accountId: number): number {
    return this.#sessions.get(accountId)?.size ?? 0;
  }

  /** Every session here, in no order. */
  *all(): Generator<PresentSession> {
    for (const held of this.#sessions.values()) yield* held;
  }

  /** The sessions of an account here. A copy, since a session that is ended leaves while others are being told. */
  of(accountId: number): PresentSession[] {
    return [...this.#sessions.get(accountId) ?? []];
  }

  #wakeHere(accountIds: readonly number[]): void {
    for (const id of accountIds) for (const session of this.of(id)) session.delivery?.wake();
  }

  #renewTokenHere({ accountId, deviceId, tokenHash }: Omit<Identity, "name">): void {
    for (const session of this.of(accountId)) {
      if (session.identity.deviceId === deviceId) session.renewToken(tokenHash);
    }
  }

  /** Online when a person is at the keys of any of its sessions; idle when it has sessions, but nobody is. */
  #presenceHere(accountId: number): Presence {
    const held = this.of(accountId);
    if (held.length === 0) return "offline";
    return held.some((session) => !session.isIdle) ? "online" : "idle";
  }

  #devicesHere(accountId: number): Set<string> {
    return new Set(this.of(accountId).map(({ identity }) => identity.deviceId));
  }

  #isHere(accountId: number, deviceId: string): boolean {
    const held = this.#sessions.get(accountId)?.values();
    return held?.some(({ identity }) => identity.deviceId === deviceId) ?? false;
  }

  /**
   * Changes something about the sessions of an account, and lets the community know if it is present in another way now, or on
   * other devices.
   * @param deviceId Which may come or go; null for none.
   */
  #change(accountId: number, deviceId: string | null, change: () => void): void {
    const look =
      () => [this.#presenceHere(accountId), deviceId !== null && this.#isHere(accountId, deviceId)];
    const before = look();
    change();
    const after = look();
    if (after.every((value, index) => value === before[index])) return;
    this.#presence.noteHere(accountId, this.#presenceHere(accountId), [...this.#devicesHere(accountId)]);
  }
}

function stronger(a: Presence, b: Presence): Presence {
  if (a === "online" || b === "online") return "online";
  return a === "idle" || b === "idle" ? "idle" : "offline";
}
