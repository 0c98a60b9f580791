// Open direct chats, as the sessions of one server see them: each request is one step of an entry, and what follows from it is
// told to the sessions that it concerns, wherever they are. An invitation lives as long as its host is connected, and a while
// longer. The rules are in `direct/steps.ts`; the entries are behind a port, and may be shared with other servers.
import { randomBytes } from "node:crypto";
import type {
  ChatEvents,
  Endpoint,
  Invitation,
  JoinChat,
  JoinedChat,
  OpenChat,
} from "../protocol/chat_messages.ts";
import type { ChatEntries, ChatNews, ChatParty, Step } from "./chat_entries.ts";
import type { SessionAddress } from "./cluster.ts";
import type { ServerStore } from "./operator_store.ts";
import type { AccountName } from "./store.ts";
import {
  close,
  decline,
  forsake,
  giveUp,
  invitationOf,
  join,
  leave,
  lookAfter,
  offerPunch,
  open,
} from "./direct/steps.ts";

export interface ChatSession {
  readonly address: SessionAddress;
  readonly accountId: number;
  readonly identity: { readonly name: string; readonly deviceId: string };
  readonly peer: { readonly connection: { readonly remoteAddress: string } };
  readonly hasEnded: boolean;
  readonly isOut: boolean; // it has ended, or will, and does not come back: its login has ended, or a ban shuts it out
}

export interface DirectChatsOptions {
  readonly server: string; // id of this server
  readonly entries: ChatEntries;
  readonly hub: {
    notify<E extends keyof ChatEvents>(accountId: number, event: E, content: ChatEvents[E]): void;
    tell<E extends keyof ChatEvents>(to: SessionAddress, event: E, content: ChatEvents[E]): void;
  };
  readonly relayAddress?: string; // host and port at which other servers reach this one; unset: they cannot
  readonly awayMs?: number; // AWAY_MS by default
  readonly leaveAgainMs?: number; // LEAVE_AGAIN_MS by default
}

/** One side of a relay. */
export interface RelayHalf {
  readonly pair: string; // the same for both halves of one relay, and no other
  readonly accountId: number;
  readonly name: string; // of the account
}

/** What a ticket was good for. */
export interface Redeemed {
  readonly half: RelayHalf;
  readonly owner: "here" | { readonly relayAddress: string | null }; // the server at which the two halves meet
}

const MAX_LISTED = 200; // invitations at once, of 200 bytes at most, so that all fit one frame
const AWAY_MS = 120_000; // until a host that has lost the server loses its chat: longer than the two look for a way back
const LEAVE_AGAIN_MS = 5_000; // until it is tried again to note that a session has ended

export class DirectChats implements Disposable {
  readonly #server: string;
  readonly #entries: ChatEntries;
  readonly #hub: DirectChatsOptions["hub"];
  readonly #relayAddress: string | null;
  readonly #awayMs: number;
  readonly #leaveAgainMs: number;
  readonly #holders = new Set<string>(); // sessions of this server that have opened or joined a chat
  readonly #timers = new Set<ReturnType<typeof setTimeout>>();
  #isDisposed = false;

  constructor(options: DirectChatsOptions) {
    this.#server = options.server;
    this.#entries = options.entries;
    this.#hub = options.hub;
    this.#relayAddress = options.relayAddress ?? null;
    this.#awayMs = options.awayMs ?? AWAY_MS;
    this.#leaveAgainMs = options.leaveAgainMs ?? LEAVE_AGAIN_MS;
  }

  /** Opens a chat and tells the friend; or, for the host's own open chat, takes its new details. */
  async open(host: ChatSession, friendId: number, details: OpenChat): Promise<void> {
    await this.#hold(host, details.chatId, open(partyOf(host), friendId, details));
  }

  /** Closes the caller's own chat, or takes the caller out of one they joined. Does nothing for an unknown id. */
  async close(session: ChatSession, chatId: string): Promise<void> {
    await this.#change(chatId, close(partyOf(session)));
  }

  /** How many chats are open in the whole community. */
  count(): Promise<number> {
    return this.#entries.count();
  }

