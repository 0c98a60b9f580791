/**
 * The session of a direct chat: what both say, in order, each thing once, whatever happens to the links under it.
 *
 * Each request gets the next `seq` and is kept until the other side has answered it; a new link begins with what was
 * not answered (PEER.md, "Session"). Knows nothing of how links come about, and little of what the requests mean.
 * @module
 */
import { ChatError, LinkError, ProtocolError } from "../errors.ts";
import {
  parsePeerMessage,
  type PeerContent,
  type PeerMessage,
  type PeerMethod,
  type Route,
} from "../protocol/peer_messages.ts";
import { RPC_INVALID_REQUEST } from "../protocol/rpc.ts";
import type { Link } from "./link.ts";

/** How long a lost session may take to come back, in milliseconds. */
export const COME_BACK_WITHIN_MS = 30_000;
/** How long the other side may answer nothing of what was sent before the link counts as stuck, in milliseconds. */
const STALL_MS = 20_000;
/** How long a goodbye may take to reach the other side, in milliseconds. */
const BYE_WITHIN_MS = 3_000;
/** Requests sent and not answered on one link: what fills a long road at good speed, and little memory. */
const WINDOW = 24;
/** Requests kept for sending before {@linkcode PeerSession.whenRoom} makes the sender wait. */
const QUEUE = 200;

/** How a session ended. */
export interface SessionEnd {
  /**
   * `said_bye`: this side. `heard_bye`: the other side. `lost`: no link came back in time. `protocol`: the other side
   * sent what it must not. `closed`: the server says that the other side has ended it.
   */
  readonly kind: "said_bye" | "heard_bye" | "lost" | "protocol" | "closed";
  /** One clause for people. */
  readonly message: string;
}

/** Who listens to a session. */
export interface SessionListener {
  /**
   * Takes one message, in order; the other side hears that it is there once this has returned or resolved. Must not
   * wait for anything to be sent. What it throws ends the session as a fault of the other side's.
   */
  onMessage(message: PeerMessage): void | Promise<void>;
  /** A link is in use: the first, a better one, or one after a loss. */
  onLinked?(route: Route): void;
  /** The link is lost; the session goes on when another comes in time. */
  onLost?(why: string): void;
}

/** Settings of a {@linkcode PeerSession}, which tests set low. */
export interface SessionOptions {
  /** {@linkcode COME_BACK_WITHIN_MS} by default. */
  readonly comeBackWithinMs?: number;
  /** 20 s by default. */
  readonly stallMs?: number;
}

interface Outgoing {
  readonly seq: number;
  readonly method: PeerMethod;
  readonly content: unknown;
  readonly confirmed: PromiseWithResolvers<void>;
  isConfirmed: boolean;
}

/** One conversation, over one link after another. */
export class PeerSession {
  /** Resolves once, when the session is over. Never rejects. */
  readonly ended: Promise<SessionEnd>;
  readonly #listener: SessionListener;
  readonly #comeBackWithinMs: number;
  readonly #stallMs: number;
  readonly #ended = Promise.withResolvers<SessionEnd>();
  /** In the order of `seq`: what the other side has not answered. */
  readonly #unconfirmed = new Map<number, Outgoing>();
  #lastSeq = 0;
  #sentSeq = 0; // highest one sent on the present link
  #received = 0; // highest one taken from the other side
  #handling: Promise<unknown> = Promise.resolve(); // ends when all that was taken has been handled
  #link: Link | undefined; // unset before the first link and while lost
  #route: Route | undefined; // of the present or last link
  #end: SessionEnd | undefined;
  #lostTimer: ReturnType<typeof setTimeout> | undefined; // set while lost
  #stallTimer: ReturnType<typeof setTimeout> | undefined; // set while something waits for an answer
  #progressAt = 0;
  #room: PromiseWithResolvers<void> | undefined; // set while somebody waits for room

