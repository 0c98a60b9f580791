// The rules of open chats: each function makes one step of an entry. They know no sockets, clocks or stores.
// Places and secrets of a host go to the invited account alone, and only when it joins.
import { ChatError } from "../../errors.ts";
import type {
  ChatEvents,
  Endpoint,
  Invitation,
  JoinChat,
  JoinedChat,
  OpenChat,
} from "../../protocol/chat_messages.ts";
import type { ChatEntry, ChatNews, ChatParty, Moment, RelayTicket, Step } from "../chat_entries.ts";
import type { SessionAddress } from "../cluster.ts";
import type { AccountName } from "../store.ts";

const MAX_OPEN_PER_ACCOUNT = 8; // at once
const MAX_OPEN = 20_000; // in a community at once, of 8 KiB at most
const TICKET_MS = 30_000; // how long a relay ticket is good for: a round lasts 15 s
// Time that both need to hear of a punch before they begin: on one server, and over two.
const PUNCH_IN_MS = 50;
const PUNCH_IN_OVER_TWO_MS = 150;

/** What a join needs that no rule can make. */
export interface JoinMeans {
  readonly awayMs: number;
  readonly relayAddress: string | null; // of the server that issues the tickets
  readonly pair: string; // random, and these
  readonly hostTicket: string;
  readonly joinerTicket: string;
}

/** Opens a chat and tells the friend; or, for the host's own open chat, takes its new details. */
export function open(host: ChatParty, friendId: number, details: OpenChat): Step<void> {
  return (known, { now, isHere }) => {
    if (known && (known.hostId !== host.accountId || known.friendId !== friendId)) {
      throw new ChatError("conflict", "Cannot open the chat: its id is in use");
    }
    const before = known ?? freshEntry(host, friendId, details, now);
    const isJoined = before.isJoined || (details.isJoined ?? false);
    const entry: ChatEntry = { ...before, host, details, isJoined, awayUntil: null };
    const tellFriend = () => {
      if (!entry.isJoined) return known ? [] : [tell(friendId, "chat_invited", invitationOf(entry))];
      if (known?.host && isSameSession(known.host.at, host.at)) return []; // it is not back: it was not away
      // The friend may have another session by now and be waiting for just this.
      const to = entry.joiner && isHere(entry.joiner) ? entry.joiner.at : friendId;
      return [tell(to, "chat_reopened", { chatId: entry.chatId })];
    };
    return { entry, result: undefined, news: tellFriend(), admit };
  };
}

function admit(openOfHost: number, openInAll: number): void {
  if (openOfHost >= MAX_OPEN_PER_ACCOUNT) {
    const words = `Cannot open more than ${MAX_OPEN_PER_ACCOUNT} chats at once: close one`;
    throw new ChatError("rate_limited", words);
  }
  if (openInAll >= MAX_OPEN) {
    throw new ChatError("unavailable", "Cannot open a chat: too many are open now");
  }
}

/** Closes the caller's own chat, or takes the caller out of one they joined. Does nothing to any other. */
export function close(party: ChatParty): Step<void> {
  return (entry) => {
    if (entry?.hostId === party.accountId) return end(entry, "closed");
    const isInIt = entry?.isJoined && entry.friendId === party.accountId &&
      (!entry.joiner || isSameDevice(entry.joiner, party));
    if (!isInIt) return { entry, result: undefined, news: [] };
    const content = { chatId: entry.chatId, by: party.name, reason: "closed" } as const;
    return {
      entry: { ...entry, joiner: null, isJoined: false },
      result: undefined,
      news: entry.host ? [tell(entry.host.at, "chat_closed", content)] : [],
      tickets: [],
    };
  };
}

/** Ends an invitation to this account from a host that it has blocked. Does nothing to any other, nor once it has joined. */
export function decline(friend: AccountName, hostName: string): Step<void> {
  return (entry) => {
    const isMeant = entry && !entry.isJoined && entry.friendId === friend.accountId &&
      entry.hostName === hostName;
    if (!isMeant) return { entry, result: undefined, news: [] };
    const over = end(entry, "closed");
    return { ...over, news: [...over.news, ...declined(entry, friend)] };
  };
}

