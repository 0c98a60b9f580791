/**
 * A person's side of the chat on one server: what arrives, what is sent, and how far both have got.
 *
 * It lives as long as the person is signed in, through any number of broken connections: the link below it reconnects, and each
 * time the mailbox goes on where it stopped and the outbox is emptied. It knows nothing of screens or of how things are kept.
 * @module
 */
import { ChatError, ConnectionError } from "../errors.ts";
import type { RequestOptions } from "../net/rpc_connection.ts";
import { type Event, parseEvent, type ReceivedMessage } from "../protocol/events.ts";
import { newMessageId } from "../protocol/fields.ts";
import { MAX_HISTORY_PER_PAGE } from "../protocol/limits.ts";
import {
  checkedRequest,
  type HistoryEntry,
  type Params,
  parseResult,
  type RequestName,
  type Result,
  type SignedIn,
  type UserEntry,
} from "../protocol/requests.ts";
import { type HistoryPage, type HistoryRange, mustGetFurther, newestFirst, oldestFirst } from "./history.ts";
import type { ServerLink } from "./server_link.ts";
import { Subscription } from "./subscription.ts";
import { Unread } from "./unread.ts";
import {
  type Acknowledgement,
  type Outbox,
  type OutboxMessage,
  OutboxSender,
  retryAfterMs,
  type SendOutcome,
} from "./outbox_sender.ts";

/** How long delivered messages are gathered before the server is told, in milliseconds. */
const ACKNOWLEDGE_AFTER_MS = 20;

/** What a chat client keeps on disk, for one account on one server. */
export interface ChatRecords extends Outbox {
  /**
   * Puts a message at the end of the outbox; it is on disk when this returns.
   * @returns Whether no other message of the account waits there, whichever program wrote it.
   */
  add(message: OutboxMessage): boolean;
  /** Forgets a refused message, once its writer was told. */
  dismissRefused(id: string): void;
  /** Highest sequence that was shown on this device; 0 at first. */
  readCursor(): number;
  /** Notes the highest sequence that was shown. */
  saveReadCursor(sequence: number): void;
  /** Learns of messages that were shown. */
  seen(messages: readonly ReceivedMessage[]): void;
  /** Learns of a page of the history with somebody: the newest, or the one before a sequence. */
  keepHistory(name: string, before: number | null, page: HistoryPage): void;
  /** Learns that the server has nobody of this name, or no longer. */
  forgetWriter(name: string): void;
}

/** Who is told what happens. Each is optional. */
export interface ChatListener {
  /** A message arrived, in the order of the sequence: one that had waited on the server, or a new one. */
  onMessage?(message: ReceivedMessage, hasWaited: boolean): void;
  /** All that had waited has arrived, or as much as is held; called again as more arrives. */
  onCaughtUp?(): void;
  /** Messages were shown, here or by another program of this account on this device, and are held no longer. */
  onShown?(): void;
  /** Messages to somebody have got further. */
  onReceipt?(receipt: Event<"receipt">): void;
  /** A message from the outbox is stored on the server. */
  onAccepted?(message: OutboxMessage, acknowledgement: Acknowledgement): void;
  /** A message from the outbox will never be taken. Returns whether its writer is told by this, so that it can be forgotten. */
  onRefused?(message: OutboxMessage, error: ChatError): boolean;
  /** The server does not take a message now; it is sent again. Told once, until the server answers for one. */
  onHeldUp?(message: OutboxMessage, error: ChatError): void;
  /** The server refuses to deliver messages; it is asked again. Told once, until it delivers. */
  onUndelivered?(error: ChatError): void;
  /** It delivers them again. */
  onDelivered?(): void;
  /** Something failed that nobody waits for. */
  onFault?(error: unknown): void;
}

type Pages = AsyncGenerator<readonly HistoryEntry[]>;

/** A message on its way. */
export interface Sending {
  /** Its id. */
  readonly id: string;
  /** Resolves when the server has stored or refused it, however long that takes. */
  readonly outcome: Promise<SendOutcome>;
}

/** The chat of one signed-in account. */
export class ChatClient implements Disposable {
  readonly #link: Pick<ServerLink, "request">;
  readonly #records: ChatRecords;
  readonly #listener: ChatListener;
  readonly #sender: OutboxSender;
  readonly #outcomes = new Map<string, (outcome: SendOutcome) => void>();
  readonly #unread: Unread;
  readonly #subscription: Subscription;
  #acknowledgeTimer: ReturnType<typeof setTimeout> | undefined; // set while it waits to be told
  #isDisposed = false;
  /** What the server knows of this device: all up to here was delivered, and shown. Another object for each time it is told. */
  #told: Readonly<{ delivered: number; read: number }> = { delivered: 0, read: 0 };
  #shown: number; // the highest sequence

