// The port to the open direct chats of a community, and what is kept of each.
// An entry changes only by a step: a pure function from the entry as it is to the entry as it will be, which the port runs and
// writes in one go, so that two servers never see one half changed. What is to be told is told once that is done.
import type { ChatEvents, Endpoint, OpenChat } from "../protocol/chat_messages.ts";
import type { SessionAddress } from "./cluster.ts";

/** A session that is, or was, one side of a chat. */
export interface ChatParty {
  readonly at: SessionAddress;
  readonly accountId: number;
  readonly name: string; // of the account
  readonly deviceId: string;
  readonly remoteAddress: string; // normalised IP address, as its server sees it
}

export interface ChatEntry {
  readonly chatId: string;
  readonly hostId: number;
  readonly hostName: string;
  readonly friendId: number;
  readonly openedAt: number;
  readonly details: OpenChat;
  readonly host: ChatParty | null; // null once its session has ended; its server may have gone without that
  readonly awayUntil: number | null; // when the chat ends unless its host comes back; null while nobody misses the host
  readonly joiner: ChatParty | null; // null before anybody has joined, and once its session has ended
  readonly isJoined: boolean; // nobody is invited: a joiner looks for its first link, or has had one (`details.isJoined`)
  readonly round: number;
  readonly punch: { readonly host?: readonly Endpoint[]; readonly joiner?: readonly Endpoint[] }; // of this round
}

/** Lets one side into the relay of a round, once. */
export interface RelayTicket {
  readonly ticket: string;
  readonly pair: string; // the same for both sides of one relay, and no other
  readonly accountId: number;
  readonly name: string; // of the account
  readonly server: string; // that has issued it: there both sides meet
  readonly relayAddress: string | null; // host and port at which other servers reach that one; null: they cannot
  readonly until: number; // by the port's clock
}

/** What a step knows beside the entry. */
export interface Moment {
  readonly now: number; // epoch milliseconds, by one clock for all servers
  readonly since: number; // whatever was opened after this is known; entries from before may have been lost
  isHere(party: ChatParty): boolean; // whether its server lives, for all that is known
}

/** An event for one session, or for all sessions of the account with this id. */
export interface ChatNews<E extends keyof ChatEvents = keyof ChatEvents> {
  readonly to: SessionAddress | number;
  readonly event: E;
  readonly content: ChatEvents[E];
}

export interface Change<T> {
  readonly entry: ChatEntry | null; // null: it is gone. The same object as before: nothing changes
  readonly result: T;
  readonly news: readonly ChatNews[];
  readonly tickets?: readonly RelayTicket[]; // in place of all that this chat has; unset: those stay
  /** Called before an entry is added, with the open chats of its host and of all; throws a `ChatError` to refuse. */
  readonly admit?: (openOfHost: number, openInAll: number) => void;
}

/** Throws a `ChatError` to refuse; nothing has changed then. May be run again, so it changes nothing itself. */
export type Step<T> = (entry: ChatEntry | null, moment: Moment) => Change<T>;

/** Every promise may reject with a `ChatError`, `unavailable`: whether the change was made is not known then. */
export interface ChatEntries {
  /** Runs a step on the chat with this id, null when there is none; no other changes the same chat meanwhile. */
  change<T>(chatId: string, step: Step<T>): Promise<Pick<Change<T>, "result" | "news">>;

  /** Chats that wait for this account and whose host is here, in the order in which they were opened; `limit` at most. */
  waitingFor(friendId: number, limit: number): Promise<ChatEntry[]>;

  /** How many chats are open. */
  count(): Promise<number>;

  /** Ids of the accounts that have part in a chat, as its host or as its friend. */
  parties(): Promise<number[]>;

  /** Ids of the chats in which this session is host or joiner. */
  heldBy(party: ChatParty): Promise<string[]>;

  /** Ids of the chats whose host or friend is this account. */
  ofAccount(accountId: number): Promise<string[]>;

  /** Ids of the chats whose host has gone or come back with its server, which is not noted yet, or whose time is over. */
  neglected(): Promise<string[]>;

  /**
   * Takes a ticket at the server `here`, which spends it. One that another server has issued can be taken elsewhere once,
   * to be carried to that server, and then once there. Null for one that is unknown, spent, or too old.
   */
  redeem(ticket: string, here: string): Promise<RelayTicket | null>;
}