/** Ends a chat whose host or friend is this account, which is gone. */
export function forsake(gone: AccountName): Step<void> {
  return (entry) => {
    if (entry?.hostId === gone.accountId) return end(entry, "closed");
    if (entry?.friendId !== gone.accountId) return { entry, result: undefined, news: [] };
    return { entry: null, result: undefined, news: declined(entry, gone) };
  };
}

function declined({ chatId, host }: ChatEntry, friend: AccountName): ChatNews[] {
  return host ? [tell(host.at, "chat_closed", { chatId, by: friend.name, reason: "declined" })] : [];
}

/**
 * Lets the friend in, and begins a round: both may punch, and open their half of the relay. The device that is in the chat,
 * or whoever shows its secret, takes its place over from an older session, which may be dead without the server knowing it.
 */
export function join(joiner: ChatParty, request: JoinChat, means: JoinMeans): Step<JoinedChat> {
  return (before, moment) => {
    const host = checkJoin(before, joiner, request, means.awayMs, moment);
    const { chatId, details, hostName } = before!;
    const entry: ChatEntry = { ...before!, joiner, isJoined: true, round: before!.round + 1, punch: {} };
    const { round } = entry;
    const issue = (ticket: string, { accountId, name }: ChatParty): RelayTicket => ({
      ticket,
      accountId,
      name,
      pair: means.pair,
      server: joiner.at.server,
      relayAddress: means.relayAddress,
      until: moment.now + TICKET_MS,
    });
    const wantsRelay = request.wantsRelay ?? true;
    const named = (relayTicket: string) => wantsRelay ? { relayTicket } : {};
    return {
      entry,
      result: {
        chatId,
        host: hostName,
        places: placesOf(host, details),
        certificate: details.certificate,
        secret: details.secret,
        round,
        ...named(means.joinerTicket),
      },
      news: [tell(host.at, "chat_joined", { chatId, by: joiner.name, round, ...named(means.hostTicket) })],
      tickets: wantsRelay ? [issue(means.hostTicket, host), issue(means.joinerTicket, joiner)] : [],
    };
  };
}

/** The host that can be joined now. */
function checkJoin(
  entry: ChatEntry | null,
  joiner: ChatParty,
  { secret }: JoinChat,
  awayMs: number,
  { now, since, isHere }: Moment,
): ChatParty {
  if (!entry || entry.friendId !== joiner.accountId) {
    if (!entry && secret !== undefined && now - since < awayMs) {
      const words = "Cannot join the chat: its host has not reconnected to the server yet";
      throw new ChatError("unavailable", words);
    }
    throw new ChatError("not_found", "Cannot join the chat: it has been closed");
  }
  const held = entry.joiner && isHere(entry.joiner) ? entry.joiner : null;
  if (held && !isSameDevice(held, joiner) && secret !== entry.details.secret) {
    throw new ChatError("conflict", "Cannot join the chat: you are in it on another device");
  }
  if (!entry.host || !isHere(entry.host)) {
    const words = `Cannot join the chat: ${entry.hostName} is not connected now; try again soon`;
    throw new ChatError("unavailable", words);
  }
  return entry.host;
}

/** Takes one side's endpoints for a round; when both are known, tells both to begin. A past round is ignored. */
export function offerPunch(
  party: ChatParty,
  offer: { readonly round: number; readonly endpoints: readonly Endpoint[] },
): Step<void> {
  return (entry) => {
    const nothing = { entry, result: undefined, news: [] };
    if (!entry?.host || !entry.joiner || entry.round !== offer.round) return nothing;
    const { chatId, round, host, joiner } = entry;
    const isHost = isSameSession(host.at, party.at);
    if (!isHost && !isSameSession(joiner.at, party.at)) return nothing;
    const punch = { ...entry.punch, [isHost ? "host" : "joiner"]: offer.endpoints };
    if (!punch.host || !punch.joiner) return { ...nothing, entry: { ...entry, punch } };
    const startInMs = host.at.server === joiner.at.server ? PUNCH_IN_MS : PUNCH_IN_OVER_TWO_MS;
    return {
      entry: { ...entry, punch: {} },
      result: undefined,
      news: [
        tell(host.at, "chat_punch", { chatId, round, endpoints: [...punch.joiner], startInMs }),
        tell(joiner.at, "chat_punch", { chatId, round, endpoints: [...punch.host], startInMs }),
      ],
    };
  };
}

