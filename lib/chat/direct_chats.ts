// Open direct chats: who has invited whom, what the friend is told on joining, and the rounds of attempts.
// In memory only: an invitation lives as long as its host is connected, and a while longer. Knows no sockets; parties are sessions, and hear
// events through them. Places and secrets of a host go to the invited account alone, and only when it joins.
import { randomBytes } from "node:crypto";
import { ChatError } from "../errors.ts";
import type {
  ChatEvents,
  Endpoint,
  Invitation,
  JoinChat,
  JoinedChat,
  OpenChat,
} from "../protocol/chat_messages.ts";

export interface ChatParty {
  readonly accountId: number;
  readonly identity: { readonly name: string; readonly deviceId: string };
  readonly peer: { readonly connection: { readonly remoteAddress: string } };
  notify<E extends keyof ChatEvents>(event: E, content: ChatEvents[E]): void;
}

export interface DirectChatsOptions {
  readonly hub: {
    notify<E extends keyof ChatEvents>(accountId: number, event: E, content: ChatEvents[E]): void;
  };
  readonly now?: () => number; // epoch milliseconds
  readonly awayMs?: number; // AWAY_MS by default
}

export interface RelayHalf {
  readonly pair: object; // the same for both halves of one relay, and no other
  readonly accountId: number;
  readonly name: string; // of the account
}

const MAX_OPEN_PER_ACCOUNT = 8; // at once
const MAX_LISTED = 200; // invitations at once, of 200 bytes at most, so that all fit one frame
const MAX_OPEN = 20_000; // on one server at once, of 8 KiB at most
const AWAY_MS = 120_000; // until a host that has lost the server loses its chat: longer than the two look for a way back
const TICKET_MS = 30_000; // how long a relay ticket is good for: a round lasts 15 s
const PUNCH_IN_MS = 50; // time that both need to hear of a punch before they begin

interface OpenEntry {
  readonly chatId: string;
  readonly hostId: number;
  readonly hostName: string;
  readonly friendId: number;
  readonly openedAt: number;
  details: OpenChat;
  host: ChatParty | null; // null while its connection is away
  awayTimer: ReturnType<typeof setTimeout> | undefined; // set while the host is away
  joiner: ChatParty | null; // null before anybody has joined, and while its connection is away
  isJoined: boolean;
  round: number;
  punch: { host?: readonly Endpoint[]; joiner?: readonly Endpoint[] }; // of this round
  tickets: string[]; // of this round
}

export class DirectChats implements Disposable {
  readonly #hub: DirectChatsOptions["hub"];
  readonly #now: () => number;
  readonly #awayMs: number;
  readonly #startedAt: number;
  readonly #entries = new Map<string, OpenEntry>();
  readonly #byHost = new Index();
  readonly #byFriend = new Index();
  readonly #tickets = new Map<string, RelayHalf & { readonly until: number }>();

  constructor({ hub, now = Date.now, awayMs = AWAY_MS }: DirectChatsOptions) {
    this.#hub = hub;
    this.#now = now;
    this.#awayMs = awayMs;
    this.#startedAt = now();
  }

  /** Opens a chat and tells the friend; or, for the host's own open chat, takes its new details. */
  open(host: ChatParty, friendId: number, details: OpenChat): void {
    const known = this.#entries.get(details.chatId);
    if (known && (known.hostId !== host.accountId || known.friendId !== friendId)) {
      throw new ChatError("conflict", "Cannot open the chat: its id is in use");
    }
    const entry = known ?? this.#add(host, friendId, details);
    clearTimeout(entry.awayTimer);
    entry.host = host;
    entry.details = details;
    if (entry.isJoined) this.#tellReopened(entry);
    else if (!known) this.#hub.notify(friendId, "chat_invited", invitationOf(entry));
  }