  /** The client of an account, from what is kept of it; it holds 16 MiB of unread messages, or as it is told. */
  constructor(
    link: Pick<ServerLink, "request">,
    records: ChatRecords,
    listener: ChatListener = {},
    maxHeldBytes?: number,
  ) {
    this.#link = link;
    this.#records = records;
    this.#listener = listener;
    this.#shown = records.readCursor();
    this.#unread = new Unread(this.#shown, maxHeldBytes);
    this.#subscription = new Subscription({
      unread: this.#unread,
      subscribe: async (after) => (await this.call("subscribe", { after })).upTo,
      onRefused: (error) => listener.onUndelivered?.(error),
      onDelivered: () => listener.onDelivered?.(),
      onFault: (error) => listener.onFault?.(error),
    });
    this.#sender = new OutboxSender({
      outbox: records,
      send: ({ id, to, text }) => this.call("send_message", { id, to, text }),
      onOutcome: (message, outcome) => this.#settle(message, outcome),
      onHeldUp: (message, error) => listener.onHeldUp?.(message, error),
      onFault: (error) => listener.onFault?.(error),
    });
  }

  /** Messages that arrived and were not shown yet, oldest first; of very many, the first of them. */
  get unread(): readonly ReceivedMessage[] {
    return this.#unread.waiting;
  }

  /** Whether more is unread than {@linkcode ChatClient.unread} holds; the rest comes as these are shown. */
  get hasMore(): boolean {
    return this.#unread.hasMore;
  }

  /** See {@linkcode Unread.caughtUp}. */
  get caughtUp(): Promise<number> {
    return this.#unread.caughtUp;
  }

  /** How far messages have arrived: all up to this sequence, or were shown before. */
  get received(): number {
    return this.#unread.received;
  }

  /** Why the server delivers no messages now; null when it does, as far as is known. */
  get undelivered(): ChatError | null {
    return this.#subscription.refusal;
  }

  /** See {@linkcode OutboxSender.heldUp}. */
  get heldUp(): ChatError | null {
    return this.#sender.heldUp;
  }

  /** Must be called each time the link has signed in: goes on with the mailbox, and empties the outbox. */
  async signedIn(signedIn: Pick<SignedIn, "readSequence">): Promise<void> {
    if (signedIn.readSequence > this.#shown) this.#noteShown(signedIn.readSequence);
    this.#sender.resume();
    // What was said before a connection broke may not have been heard.
    this.#told = { delivered: 0, read: signedIn.readSequence };
    this.#acknowledgeIn(ACKNOWLEDGE_AFTER_MS);
    await this.#subscription.begin();
    this.#tellIfCaughtUp();
  }

  /** Must be given every event that comes over the link; what is of other parts of the program (direct chat) does nothing here. */
  event(method: string, params: unknown): void {
    const event = parseEvent(method, params);
    if (event?.name === "message_received") this.#take(event.content);
    else if (event?.name === "receipt") this.#listener.onReceipt?.(event.content);
    // The link sees to `session_ended` and `server_stopping`.
  }

  /**
   * Writes a message: it is in the outbox on disk when this returns, and goes to the server as soon as there is a connection.
   * @throws {ChatError} `invalid` or `too_large` when name or text break the protocol's rules.
   */
  send(to: string, text: string): Sending {
    const id = newMessageId();
    const message = checkedRequest("send_message", { id, to, text }, "Cannot send");
    const isAlone = this.#records.add(message);
    const { promise: outcome, resolve } = Promise.withResolvers<SendOutcome>();
    this.#outcomes.set(id, resolve);
    this.#sender.wake(isAlone ? message : undefined);
    return { id, outcome };
  }

  /** Notes that everything up to a sequence was shown; from now on it is forgotten here, and known as read on the server. */
  async shown(upTo: number): Promise<void> {
    this.#noteShown(upTo);
    await this.#acknowledge();
  }

  /** Learns what another program of this account on this device has shown meanwhile. */
  lookElsewhere(): void {
    const upTo = this.#records.readCursor();
    if (upTo > this.#shown) this.#noteShown(upTo);
  }

  /** Forgets everything up to a sequence here, without noting it as read: the next program gets it again. */
  passOver(upTo: number): void {
    this.#unread.shown(upTo);
    this.#subscription.askForRest();
  }

  /** Every user, by name, page by page. */
  async *users(options?: RequestOptions): AsyncGenerator<UserEntry> {
    let after: string | null = null;
    do {
      const params: Params<"list_users"> = after === null ? {} : { after };
      const page: Result<"list_users"> = await this.call("list_users", params, options);
      mustGetFurther(page.next, after);
      yield* page.users;
      after = page.next;
    } while (after !== null);
  }

  /** One user; null when there is none of that name. */
  async findUser(name: string, options?: RequestOptions): Promise<UserEntry | null> {
    return (await this.call("list_users", { name }, options)).users[0] ?? null;
  }

  /** What was written between this account and another, newest page first; each page is oldest first. */
  history(name: string, range?: HistoryRange, options?: RequestOptions): Pages {
    return newestFirst((before) => this.#historyPage(name, before, options), range);
  }

  /** The same, oldest page first. One page is held at a time, so all but the oldest are asked for twice: back, then forward. */
  historyFromStart(name: string, range?: HistoryRange): Pages {
    const limit = MAX_HISTORY_PER_PAGE;
    return oldestFirst((before) => this.#historyPage(name, before, {}, limit), range);
  }

  /**
   * Asks the server.
   * @throws {ChatError} when the server refuses.
   * @throws {ConnectionError} when there is no connection, or it is lost before the reply.
   */
  async call<M extends RequestName>(
    method: M,
    params: Params<M>,
    options?: RequestOptions,
  ): Promise<Result<M>> {
    const given = checkedRequest(method, params, "Cannot do that");
    return parseResult(method, await this.#link.request(method, given, options));
  }

  /** Stops sending and acknowledging. What waits stays on disk. */
  [Symbol.dispose](): void {
    this.#isDisposed = true;
    clearTimeout(this.#acknowledgeTimer);
    this.#sender[Symbol.dispose]();
    this.#subscription[Symbol.dispose]();
  }

  /** A page from the server; the records learn of it. */
  async #historyPage(name: string, before: number | null, options?: RequestOptions, limit?: number) {
    try {
      const page = await this.call("fetch_history", {
        with: name,
        ...(before === null ? {} : { before }),
        ...(limit === undefined ? {} : { limit }),
      }, options);
      this.#records.keepHistory(name, before, page);
      return page;
    } catch (error) {
      if (error instanceof ChatError && error.code === "not_found") this.#records.forgetWriter(name);
      throw error;
    }
  }

  #take(message: ReceivedMessage): void {
    const hadMore = this.hasMore;
    if (!this.#unread.take(message)) {
      if (this.#unread.reach(this.#shown) > this.#shown) {
        this.#noteShown(this.#shown);
        this.#acknowledgeIn(ACKNOWLEDGE_AFTER_MS);
      }
      if (this.hasMore && !hadMore) this.#subscription.pause();
      this.#tellIfCaughtUp();
      return;
    }
    this.#acknowledgeIn(ACKNOWLEDGE_AFTER_MS);
    this.#listener.onMessage?.(message, this.#unread.hasWaited(message));
    this.#tellIfCaughtUp();
  }

  #tellIfCaughtUp(): void {
    if (!this.#unread.isCatchingUp) this.#listener.onCaughtUp?.();
  }

  #acknowledgeIn(ms: number): void {
    this.#acknowledgeTimer ??= setTimeout(() => this.#acknowledge(), ms);
  }

  /**
   * Tells the server how far this device is, if that is news. What cannot be told now is told later: after a pause where the
   * server asks for one (its disk is full), and at the next connection where there is none.
   */
  async #acknowledge(): Promise<void> {
    clearTimeout(this.#acknowledgeTimer);
    this.#acknowledgeTimer = undefined;
    const before = this.#told;
    const now = { delivered: this.#unread.received, read: this.#shown };
    if (now.delivered <= before.delivered && now.read <= before.read) return;
    this.#told = now;
    try {
      await this.call("acknowledge", now);
    } catch (error) {
      if (this.#told === now) this.#told = before;
      if (error instanceof ConnectionError || this.#isDisposed) return;
      const againMs = retryAfterMs(error);
      if (againMs === undefined) this.#listener.onFault?.(error);
      else this.#acknowledgeIn(againMs);
    }
  }

  #noteShown(shown: number): void {
    const upTo = this.#unread.reach(shown);
    const seen = this.#unread.waiting.filter(({ sequence }) => sequence <= upTo);
    this.#unread.shown(upTo);
    this.#subscription.askForRest();
    if (upTo <= this.#shown) return;
    this.#shown = upTo;
    this.#records.saveReadCursor(upTo);
    this.#records.seen(seen);
    this.#listener.onShown?.();
  }

  #settle(message: OutboxMessage, outcome: SendOutcome): void {
    const { id } = message;
    this.#outcomes.get(id)?.(outcome);
    this.#outcomes.delete(id);
    if (outcome.kind === "stored") this.#listener.onAccepted?.(message, outcome.acknowledgement);
    else if (this.#listener.onRefused?.(message, outcome.error)) this.#records.dismissRefused(id);
  }
}
