import { ChatError, ConnectionError, messageOf, ProtocolError } from "../errors.ts";
import {
  parsePeerMessage,
  type PeerContent,
  type PeerMessage,
  type PeerMethod,
  type Route,
} from "../protocol/peer_messages.ts";
import { RPC_INVALID_REQUEST } from "../protocol/rpc.ts";
import { sleep, within } from "../waiting.ts";
import type { PeerLink } from "./link/peer_link.ts";
import { type Outgoing, SendWindow, sizeOf, SMALL_BYTES, tooLarge } from "./link/send_window.ts";
import { RouteHealth } from "./route/route_health.ts";

/** How long a lost channel may take to come back, in milliseconds: longer than a server takes to notice a dead client. */
export const COME_BACK_WITHIN_MS = 90_000;
const STALL_MS = 10_000; // nothing that was sent got through for so long: the link is stuck
const REPLY_TIMEOUT_MS = 600_000; // for one reply; the channel watches its progress itself
const PROBE_MS = 2_000; // how soon a link must answer when it is in doubt
const ANSWER_WITHIN_MS = 500; // how long a goodbye waits for what the other side said to be shown
const BYE_WITHIN_MS = 3_000; // how long a goodbye may take to reach the other side

export interface ChatEnd {
  /**
   * `said_bye`: this side. `heard_bye`: the other side. `lost`: no link came back in time. `protocol`: the other side
   * sent what it must not. `closed`: the other side, or the server for it, says that it has ended. `failed`: this side can
   * show nothing any more.
   */
  readonly kind: "said_bye" | "heard_bye" | "lost" | "protocol" | "closed" | "failed";
  readonly message: string; // one clause for people
}

export interface ChannelListener {
  /**
   * Takes one message, in order; the other side hears that it has arrived once this has returned or resolved. Must not
   * wait for anything to be sent. What it throws ends the channel: a `ChatError` as a fault of the other side's.
   */
  onMessage(message: PeerMessage): void | Promise<void>;
  /** A link is in use: the first, a better one, or one after a loss. */
  onLinked(route: Route): void;
  /** The link is lost; the channel goes on when another comes in time. */
  onLost(why: string): void;
}

export interface ChannelOptions {
  readonly comeBackWithinMs?: number;
  readonly stallMs?: number; // how long nothing may get through, in milliseconds; 10 s by default
}

/**
 * The channel of a direct chat: what both say, in order, each thing once, whatever happens to the links under it.
 * Each request gets the next `seq` and is kept until the other side has answered it; a new link begins with what was
 * not answered (PEER.md, "Channel"). Knows nothing of how links come about, and little of what the requests mean.
 */
export class PeerChannel {
  readonly ended: Promise<ChatEnd>;
  /** What is known of the ways; whoever looks for links asks here first. */
  readonly routes: RouteHealth = new RouteHealth();
  received = 0; // highest `seq` of the other side's that this side has shown or saved
  route: Route | undefined; // of the link in use, or of the last one
  readonly #listener: ChannelListener;
  readonly #comeBackWithinMs: number;
  readonly #stallMs: number;
  readonly #ended = Promise.withResolvers<ChatEnd>();
  readonly #window = new SendWindow();
  #taken = 0; // highest `seq` taken from the other side
  #handling: Promise<unknown> = Promise.resolve(); // ends when all that was taken has been handled
  #link: PeerLink | undefined; // unset before the first link and while lost
  #end: ChatEnd | undefined;
  #lostTimer: ReturnType<typeof setTimeout> | undefined; // set while lost
  #stallTimer: ReturnType<typeof setTimeout> | undefined; // set while something waits for an answer
  #stuckSeq: number | undefined; // what was first in line when the last link got stuck

  constructor(listener: ChannelListener, options: ChannelOptions) {
    this.ended = this.#ended.promise;
    this.#listener = listener;
    this.#comeBackWithinMs = options.comeBackWithinMs ?? COME_BACK_WITHIN_MS;
    this.#stallMs = options.stallMs ?? STALL_MS;
  }

  get isLinked(): boolean {
    return this.#link !== undefined;
  }

  get isEnded(): boolean {
    return this.#end !== undefined;
  }

  get remoteAddress(): string | undefined {
    return this.#link?.rpc.connection.remoteAddress;
  }

