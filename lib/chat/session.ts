/**
 * The session: one client's conversation with the server over one connection, from greeting to goodbye.
 *
 * It knows its stage and who is signed in; what each request does stands in `handlers.ts`. It knows nothing of sockets:
 * the server program feeds it requests and gives it a peer to answer to.
 * @module
 */
import { ChatError, ProtocolError } from "../errors.ts";
import type { Event, EventName } from "../protocol/events.ts";
import { isRequestName, parseParams, REQUESTS } from "../protocol/requests.ts";
import { Delivery, type SessionPeer } from "./delivery.ts";
import { HANDLERS } from "./handlers.ts";
import { connectionEnded, type TurnTaker } from "./fair_line.ts";
import type { PresentSession } from "./hub.ts";
import type { DeviceLogin, StoredMessage } from "./store.ts";
import type { Services } from "./services.ts";
import { hashToken } from "./token.ts";

/** Time a caller may take from connecting to being signed in, in milliseconds: a person types a password within it. */
export const SIGN_IN_WITHIN_MS = 5 * 60_000;

/** How far a session has come. */
export type Stage = "greeting" | "guest" | "signed_in" | "closed";

/** Who is signed in; exists from login to the end of the session. */
export interface Identity extends DeviceLogin {
  /** SHA-256 of the session token, in hex. */
  readonly tokenHash: string;
}

/** One client's session. */
export class Session implements PresentSession, TurnTaker {
  /** The connection underneath. */
  readonly peer: SessionPeer;
  readonly #services: Services;
  readonly #signInTimer: ReturnType<typeof setTimeout>;
  #stage: Stage = "greeting";
  #identity: Identity | null = null;
  #delivery: Delivery | null = null;
  #isIdle = false;
  #lastTurn: Promise<void> = Promise.resolve(); // ends when the last page that was asked for is on its way

  /** Starts at the greeting; ends by itself when nobody signs in within {@linkcode SIGN_IN_WITHIN_MS}. */
  constructor(peer: SessionPeer, services: Services) {
    this.peer = peer;
    this.#services = services;
    this.#signInTimer = setTimeout(() => peer.close("nobody signed in"), SIGN_IN_WITHIN_MS);
  }

  /** How far the session has come. */
  get stage(): Stage {
    return this.#stage;
  }

  /** The part of the caller's address that counts. */
  get addressGroup(): string {
    return this.peer.addressGroup;
  }

  /** True once nobody hears what is answered. */
  get hasEnded(): boolean {
    return this.#stage === "closed" || this.peer.isClosing;
  }

  /** Row id of the signed-in account. */
  get accountId(): number {
    return this.identity.accountId;
  }

  /** SHA-256 of the session token, in hex. */
  get tokenHash(): string {
    return this.identity.tokenHash;
  }

  /** Device that is signed in. */
  get deviceId(): string {
    return this.identity.deviceId;
  }

  /** True while the client says that its person is away from the keys. */
  get isIdle(): boolean {
    return this.#isIdle;
  }

  /**
   * Who is signed in.
   *
   * @throws {ChatError} `unauthenticated` when nobody is.
   */
  get identity(): Identity {
    if (!this.#identity) {
      throw new ChatError("unauthenticated", "Cannot do that before login: nobody is signed in");
    }
    return this.#identity;
  }

  /**
   * Answers one request. Requests are started in the order they came, and may finish in another.
   *
   * @returns The result, or a promise of it.
   * @throws {ChatError} when the request is refused; the session goes on.
   * @throws {ProtocolError} -32601 for a method that does not exist.
   */
  handle(method: string, params: unknown): unknown {
    if (!isRequestName(method)) {
      throw new ProtocolError(-32601, `Cannot do ${shown(method)}: no such request`);
    }
    const handler = HANDLERS[method];
    this.#checkStage(method, handler.stage);
    const checked = parseParams(method, params);
    return (handler.run as (session: Session, params: unknown, services: Services) => unknown)(
      this,
      checked,
      this.#services,
    );
  }

  /** Notes that the greeting was exchanged. */
  greeted(): void {
    this.#stage = "guest";
  }

