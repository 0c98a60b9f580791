/**
 * Open direct chats: who has invited whom, what the friend is told on joining, and the rounds of attempts.
 *
 * In memory only: an invitation lives as long as its host is there. Knows no sockets; parties are sessions, and hear
 * events through them. Places and secrets of a host go to the invited account alone, and only when it joins.
 * @module
 */
import { ChatError } from "../errors.ts";
import type { ChatEvents, Endpoint, Invitation, JoinedChat, OpenChat } from "../protocol/chat_messages.ts";

/** A signed-in session, as far as direct chat is concerned. */
export interface ChatParty {
  /** Row id of the account. */
  readonly accountId: number;
  /** Who it is. */
  readonly identity: { readonly name: string };
  /** The connection underneath. */
  readonly peer: { readonly remoteAddress: string };
  /** Tells this session an event. */
  notify<E extends keyof ChatEvents>(event: E, content: ChatEvents[E]): void;
}

/** What open chats need of the server. */
export interface DirectChatsOptions {
  /** Tells an event to every session of an account. */
  notifyAccount<E extends keyof ChatEvents>(accountId: number, event: E, content: ChatEvents[E]): void;
  /** Epoch milliseconds; `Date.now` by default. */
  readonly now?: () => number;
  /** How long a host may be away from the server before its chat is over, in milliseconds; 60 s by default. */
  readonly awayMs?: number;
}

/** One half of a relay, as its ticket says. */
export interface RelayHalf {
  /** The same for both halves of one relay, and no other. */
  readonly pair: object;
  /** Account whose half it is. */
  readonly accountId: number;
  /** Name of the account. */
  readonly name: string;
}

/** Chats that one account may hold open at once. */
const MAX_OPEN_PER_ACCOUNT = 8;
/** Invitations listed at once: 200 bytes each at most, so that all fit one frame. */
const MAX_LISTED = 200;
/** Chats on one server at once: 20,000 of at most 8 KiB each. */
const MAX_OPEN = 20_000;
const AWAY_MS = 60_000;
/** How long a relay ticket is good for, in milliseconds: a round lasts 15 s. */
const TICKET_MS = 30_000;
/** Time that both need to hear of a punch before they begin, in milliseconds. */
const PUNCH_IN_MS = 50;

interface OpenEntry {
  readonly chatId: string;
  readonly hostId: number;
  readonly hostName: string;
  readonly friendId: number;
  readonly openedAt: number;
  details: OpenChat;
  seenAddress: string;
  host: ChatParty | null; // null while its connection is away
  awayTimer: ReturnType<typeof setTimeout> | undefined; // set while the host is away
  joiner: ChatParty | null; // null before anybody has joined, and while its connection is away
  isJoined: boolean;
  round: number;
  punch: { host?: readonly Endpoint[]; joiner?: readonly Endpoint[] }; // of this round
  tickets: string[]; // of this round
}

/** All open chats of a server. */
export class DirectChats implements Disposable {
  readonly #options: DirectChatsOptions;
  readonly #now: () => number;
  readonly #entries = new Map<string, OpenEntry>();
  readonly #tickets = new Map<string, RelayHalf & { readonly until: number }>();

  /** Starts with none. */
  constructor(options: DirectChatsOptions) {
    this.#options = options;
    this.#now = options.now ?? Date.now;
  }