  #add(host: ChatParty, friendId: number, details: OpenChat): OpenEntry {
    if (this.#byHost.of(host.accountId).size >= MAX_OPEN_PER_ACCOUNT) {
      const words = `Cannot open more than ${MAX_OPEN_PER_ACCOUNT} chats at once: close one`;
      throw new ChatError("rate_limited", words);
    }
    if (this.#entries.size >= MAX_OPEN) {
      throw new ChatError("unavailable", "Cannot open a chat: too many are open on this server");
    }
    const entry: OpenEntry = {
      chatId: details.chatId,
      hostId: host.accountId,
      hostName: host.identity.name,
      friendId,
      openedAt: this.#now(),
      details,
      host,
      awayTimer: undefined,
      joiner: null,
      isJoined: details.isJoined ?? false,
      round: 0,
      punch: {},
      tickets: [],
    };
    this.#entries.set(entry.chatId, entry);
    this.#byHost.add(entry.hostId, entry);
    this.#byFriend.add(friendId, entry);
    return entry;
  }

  /** Closes the caller's own chat, or takes the caller out of one they joined. Does nothing for an unknown id. */
  close(party: ChatParty, chatId: string): void {
    const entry = this.#entries.get(chatId);
    if (entry?.hostId === party.accountId) return this.#remove(entry, "closed");
    if (!entry?.isJoined || entry.friendId !== party.accountId) return;
    if (entry.joiner && !isSameDevice(entry.joiner, party)) return;
    entry.joiner = null;
    entry.isJoined = false;
    this.#dropTickets(entry);
    entry.host?.notify("chat_closed", { chatId, by: party.identity.name, reason: "closed" });
  }

  /** Chats that wait for this account, oldest first; no more than fit one reply. */
  invitationsFor(accountId: number): Invitation[] {
    return this.#byFriend.of(accountId).values().filter((entry) => !entry.isJoined && entry.host !== null)
      .take(MAX_LISTED).map(invitationOf).toArray();
  }

  /**
   * Lets the friend in, and begins a round: both may punch, and open their half of the relay. The device that is in the chat,
   * or whoever shows its secret, takes its place over from an older session, which may be dead without the server knowing it.
   */
  join(joiner: ChatParty, { chatId, secret, wantsRelay = true }: JoinChat): JoinedChat {
    const entry = this.#entries.get(chatId);
    if (!entry || entry.friendId !== joiner.accountId) {
      if (!entry && secret !== undefined && this.#now() - this.#startedAt < this.#awayMs) {
        const words = "Cannot join the chat: its host has not reconnected to the server yet";
        throw new ChatError("unavailable", words);
      }
      throw new ChatError("not_found", "Cannot join the chat: it has been closed");
    }
    const isHeldElsewhere = entry.joiner !== null && !isSameDevice(entry.joiner, joiner);
    if (isHeldElsewhere && secret !== entry.details.secret) {
      throw new ChatError("conflict", "Cannot join the chat: you are in it on another device");
    }
    if (!entry.host) {
      const words = `Cannot join the chat: ${entry.hostName} is not connected now; try again soon`;
      throw new ChatError("unavailable", words);
    }
    entry.joiner = joiner;
    entry.isJoined = true;
    entry.round += 1;
    entry.punch = {};
    this.#dropTickets(entry);
    const { host, round } = entry;
    const tickets = wantsRelay ? this.#issuePair(entry, host, joiner) : { host: {}, joiner: {} };
    host.notify("chat_joined", { chatId, by: joiner.identity.name, round, ...tickets.host });
    return {
      chatId,
      host: entry.hostName,
      places: placesOf(host, entry.details),
      certificate: entry.details.certificate,
      secret: entry.details.secret,
      round,
      ...tickets.joiner,
    };
  }

  /** Takes one side's endpoints for a round; when both are known, tells both to begin. A past round is ignored. */
  offerPunch(
    party: ChatParty,
    offer: { chatId: string; round: number; endpoints: readonly Endpoint[] },
  ): void {
    const entry = this.#entries.get(offer.chatId);
    if (!entry?.host || !entry.joiner || entry.round !== offer.round) return;
    if (party === entry.host) entry.punch.host = offer.endpoints;
    else if (party === entry.joiner) entry.punch.joiner = offer.endpoints;
    const { host, joiner } = entry.punch;
    if (!host || !joiner) return;
    entry.punch = {};
    const { chatId, round } = offer;
    entry.host.notify("chat_punch", { chatId, round, endpoints: [...joiner], startInMs: PUNCH_IN_MS });
    entry.joiner.notify("chat_punch", { chatId, round, endpoints: [...host], startInMs: PUNCH_IN_MS });
  }

  /** Takes a relay ticket, which is good once; null when it is unknown or too old. */
  redeem(ticket: string): RelayHalf | null {
    const half = this.#tickets.get(ticket);
    this.#tickets.delete(ticket);
    return half && half.until >= this.#now() ? half : null;
  }

  /** Must be called when a session has ended. Its chats wait a while for it to come back. */
  left(party: ChatParty): void {
    for (const entry of this.#byFriend.of(party.accountId)) if (entry.joiner === party) entry.joiner = null;
    for (const entry of this.#byHost.of(party.accountId)) {
      if (entry.host !== party) continue;
      entry.host = null;
      entry.awayTimer = setTimeout(() => this.#remove(entry, "gone"), this.#awayMs);
    }
  }

  [Symbol.dispose](): void {
    for (const entry of this.#entries.values()) clearTimeout(entry.awayTimer);
    this.#entries.clear();
    this.#byHost.clear();
    this.#byFriend.clear();
    this.#tickets.clear();
  }

  /** Tells the friend, who may have another session by now and be waiting for just this. */
  #tellReopened({ chatId, friendId, joiner }: OpenEntry): void {
    if (joiner) joiner.notify("chat_reopened", { chatId });
    else this.#hub.notify(friendId, "chat_reopened", { chatId });
  }

  #remove(entry: OpenEntry, reason: "closed" | "gone"): void {
    clearTimeout(entry.awayTimer);
    this.#entries.delete(entry.chatId);
    this.#byHost.remove(entry.hostId, entry);
    this.#byFriend.remove(entry.friendId, entry);
    this.#dropTickets(entry);
    const news = { chatId: entry.chatId, by: entry.hostName, reason };
    if (entry.isJoined) entry.joiner?.notify("chat_closed", news);
    else this.#hub.notify(entry.friendId, "chat_closed", news);
  }

  #issuePair(entry: OpenEntry, host: ChatParty, joiner: ChatParty) {
    const pair = {};
    const until = this.#now() + TICKET_MS;
    const issueTo = ({ accountId, identity: { name } }: ChatParty) => {
      const relayTicket = randomBytes(16).toString("base64url");
      this.#tickets.set(relayTicket, { pair, accountId, name, until });
      entry.tickets.push(relayTicket);
      return { relayTicket };
    };
    return { host: issueTo(host), joiner: issueTo(joiner) };
  }

  #dropTickets(entry: OpenEntry): void {
    for (const ticket of entry.tickets.splice(0)) this.#tickets.delete(ticket);
  }
}