  /** Starts without a link. */
  constructor(listener: SessionListener, options: SessionOptions = {}) {
    this.ended = this.#ended.promise;
    this.#listener = listener;
    this.#comeBackWithinMs = options.comeBackWithinMs ?? COME_BACK_WITHIN_MS;
    this.#stallMs = options.stallMs ?? STALL_MS;
  }

  /** Highest `seq` of the other side's that this side has. */
  get received(): number {
    return this.#received;
  }

  /** Whether a link is in use now. */
  get isLinked(): boolean {
    return this.#link !== undefined;
  }

  /** Whether it is over. */
  get isEnded(): boolean {
    return this.#end !== undefined;
  }

  /** The way of the link in use, or of the last one; undefined before the first. */
  get route(): Route | undefined {
    return this.#route;
  }

  /** Where the other end of the present link is; undefined while there is none. */
  get remoteAddress(): string | undefined {
    return this.#link?.remoteAddress;
  }

  /** Goes on over this link from now on; the one before is closed, and nothing is lost or said twice. */
  attach(link: Link): void {
    if (this.#end) return void link.close(this.#end.message);
    const before = this.#link;
    clearTimeout(this.#lostTimer);
    this.#link = link;
    this.#route = link.route;
    for (const outgoing of [...this.#unconfirmed.values()]) {
      if (outgoing.seq <= link.theirReceived) this.#confirm(outgoing);
    }
    this.#sentSeq = Math.min(this.#sentSeq, link.theirReceived);
    this.#progressAt = performance.now();
    link.serve((method, params) => this.#take(method, params));
    link.closed.then((reason) => {
      if (link !== this.#link) return;
      if (reason.kind === "protocol") this.#finish({ kind: "protocol", message: reason.message });
      else this.#lose(reason.message);
    });
    before?.close("another way is used now");
    this.#listener.onLinked?.(link.route);
    this.#pump();
  }

  /**
   * Says something to the other side, now or once there is a link again.
   *
   * @returns Resolves when the other side has it; rejects with a `LinkError` when the session ends before.
   */
  send<M extends PeerMethod>(method: M, content: PeerContent<M>): Promise<void> {
    if (this.#end) {
      return Promise.reject(new LinkError(`Cannot send as the chat is over: ${this.#end.message}`));
    }
    const outgoing: Outgoing = {
      seq: ++this.#lastSeq,
      method,
      content,
      confirmed: Promise.withResolvers<void>(),
      isConfirmed: false,
    };
    this.#unconfirmed.set(outgoing.seq, outgoing);
    this.#pump();
    return outgoing.confirmed.promise;
  }

  /** Resolves when little enough waits to be sent that more may be said. */
  async whenRoom(): Promise<void> {
    while (this.#unconfirmed.size >= QUEUE && !this.#end) {
      this.#room ??= Promise.withResolvers<void>();
      await this.#room.promise;
    }
  }

  /** Says goodbye after all that was said before, and ends; takes three seconds at most. */
  async bye(): Promise<void> {
    if (this.#end) return;
    const said = this.send("bye", {}).catch(() => {});
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, this.#link ? BYE_WITHIN_MS : 0);
    await Promise.race([said, promise]);
    clearTimeout(timer);
    this.#finish({ kind: "said_bye", message: "you said goodbye" });
  }

  /** Ends at once, for a reason that came from elsewhere. */
  close(end: SessionEnd): void {
    this.#finish(end);
  }

  #pump(): void {
    const link = this.#link;
    if (!link) return;
    while (this.#sentSeq < this.#lastSeq && this.#inFlight() < WINDOW) {
      const outgoing = this.#unconfirmed.get(++this.#sentSeq);
      if (outgoing) this.#transmit(link, outgoing);
    }
    if (this.#unconfirmed.size > 0) this.#watchProgress();
  }

  #inFlight(): number {
    // Confirmations come in order but for a moment, so the oldest unconfirmed one says how many are under way.
    const [oldest] = this.#unconfirmed.keys();
    return oldest === undefined ? 0 : Math.max(0, this.#sentSeq - oldest + 1);
  }

  #transmit(link: Link, outgoing: Outgoing): void {
    link.request(outgoing.method, { seq: outgoing.seq, ...outgoing.content as object }).then(
      () => {
        this.#confirm(outgoing);
        this.#pump();
      },
      (error) => {
        if (outgoing.isConfirmed || this.#end || link !== this.#link) return;
        // A lost link is noticed where it closes; what was not answered goes out again on the next one.
        if (error instanceof LinkError) return;
        const detail = error instanceof ChatError ? error.message : "no answer";
        this.#finish({
          kind: "protocol",
          message: `the other side did not take ${outgoing.method}: ${detail}`,
        });
      },
    );
  }

  #confirm(outgoing: Outgoing): void {
    if (outgoing.isConfirmed) return;
    outgoing.isConfirmed = true;
    this.#unconfirmed.delete(outgoing.seq);
    this.#progressAt = performance.now();
    outgoing.confirmed.resolve();
    if (this.#unconfirmed.size < QUEUE / 2) {
      this.#room?.resolve();
      this.#room = undefined;
    }
  }

  #take(method: string, params: unknown): Promise<unknown> {
    const message = parsePeerMessage(method, params);
    if (!message) {
      throw new ProtocolError(
        RPC_INVALID_REQUEST,
        "Cannot go on: the other side sent what is not the protocol",
      );
    }
    if (this.#end) throw new ChatError("unavailable", "Cannot take it: the chat is over");
    const { seq } = message.content;
    if (seq > this.#received + 1) {
      throw new ProtocolError(
        RPC_INVALID_REQUEST,
        `Cannot go on: the other side left out what comes before ${seq}`,
      );
    }
    if (seq === this.#received + 1) {
      this.#received = seq;
      this.#handling = this.#handling.then(() => this.#handle(message));
    }
    return this.#handling.then(() => ({}));
  }

  async #handle(message: PeerMessage): Promise<void> {
    if (this.#end) return;
    if (message.method === "bye") {
      const link = this.#link;
      this.#link = undefined;
      this.#finish({ kind: "heard_bye", message: "the other side said goodbye" });
      // After this turn, so that the answer is on its way before the link closes.
      setTimeout(() => link?.close("goodbye"), 0);
      return;
    }
    try {
      await this.#listener.onMessage(message);
    } catch (error) {
      this.#finish({ kind: "protocol", message: error instanceof Error ? error.message : String(error) });
    }
  }

  #lose(why: string): void {
    this.#link = undefined;
    clearTimeout(this.#stallTimer);
    this.#stallTimer = undefined;
    if (this.#end) return;
    this.#lostTimer = setTimeout(() => {
      const seconds = Math.round(this.#comeBackWithinMs / 1000);
      this.#finish({
        kind: "lost",
        message: `the connection was lost and did not come back in ${seconds} s`,
      });
    }, this.#comeBackWithinMs);
    this.#listener.onLost?.(why);
  }

  #watchProgress(): void {
    this.#stallTimer ??= setTimeout(() => {
      this.#stallTimer = undefined;
      if (!this.#link || this.#unconfirmed.size === 0) return;
      if (performance.now() - this.#progressAt < this.#stallMs) return this.#watchProgress();
      const seconds = Math.round(this.#stallMs / 1000);
      this.#link.abort({ kind: "silent", message: `the other side took nothing for ${seconds} s` });
    }, Math.max(10, this.#progressAt + this.#stallMs - performance.now()));
  }

  #finish(end: SessionEnd): void {
    if (this.#end) return;
    this.#end = end;
    clearTimeout(this.#lostTimer);
    clearTimeout(this.#stallTimer);
    const link = this.#link;
    this.#link = undefined;
    link?.close(end.message);
    const error = new LinkError(`The chat is over: ${end.message}`);
    for (const outgoing of this.#unconfirmed.values()) {
      outgoing.confirmed.promise.catch(() => {}); // nobody need wait for it
      outgoing.confirmed.reject(error);
    }
    this.#unconfirmed.clear();
    this.#room?.resolve();
    this.#ended.resolve(end);
  }
}