  /** Goes on over this link from now on; the one before is closed, and nothing is lost or said twice. */
  attach(link: PeerLink): void {
    if (this.#end) return void link.rpc.close(this.#end.message);
    const before = this.#link;
    clearTimeout(this.#lostTimer);
    this.#link = link;
    this.route = link.route;
    this.#window.restart(link.theirReceived);
    link.serve((method, params) => this.#take(method, params));
    link.rpc.closed.then((reason) => {
      if (link !== this.#link) return;
      if (reason.kind === "protocol") this.close({ kind: "protocol", message: reason.message });
      else this.#lose(link, reason.message);
    });
    this.#listener.onLinked(link.route);
    this.#pump();
    // Nothing else before its answer: where large packets vanish, so does the proof of the link that shares one with them.
    ping(link, this.#stallMs).then(() => {
      if (link !== this.#link) return;
      this.#window.open();
      this.#pump();
    }, () => {}) // a link that is lost is noticed where it closes
      // Not before: its end could overtake the reply to `take`, and look like a loss to the other side.
      .finally(() => before?.rpc.close("another way is used now"));
  }

  /** Asks the link for a sign of life, and gives it up when none comes soon. */
  async probe(): Promise<void> {
    const link = this.#link;
    if (!link) return;
    await ping(link, PROBE_MS).catch(() => {
      link.rpc.abort({ kind: "silent", message: "the other side does not answer any more" });
    });
  }

  /** Says something to the other side, now or once there is a link again. */
  send<M extends PeerMethod>(method: M, content: PeerContent<M>): Promise<void> {
    if (this.#end) {
      return Promise.reject(new ConnectionError(`Cannot send as the chat is over: ${this.#end.message}`));
    }
    if (sizeOf(content) > SMALL_BYTES && this.#isNarrow()) return Promise.reject(tooLarge());
    const outgoing = this.#window.add(method, content);
    this.#pump();
    return outgoing.confirmed.promise;
  }

  /** Says goodbye after all that was said before, and ends; takes three seconds at most. */
  async bye(): Promise<void> {
    if (this.#end) return;
    const said = this.#answered().then(() => this.send("bye", {})).catch(() => {});
    await within(this.#link ? BYE_WITHIN_MS : 0, said);
    this.close({ kind: "said_bye", message: "you said goodbye" });
  }

  /** Waits for a moment until what was shown is answered, as the other side would take it for undelivered behind a goodbye. */
  async #answered(): Promise<void> {
    await within(ANSWER_WITHIN_MS, this.#handling.catch(() => {}));
    await sleep(0); // the answer leaves in this turn, after those who wait for the same
  }

  /** Ends at once. */
  close(end: ChatEnd): void {
    if (this.#end) return;
    this.#end = end;
    clearTimeout(this.#lostTimer);
    clearTimeout(this.#stallTimer);
    const link = this.#link;
    this.#link = undefined;
    link?.rpc.close(end.message);
    this.#window.drop(new ConnectionError(`The chat is over: ${end.message}`));
    this.#ended.resolve(end);
  }

  #pump(): void {
    const link = this.#link;
    if (!link) return;
    if (!this.#window.isEmpty) this.#watchProgress();
    for (let outgoing; (outgoing = this.#window.next());) this.#transmit(link, outgoing);
  }

  async #transmit(link: PeerLink, outgoing: Outgoing): Promise<void> {
    const { method, seq, content, bytes } = outgoing;
    try {
      await link.rpc.request(method, { seq, ...content }, { timeoutMs: REPLY_TIMEOUT_MS });
    } catch (error) {
      return this.#refused(link, method, error);
    }
    this.#window.confirm(outgoing);
    if (link !== this.#link) return;
    this.#window.answered(bytes, this.#isNarrow());
    this.#pump();
  }

  #refused(link: PeerLink, method: PeerMethod, error: unknown): void {
    // A lost link is noticed where it closes; what was not answered goes out again on the next one.
    if (this.#end || link !== this.#link || error instanceof ConnectionError) return;
    if (error instanceof ChatError && error.code === "unavailable") {
      return this.close({ kind: "closed", message: "the other side has ended it" });
    }
    const detail = error instanceof ChatError ? error.message : "no answer";
    this.close({ kind: "protocol", message: `the other side did not take ${method}: ${detail}` });
  }

  #take(method: string, params: unknown): Promise<unknown> {
    const message = parsePeerMessage(method, params);
    if (!message) throw broken("sent what is not the protocol");
    if (this.#end) throw isOver();
    const { seq } = message.content;
    if (seq > this.#taken + 1) throw broken(`left out what comes before ${seq}`);
    if (seq === this.#taken + 1) {
      this.#taken = seq;
      this.#handling = this.#handling.then(async () => {
        await this.#handle(message);
        this.received = seq;
      });
    }
    return this.#handling.then(() => ({}));
  }

  async #handle(message: PeerMessage): Promise<void> {
    if (this.#end) throw isOver();
    if (message.method === "skip") return;
    if (message.method === "bye") {
      return this.#finishAfterReply({ kind: "heard_bye", message: "the other side said goodbye" });
    }
    try {
      await this.#listener.onMessage(message);
    } catch (error) {
      const kind = error instanceof ChatError ? "protocol" : "failed";
      this.#finishAfterReply({ kind, message: messageOf(error) });
      throw isOver();
    }
  }

  /** Ends, and closes the link after this turn, so that the answer is on its way before. */
  #finishAfterReply(end: ChatEnd): void {
    const link = this.#link;
    this.#link = undefined;
    this.close(end);
    setTimeout(() => link?.rpc.close(end.message), 0);
  }

  #lose(link: PeerLink, why: string): void {
    this.#link = undefined;
    clearTimeout(this.#stallTimer);
    this.#stallTimer = undefined;
    if (this.#end) return;
    if (this.#isStuck(link)) this.#giveWay(link.route);
    this.#lostTimer = setTimeout(() => {
      const seconds = Math.round(this.#comeBackWithinMs / 1000);
      this.close({
        kind: "lost",
        message: `the connection was lost and did not come back in ${seconds} s`,
      });
    }, this.#comeBackWithinMs);
    this.#listener.onLost(why);
  }

  /**
   * Whether a link died of a way that carries small packets only, and not of a network that is gone: nothing got through for
   * long, although the other side was heard, or something large was under way and may have stopped both directions.
   */
  #isStuck(link: PeerLink): boolean {
    const longMs = this.#stallMs / 2;
    const { isEmpty, progressAt, bytesInFlight } = this.#window;
    if (isEmpty || performance.now() - progressAt < longMs) return false;
    return link.rpc.connection.heardAt - progressAt >= longMs || bytesInFlight > SMALL_BYTES;
  }

  /** Leaves the way alone that got stuck. What got stuck twice is too large for any: it is taken back. */
  #giveWay(route: Route): void {
    this.routes.avoid(route);
    const { first } = this.#window;
    if (first !== this.#stuckSeq) {
      this.#stuckSeq = first;
      return;
    }
    this.routes.narrow(route);
    this.#window.takeBackLarge();
  }

  #isNarrow(): boolean {
    return this.route !== undefined && this.routes.isNarrow(this.route);
  }

  /** Asks now and then whether anything gets through while something waits for its answer: the other side may only be slow. */
  #watchProgress(): void {
    this.#stallTimer ??= setTimeout(() => {
      this.#stallTimer = undefined;
      const link = this.#link;
      if (!link || this.#window.isEmpty) return;
      const silenceMs = performance.now() - this.#window.progressAt;
      if (silenceMs >= this.#stallMs) {
        const seconds = Math.round(silenceMs / 1000);
        return link.rpc.abort({ kind: "silent", message: `the other side took nothing for ${seconds} s` });
      }
      ping(link, this.#stallMs).then(() => {
        if (link === this.#link) this.#window.noteProgress();
      }, () => {}); // a link that is lost is noticed where it closes
      this.#watchProgress();
    }, this.#stallMs / 5);
  }
}

function ping(link: PeerLink, timeoutMs: number): Promise<unknown> {
  return link.rpc.request("ping", undefined, { timeoutMs });
}

/** What the other side is told of what comes too late: it was not shown. */
function isOver(): ChatError {
  return new ChatError("unavailable", "Cannot take it: the chat is over");
}

function broken(how: string): ProtocolError {
  return new ProtocolError(RPC_INVALID_REQUEST, `Cannot go on: the other side ${how}`);
}