/**
 * Takes a session that has ended out of a chat, which waits a while for it to come back. Results in `awayUntil`. A joiner that
 * goes before its first link may be a program that has ended: the friend is invited again, so that the next one finds the chat.
 */
export function leave(party: ChatParty, awayMs: number): Step<number | null> {
  return (entry, { now, isHere }) => {
    if (entry?.joiner && isSameSession(entry.joiner.at, party.at)) {
      const isJoined = entry.details.isJoined ?? false;
      const left = { ...entry, joiner: null, isJoined };
      const isWaiting = !isJoined && entry.host && isHere(entry.host);
      const news = isWaiting ? [tell(entry.friendId, "chat_invited", invitationOf(left))] : [];
      return { entry: left, result: null, news };
    }
    if (!entry?.host || !isSameSession(entry.host.at, party.at)) return { entry, result: null, news: [] };
    const awayUntil = now + awayMs;
    return { entry: { ...entry, host: null, awayUntil }, result: awayUntil, news: [] };
  };
}

/** Ends a chat whose host has been away since it was to come back until `awayUntil`, and has not. */
export function giveUp(awayUntil: number): Step<void> {
  return (entry, { isHere }) => {
    const isOver = entry?.awayUntil === awayUntil && !(entry.host && isHere(entry.host));
    return isOver ? end(entry, "gone") : { entry, result: undefined, news: [] };
  };
}

/** Notes that a host is missing whose server has gone, or is there again after all; ends a chat whose time is over. */
export function lookAfter(awayMs: number): Step<void> {
  return (entry, { now, isHere }) => {
    const unchanged = { entry, result: undefined, news: [] };
    if (!entry) return unchanged;
    if (entry.host && isHere(entry.host)) {
      return entry.awayUntil === null ? unchanged : { ...unchanged, entry: { ...entry, awayUntil: null } };
    }
    if (entry.awayUntil === null) return { ...unchanged, entry: { ...entry, awayUntil: now + awayMs } };
    return entry.awayUntil <= now ? end(entry, "gone") : unchanged;
  };
}

export function invitationOf({ chatId, hostName, details, openedAt }: ChatEntry): Invitation {
  return { chatId, from: hostName, port: details.port, openedAt };
}

export function isSameSession(a: SessionAddress, b: SessionAddress): boolean {
  return a.session === b.session && a.server === b.server;
}

function freshEntry(host: ChatParty, friendId: number, details: OpenChat, now: number): ChatEntry {
  return {
    chatId: details.chatId,
    hostId: host.accountId,
    hostName: host.name,
    friendId,
    openedAt: now,
    details,
    host,
    awayUntil: null,
    joiner: null,
    isJoined: details.isJoined ?? false,
    round: 0,
    punch: {},
  };
}

function end(entry: ChatEntry, reason: "closed" | "gone") {
  const content = { chatId: entry.chatId, by: entry.hostName, reason };
  const to = entry.isJoined ? entry.joiner?.at : entry.friendId;
  return {
    entry: null,
    result: undefined,
    news: to === undefined ? [] : [tell(to, "chat_closed", content)],
  };
}

function tell<E extends keyof ChatEvents>(to: ChatNews["to"], event: E, content: ChatEvents[E]): ChatNews<E> {
  return { to, event, content };
}

function isSameDevice(a: ChatParty, b: ChatParty): boolean {
  return a.deviceId === b.deviceId;
}

/** What the host named, and where the server sees it; a public address that the host has itself is not named twice. */
function placesOf({ remoteAddress: address }: ChatParty, { places, port }: OpenChat): JoinedChat["places"] {
  const isKnown = places.some((place) => place.address === address && place.port === port);
  return isKnown ? places : [...places, { address, port, kind: "seen" }];
}
