// Delivery: how a mailbox reaches one connection, every message once and in the order of the sequence.
// There are two ways to the wire. Caught up: a message that was just committed goes out at once. Behind (at the start, when
// the reader is slow, or when another server has put something into the mailbox): messages are read from the store page by
// page, each after the last one is written. So the memory held for a slow reader is one page and the connection's send queue,
// and nobody else waits for it.
import { ChatError } from "../errors.ts";
import { within } from "../waiting.ts";
import type { ChatStore, StoredMessage } from "./store.ts";

// Read from the store at once.
const PAGE_MESSAGES = 500;
const PAGE_BYTES = 256 * 1024; // of text

const READ_AGAIN_MS = 1_000; // while the store is away, unless it says how long

/** The other end of a session, where replies and events go; `RpcConnection` is one. */
export interface SessionPeer {
  readonly id: string; // names the connection in logs
  readonly connection: {
    readonly remoteAddress: string; // normalised IP address
    readonly isClosing: boolean; // nothing more is sent: being closed, or ended
    readonly isBacklogged: boolean; // more bytes wait to be written than the peer takes
    /** Resolves when what waits has been written, or the connection has ended. */
    drained(): Promise<void>;
    /** Says that somebody is signed in: while places are few, whoever is not may lose theirs. */
    keep(): void;
  };
  /** Sends an event. Never blocks; does nothing once the connection has ended. */
  notify(method: string, params: unknown): void;
  /** Ends the connection after what waits is written. */
  close(reason: string): void;
}

export interface DeliveryOptions {
  readonly accountId: number;
  readonly after: number; // sequence above which it begins
  readonly peer: SessionPeer;
  readonly store: Pick<ChatStore, "listMailbox">;
  readonly onFault: (error: unknown) => void; // the mailbox cannot be read: nothing more is handed over
}

/** Delivers the mailbox of one account over one connection, from a sequence on; call {@linkcode Delivery.run} to start. */
export class Delivery {
  readonly #accountId: number;
  readonly #peer: SessionPeer;
  readonly #store: Pick<ChatStore, "listMailbox">;
  readonly #onFault: (error: unknown) => void;
  #sent: number; // highest sequence handed to the peer
  #looked = 0; // up to here the store was asked for; what it no longer holds is never handed over
  #isCaughtUp = false; // the store holds nothing that was not handed to the peer
  #hasMore = false; // a message was committed that the running page may not hold
  #isStopped = false;
  readonly #stopped = Promise.withResolvers<void>();

  constructor({ accountId, after, peer, store, onFault }: DeliveryOptions) {
    this.#accountId = accountId;
    this.#sent = after;
    this.#peer = peer;
    this.#store = store;
    this.#onFault = onFault;
  }

  /**
   * Takes a message that was just committed here. It goes out at once only if nothing lies between it and what was handed
   * over before; another server may have committed that, and the news of it still be on its way.
   * @param previous The mailbox's highest sequence before it.
   */
  offer(message: StoredMessage, previous: number): void {
    if (this.#isOver || message.sequence <= this.#sent) return;
    const { isBacklogged } = this.#peer.connection;
    if (this.#isCaughtUp && previous <= Math.max(this.#sent, this.#looked) && !isBacklogged) {
      this.#hand(message);
    } else this.wake();
  }

  /** Must be called when the store may hold more than was handed over. */
  wake(): void {
    this.#hasMore = true; // a page that is being read now may not hold it
    if (!this.#isCaughtUp || this.#isOver) return;
    this.#isCaughtUp = false;
    this.run();
  }

  /** Takes the newest sequence that the mailbox has ever received, and looks into the store if that is news. */
  lookUpTo(highest: number): void {
    if (highest <= Math.max(this.#sent, this.#looked)) return;
    this.#looked = highest;
    this.wake();
  }

  /**
   * Hands over what the store holds until there is no more; from then on `offer` and `wake` do the rest. A store that is away
   * is asked again. Never rejects.
   */
  async run(): Promise<void> {
    try {
      await this.#handOver();
    } catch (error) {
      this.#onFault(error);
    }
  }

  async #handOver(): Promise<void> {
    while (!this.#isOver) {
      await this.#peer.connection.drained();
      if (this.#isOver) return;
      this.#hasMore = false;
      const page = await this.#readPage();
      if (this.#isOver) return;
      if (page === null) continue;
      for (const message of page.messages) {
        // As JSON it may be six times as long, and hundreds of readers who read nothing would hold it all.
        if (this.#peer.connection.isBacklogged) await this.#peer.connection.drained();
        if (this.#isOver) return;
        this.#hand(message);
      }
      if (page.next === null && !this.#hasMore) {
        this.#isCaughtUp = true;
        return;
      }
    }
  }

  stop(): void {
    this.#isStopped = true;
    this.#stopped.resolve();
  }

  get #isOver(): boolean {
    return this.#isStopped || this.#peer.connection.isClosing;
  }

  /** The next page; null while the store is away, after a rest. */
  async #readPage(): Promise<Awaited<ReturnType<ChatStore["listMailbox"]>> | null> {
    try {
      return await this.#store.listMailbox({
        accountId: this.#accountId,
        after: this.#sent,
        limit: PAGE_MESSAGES,
        maxBytes: PAGE_BYTES,
      });
    } catch (error) {
      if (!(error instanceof ChatError) || error.code !== "unavailable") throw error;
      await within(error.retryAfterMs ?? READ_AGAIN_MS, this.#stopped.promise);
      return null;
    }
  }

  #hand({ sequence, id, from, text, storedAt }: StoredMessage): void {
    this.#sent = sequence;
    this.#peer.notify("message_received", { sequence, id, from, text, storedAt });
  }
}