  /**
   * Opens a chat and tells the friend; or, for the host's own open chat, takes its new details.
   *
   * @throws {ChatError} `conflict` when the id is another's; `rate_limited` when too many are open.
   */
  open(host: ChatParty, friendId: number, details: OpenChat): void {
    const known = this.#entries.get(details.chatId);
    if (known) return this.#reopen(known, host, friendId, details);
    let held = 0;
    for (const entry of this.#entries.values()) if (entry.hostId === host.accountId) held += 1;
    if (held >= MAX_OPEN_PER_ACCOUNT) {
      throw new ChatError(
        "rate_limited",
        `Cannot open more than ${MAX_OPEN_PER_ACCOUNT} chats at once: close one`,
      );
    }
    if (this.#entries.size >= MAX_OPEN) {
      throw new ChatError("unavailable", "Cannot open a chat: the server has as many as it can hold");
    }
    const entry: OpenEntry = {
      chatId: details.chatId,
      hostId: host.accountId,
      hostName: host.identity.name,
      friendId,
      openedAt: this.#now(),
      details,
      seenAddress: host.peer.remoteAddress,
      host,
      awayTimer: undefined,
      joiner: null,
      isJoined: false,
      round: 0,
      punch: {},
      tickets: [],
    };
    this.#entries.set(entry.chatId, entry);
    this.#options.notifyAccount(friendId, "chat_invited", invitationOf(entry));
  }

  /** Ends a chat of one's own, or one's part in another's; an unknown one is over already. */
  close(party: ChatParty, chatId: string): void {
    const entry = this.#entries.get(chatId);
    if (entry?.hostId === party.accountId) return this.#remove(entry, "closed");
    if (!entry?.isJoined || entry.friendId !== party.accountId) return;
    if (entry.joiner !== null && entry.joiner !== party) return;
    entry.joiner = null;
    entry.isJoined = false;
    this.#dropTickets(entry);
    entry.host?.notify("chat_closed", { chatId, by: party.identity.name, reason: "closed" });
  }

  /** Chats that wait for this account, oldest first; no more than fit one reply. */
  invitationsFor(accountId: number): Invitation[] {
    const found: Invitation[] = [];
    for (const entry of this.#entries.values()) {
      if (found.length === MAX_LISTED) break;
      if (entry.friendId === accountId && !entry.isJoined && entry.host) found.push(invitationOf(entry));
    }
    return found;
  }

  /**
   * Lets the friend in, and begins a round: both may punch, and open their half of the relay.
   *
   * @throws {ChatError} `not_found` when it is over, or for somebody else; `conflict` when another session of this
   * account is in it; `unavailable` when the host is away just now.
   */
  join(joiner: ChatParty, chatId: string): JoinedChat {
    const entry = this.#entries.get(chatId);
    if (!entry || entry.friendId !== joiner.accountId) {
      throw new ChatError("not_found", "Cannot join the chat: it has been closed");
    }
    if (entry.joiner && entry.joiner !== joiner) {
      throw new ChatError("conflict", "Cannot join the chat: you are in it on another device or window");
    }
    if (!entry.host) {
      throw new ChatError(
        "unavailable",
        `Cannot join the chat: ${entry.hostName} has lost the server, try again soon`,
      );
    }
    entry.joiner = joiner;
    entry.isJoined = true;
    entry.round += 1;
    entry.punch = {};
    this.#dropTickets(entry);
    const pair = {};
    const until = this.#now() + TICKET_MS;
    const { host, round } = entry;
    const hostTicket = this.#issue(entry, {
      pair,
      accountId: entry.hostId,
      name: entry.hostName,
      until,
    });
    const relayTicket = this.#issue(entry, {
      pair,
      accountId: joiner.accountId,
      name: joiner.identity.name,
      until,
    });
    host.notify("chat_joined", { chatId, by: joiner.identity.name, round, relayTicket: hostTicket });
    return {
      chatId,
      host: entry.hostName,
      places: placesOf(entry),
      certificate: entry.details.certificate,
      secret: entry.details.secret,
      round,
      relayTicket,
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
    for (const entry of this.#entries.values()) {
      if (entry.joiner === party) entry.joiner = null;
      if (entry.host !== party) continue;
      entry.host = null;
      entry.awayTimer = setTimeout(() => this.#remove(entry, "gone"), this.#options.awayMs ?? AWAY_MS);
    }
  }

  /** Forgets all of it. */
  [Symbol.dispose](): void {
    for (const entry of this.#entries.values()) clearTimeout(entry.awayTimer);
    this.#entries.clear();
    this.#tickets.clear();
  }

  #reopen(entry: OpenEntry, host: ChatParty, friendId: number, details: OpenChat): void {
    if (entry.hostId !== host.accountId || entry.friendId !== friendId) {
      throw new ChatError("conflict", "Cannot open the chat: its id is in use");
    }
    clearTimeout(entry.awayTimer);
    entry.awayTimer = undefined;
    entry.host = host;
    entry.details = details;
    entry.seenAddress = host.peer.remoteAddress;
  }

  #remove(entry: OpenEntry, reason: "closed" | "gone"): void {
    clearTimeout(entry.awayTimer);
    this.#entries.delete(entry.chatId);
    this.#dropTickets(entry);
    const news = { chatId: entry.chatId, by: entry.hostName, reason };
    if (entry.isJoined) entry.joiner?.notify("chat_closed", news);
    else this.#options.notifyAccount(entry.friendId, "chat_closed", news);
  }

  #issue(entry: OpenEntry, half: RelayHalf & { readonly until: number }): string {
    const ticket = crypto.getRandomValues(new Uint8Array(16)).toBase64({
      alphabet: "base64url",
      omitPadding: true,
    });
    this.#tickets.set(ticket, half);
    entry.tickets.push(ticket);
    return ticket;
  }

  #dropTickets(entry: OpenEntry): void {
    for (const ticket of entry.tickets.splice(0)) this.#tickets.delete(ticket);
  }
}

function invitationOf({ chatId, hostName, details, openedAt }: OpenEntry): Invitation {
  return { chatId, from: hostName, port: details.port, openedAt };
}

/** What the host named, and where the server sees it; a public address that the host has itself is not named twice. */
function placesOf({ details, seenAddress }: OpenEntry): JoinedChat["places"] {
  const { places, port } = details;
  const isKnown = places.some((place) => place.address === seenAddress && place.port === port);
  return isKnown ? places : [...places, { address: seenAddress, port, kind: "seen" }];
}
