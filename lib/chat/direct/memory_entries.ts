// Open chats in memory, for a server that is alone: an invitation lives no longer than the program.
import {
  type Change,
  type ChatEntries,
  type ChatEntry,
  type ChatParty,
  type Moment,
  type RelayTicket,
  type Step,
} from "../chat_entries.ts";
import { isSameSession } from "./steps.ts";

export interface MemoryEntriesOptions {
  readonly now?: () => number; // epoch milliseconds
  readonly isHere?: (party: ChatParty) => boolean; // everybody by default: whose server has gone is gone with it
}

interface HeldTicket extends RelayTicket {
  isCarried: boolean; // it was taken at another server than its own
}

export class MemoryEntries implements ChatEntries {
  readonly #entries = new Map<string, ChatEntry>();
  readonly #byHost = new Index();
  readonly #byFriend = new Index();
  readonly #tickets = new Map<string, HeldTicket>();
  readonly #ticketsOf = new Map<string, readonly string[]>(); // by chat
  readonly #now: () => number;
  readonly #since: number;
  readonly #isHere: (party: ChatParty) => boolean;

  constructor({ now = Date.now, isHere = () => true }: MemoryEntriesOptions = {}) {
    this.#now = now;
    this.#since = now();
    this.#isHere = isHere;
  }

  change<T>(chatId: string, step: Step<T>): Promise<Pick<Change<T>, "result" | "news">> {
    // Nothing in here waits, so no other step can come in between.
    return Promise.try(() => {
      const before = this.#entries.get(chatId) ?? null;
      const { entry, tickets, result, news, admit } = step(before, this.#moment());
      if (!before && entry) admit?.(this.#byHost.of(entry.hostId).size, this.#entries.size);
      if (entry !== before) this.#put(before, entry);
      if (tickets || !entry) this.#issue(chatId, tickets ?? []);
      return { result, news };
    });
  }

  waitingFor(friendId: number, limit: number): Promise<ChatEntry[]> {
    const waiting = this.#of(this.#byFriend, friendId)
      .filter(({ isJoined, host }) => !isJoined && host !== null && this.#isHere(host));
    return Promise.resolve(waiting.take(limit).toArray());
  }

  count(): Promise<number> {
    return Promise.resolve(this.#entries.size);
  }

  heldBy({ at, accountId }: ChatParty): Promise<string[]> {
    const hosted = this.#of(this.#byHost, accountId).filter(({ host }) => host && isSameSession(host.at, at));
    const joined = this.#of(this.#byFriend, accountId)
      .filter(({ joiner }) => joiner && isSameSession(joiner.at, at));
    return Promise.resolve([...hosted, ...joined].map(({ chatId }) => chatId));
  }

  ofAccount(accountId: number): Promise<string[]> {
    return Promise.resolve([...this.#byHost.of(accountId), ...this.#byFriend.of(accountId)]);
  }

  parties(): Promise<number[]> {
    return Promise.resolve([...new Set([...this.#byHost.ids(), ...this.#byFriend.ids()])]);
  }

  neglected(): Promise<string[]> {
    const now = this.#now();
    const neglected = this.#entries.values().filter(({ host, awayUntil }) => {
      const isHere = host !== null && this.#isHere(host);
      return isHere ? awayUntil !== null : awayUntil === null || awayUntil <= now;
    });
    return Promise.resolve(neglected.map(({ chatId }) => chatId).toArray());
  }

  redeem(ticket: string, here: string): Promise<RelayTicket | null> {
    const held = this.#tickets.get(ticket);
    if (!held || held.until < this.#now()) return Promise.resolve(null);
    if (held.server === here) {
      this.#tickets.delete(ticket);
      return Promise.resolve(held);
    }
    if (held.isCarried) return Promise.resolve(null);
    held.isCarried = true;
    return Promise.resolve(held);
  }

  #moment(): Moment {
    return { now: this.#now(), since: this.#since, isHere: this.#isHere };
  }

  #of(index: Index, accountId: number): IteratorObject<ChatEntry> {
    return index.of(accountId).values().map((chatId) => this.#entries.get(chatId)!);
  }

  #put(before: ChatEntry | null, entry: ChatEntry | null): void {
    if (!before && entry) {
      this.#byHost.add(entry.hostId, entry.chatId);
      this.#byFriend.add(entry.friendId, entry.chatId);
    }
    if (entry) this.#entries.set(entry.chatId, entry);
    else if (before) {
      this.#entries.delete(before.chatId);
      this.#byHost.remove(before.hostId, before.chatId);
      this.#byFriend.remove(before.friendId, before.chatId);
    }
  }

  #issue(chatId: string, tickets: readonly RelayTicket[]): void {
    for (const ticket of this.#ticketsOf.get(chatId) ?? []) this.#tickets.delete(ticket);
    for (const ticket of tickets) this.#tickets.set(ticket.ticket, { ...ticket, isCarried: false });
    if (tickets.length === 0) this.#ticketsOf.delete(chatId);
    else this.#ticketsOf.set(chatId, tickets.map(({ ticket }) => ticket));
  }
}

class Index {
  readonly #sets = new Map<number, Set<string>>();

  /** Ids of chats, in the order in which they were opened. */
  of(accountId: number): ReadonlySet<string> {
    return this.#sets.get(accountId) ?? new Set();
  }

  /** Of the accounts that have any. */
  ids(): Iterable<number> {
    return this.#sets.keys();
  }

  add(accountId: number, chatId: string): void {
    this.#sets.getOrInsertComputed(accountId, () => new Set()).add(chatId);
  }

  remove(accountId: number, chatId: string): void {
    const set = this.#sets.get(accountId);
    if (set?.delete(chatId) && set.size === 0) this.#sets.delete(accountId);
  }
}