  /** Chats that wait for this account, oldest first; no more than fit one reply. */
  async invitationsFor(accountId: number): Promise<Invitation[]> {
    return (await this.#entries.waitingFor(accountId, MAX_LISTED)).map(invitationOf);
  }

  /** Lets the friend in, and begins a round: both may punch, and open their half of the relay. */
  join(joiner: ChatSession, request: JoinChat): Promise<JoinedChat> {
    const random = () => randomBytes(16).toString("base64url");
    const means = {
      awayMs: this.#awayMs,
      relayAddress: this.#relayAddress,
      pair: random(),
      hostTicket: random(),
      joinerTicket: random(),
    };
    return this.#hold(joiner, request.chatId, join(partyOf(joiner), request, means));
  }

  /** Takes one side's endpoints for a round; when both are known, tells both to begin. A past round is ignored. */
  async offerPunch(
    session: ChatSession,
    offer: { chatId: string; round: number; endpoints: readonly Endpoint[] },
  ): Promise<void> {
    await this.#change(offer.chatId, offerPunch(partyOf(session), offer));
  }

  /** Takes a relay ticket, which is good once; null when it is unknown or too old. */
  async redeem(ticket: string): Promise<Redeemed | null> {
    const taken = await this.#entries.redeem(ticket, this.#server);
    if (!taken) return null;
    const { pair, accountId, name, server, relayAddress } = taken;
    return { half: { pair, accountId, name }, owner: server === this.#server ? "here" : { relayAddress } };
  }

  /** Ends the invitations of a host whom their friend has blocked; a chat that the friend has joined goes on. */
  async decline(friend: AccountName, hostName: string): Promise<void> {
    const chatIds = await this.#entries.ofAccount(friend.accountId);
    await Promise.all(chatIds.map((chatId) => this.#change(chatId, decline(friend, hostName))));
  }

  /** Ends all chats and invitations of an account that is gone. */
  async forsake(gone: AccountName): Promise<void> {
    const chatIds = await this.#entries.ofAccount(gone.accountId);
    await Promise.all(chatIds.map((chatId) => this.#change(chatId, forsake(gone))));
  }

  /**
   * Must be called when a session has ended. Its chats end, or wait a while for it where it may come back. Never rejects.
   */
  async left(session: ChatSession): Promise<void> {
    if (this.#holders.delete(session.address.session)) await this.#leave(partyOf(session), session.isOut);
  }

  /**
   * Sees to the chats whose host's server has gone, and to those of accounts that have gone without a word, as an operator has
   * removed or disabled them. One server of a community does it now and then.
   */
  async lookAfterAll(store: Pick<ServerStore, "listGone">): Promise<void> {
    for (const chatId of await this.#entries.neglected()) await this.#change(chatId, lookAfter(this.#awayMs));
    const accountIds = await this.#entries.parties();
    if (accountIds.length === 0) return;
    for (const gone of await store.listGone(accountIds)) await this.forsake(gone);
  }

  /** Nothing happens later from now on. */
  [Symbol.dispose](): void {
    this.#isDisposed = true;
    for (const timer of this.#timers) clearTimeout(timer);
    this.#timers.clear();
  }

  /** Makes a step that puts a session into a chat, and takes it out again if it has ended meanwhile. */
  async #hold<T>(session: ChatSession, chatId: string, step: Step<T>): Promise<T> {
    this.#holders.add(session.address.session);
    try {
      return await this.#change(chatId, step);
    } finally {
      if (session.hasEnded) {
        this.#holders.delete(session.address.session);
        await this.#leave(partyOf(session), session.isOut);
      }
    }
  }

  async #change<T>(chatId: string, step: Step<T>): Promise<T> {
    const { result, news } = await this.#entries.change(chatId, step);
    for (const one of news) this.#tell(one);
    return result;
  }

  #tell({ to, event, content }: ChatNews): void {
    if (typeof to === "number") this.#hub.notify(to, event, content);
    else this.#hub.tell(to, event, content);
  }

  async #leave(party: ChatParty, isForGood: boolean): Promise<void> {
    try {
      for (const chatId of await this.#entries.heldBy(party)) {
        if (isForGood) {
          await this.#change(chatId, close(party));
          continue;
        }
        const awayUntil = await this.#change(chatId, leave(party, this.#awayMs));
        // Where this fails, or this server is gone by then, another one looks after the chat.
        if (awayUntil !== null) this.#later(this.#awayMs, () => this.#change(chatId, giveUp(awayUntil)));
      }
    } catch {
      this.#later(this.#leaveAgainMs, () => this.#leave(party, isForGood));
    }
  }

  #later(ms: number, work: () => Promise<void>): void {
    if (this.#isDisposed) return;
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      work().catch(() => {});
    }, ms);
    this.#timers.add(timer);
  }
}

function partyOf({ address, accountId, identity: { name, deviceId }, peer }: ChatSession): ChatParty {
  return { at: address, accountId, name, deviceId, remoteAddress: peer.connection.remoteAddress };
}