class Index {
  readonly #sets = new Map<number, Set<OpenEntry>>();

  /** In the order in which they were opened. */
  of(accountId: number): ReadonlySet<OpenEntry> {
    return this.#sets.get(accountId) ?? new Set();
  }

  add(accountId: number, entry: OpenEntry): void {
    this.#sets.getOrInsertComputed(accountId, () => new Set()).add(entry);
  }

  remove(accountId: number, entry: OpenEntry): void {
    const set = this.#sets.get(accountId);
    if (set?.delete(entry) && set.size === 0) this.#sets.delete(accountId);
  }

  clear(): void {
    this.#sets.clear();
  }
}

function isSameDevice(a: ChatParty, b: ChatParty): boolean {
  return a.identity.deviceId === b.identity.deviceId;
}

function invitationOf({ chatId, hostName, details, openedAt }: OpenEntry): Invitation {
  return { chatId, from: hostName, port: details.port, openedAt };
}

/** What the host named, and where the server sees it; a public address that the host has itself is not named twice. */
function placesOf(host: ChatParty, { places, port }: OpenChat): JoinedChat["places"] {
  const address = host.peer.connection.remoteAddress;
  const isKnown = places.some((place) => place.address === address && place.port === port);
  return isKnown ? places : [...places, { address, port, kind: "seen" }];
}