  /**
   * Makes the session that of an account, and its account present.
   *
   * @param token Token the client comes back with.
   * @throws {ChatError} `unavailable` when the connection ended meanwhile, `conflict` when somebody is signed in already.
   */
  signIn(login: DeviceLogin, token: string): void {
    if (this.#stage === "closed") {
      throw new ChatError("unavailable", "Cannot log in: the connection has ended");
    }
    if (this.#identity) {
      throw new ChatError("conflict", `Cannot log in: signed in as ${this.#identity.name} already`);
    }
    clearTimeout(this.#signInTimer);
    const tokenHash = hashToken(token);
    this.#services.hub.renewToken(login, tokenHash);
    this.#identity = { ...login, tokenHash };
    this.#stage = "signed_in";
    this.#services.hub.add(this);
    this.#services.log.info("signed in", { connection: this.peer.id, name: login.name });
  }

  /** Notes that its device has logged in again, on another connection, and was given another token. */
  renewToken(tokenHash: string): void {
    this.#identity = { ...this.identity, tokenHash };
  }

  /**
   * Starts (or starts again) to deliver the mailbox above `after`.
   *
   * @throws {ChatError} `unavailable` when the connection has ended.
   */
  startDelivery(after: number): void {
    if (this.hasEnded) throw connectionEnded();
    this.#delivery?.stop();
    const delivery = new Delivery(this.accountId, after, this.peer, this.#services.store);
    this.#delivery = delivery;
    delivery.run().catch((error) => {
      this.#services.log.error("delivery failed", { connection: this.peer.id, error });
      this.peer.close("the mailbox could not be read");
    });
  }

  /**
   * Does work that answers with a page: one at a time, each when the peer has taken most of what came before. So a client
   * that asks for a hundred pages at once costs the memory of one, and gets them all if it reads.
   *
   * @throws {ChatError} `unavailable` when the connection ended before its turn; what `work` throws.
   */
  async inTurn<T>(work: () => Promise<T>): Promise<T> {
    const before = this.#lastTurn;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#lastTurn = promise;
    try {
      await before;
      await this.peer.drained();
      if (this.hasEnded) throw connectionEnded();
      return await work();
    } finally {
      resolve();
    }
  }

  /** Notes whether the person is at the keys. */
  setIdle(isIdle: boolean): void {
    this.#isIdle = isIdle;
  }

  /** Takes a message that was just committed for this account. */
  deliver(message: StoredMessage): void {
    this.#delivery?.offer(message);
  }

  /** Tells an event. */
  notify<E extends EventName>(event: E, content: Event<E>): void {
    this.peer.notify(event, content);
  }

  /** Tells the client that its session is over, and closes. */
  end(reason: Event<"session_ended">["reason"]): void {
    this.notify("session_ended", { reason });
    this.peer.close(`session ended: ${reason}`);
  }

  /** Must be called once the connection has ended, however it ended: the lease ends here. */
  ended(): void {
    if (this.#stage === "closed") return;
    clearTimeout(this.#signInTimer);
    this.#stage = "closed";
    this.#delivery?.stop();
    const identity = this.#identity;
    if (!identity) return;
    const { hub, store, log, now, directChats } = this.#services;
    directChats.left(this);
    hub.remove(this);
    store.markSeen(identity.accountId, now()).catch((error) => log.warn("last seen not noted", { error }));
  }

  #checkStage(method: keyof typeof REQUESTS, wanted: Stage | "any"): void {
    if (wanted === "any" || wanted === this.#stage) return;
    if (this.#stage === "greeting") {
      throw new ChatError("invalid", `Cannot take ${method} yet: say hello first`);
    }
    if (wanted === "greeting") throw new ChatError("conflict", "Cannot take hello: it was said already");
    if (wanted === "signed_in") throw new ChatError("unauthenticated", `Cannot take ${method}: log in first`);
    throw new ChatError("conflict", `Cannot take ${method}: signed in as ${this.identity.name} already`);
  }
}

function shown(method: string): string {
  return JSON.stringify(method.length > 40 ? `${method.slice(0, 40)}…` : method);
}
