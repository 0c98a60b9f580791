// The session: one client's conversation with the server over one connection, from greeting to goodbye.
// It knows its stage and who is signed in; what each request does stands in `handlers.ts`. It knows nothing of sockets.
import { ChatError } from "../errors.ts";
import type { SessionAddress } from "./cluster.ts";
import type { Event, EventName } from "../protocol/events.ts";
import type { Params, RequestName, Result } from "../protocol/requests.ts";
import { Delivery, type SessionPeer } from "./delivery.ts";
import { connectionEnded, type TurnTaker } from "./throttles/fair_line.ts";
import type { Identity, PresentSession } from "./hub.ts";
import type { Services } from "./services.ts";

const SIGN_IN_WITHIN_MS = 5 * 60_000; // from connecting on: a person types a password within it

/** Sessions of one account that keep their place while places are few: one for each device that it may have. */
const KEPT_SESSIONS = 64;

export type Stage = "greeting" | "guest" | "signed_in" | "closed";

/** What to do for each request; throws a `ChatError` to refuse. */
export type Handlers = {
  readonly [M in RequestName]: (session: Session, params: Params<M>) => Result<M> | Promise<Result<M>>;
};

export class Session implements PresentSession, TurnTaker {
  readonly peer: SessionPeer;
  readonly address: SessionAddress;
  readonly addressGroup: string;
  readonly services: Services;
  delivery: Delivery | null = null;
  asking: Promise<void> | null = null; // see `HouseRules.contact`
  isOut = false; // does not come back: its login has ended, or a ban shuts it out
  isIdle = false; // the client says that its person is away from the keys
  readonly #signInTimer: ReturnType<typeof setTimeout>;
  #stage: Stage = "greeting";
  #identity: Identity | null = null;
  #lastTurn: Promise<void> = Promise.resolve(); // ends when the last page that was asked for is on its way
  #deliveriesAsked = 0; // requests
  #deliveryStarted = 0; // number of the request that was last obeyed
  #delivering: Promise<void> = Promise.resolve(); // settles when no delivery reads from the store

  constructor(peer: SessionPeer, addressGroup: string, services: Services) {
    this.peer = peer;
    this.address = { server: services.cluster.bus.server, session: peer.id };
    this.addressGroup = addressGroup;
    this.services = services;
    this.#signInTimer = setTimeout(() => peer.close("nobody signed in in time"), SIGN_IN_WITHIN_MS);
  }

  get stage(): Stage {
    return this.#stage;
  }

  /** True once nobody hears what is answered. */
  get hasEnded(): boolean {
    return this.#stage === "closed" || this.peer.connection.isClosing;
  }

  get remoteAddress(): string {
    return this.peer.connection.remoteAddress;
  }

  get accountId(): number {
    return this.identity.accountId;
  }

  get identity(): Identity {
    if (!this.#identity) {
      throw new ChatError("unauthenticated", "Cannot do that before login: nobody is signed in");
    }
    return this.#identity;
  }

  greeted(): void {
    this.#stage = "guest";
  }

  signIn(identity: Identity): void {
    if (this.#stage === "closed") {
      throw new ChatError("unavailable", "Cannot log in: the connection has ended");
    }
    if (this.#identity) {
      throw new ChatError("conflict", `Cannot log in: signed in as ${this.#identity.name} already`);
    }
    clearTimeout(this.#signInTimer);
    const { hub, onSignedIn } = this.services;
    this.#identity = identity;
    this.#stage = "signed_in";
    hub.add(this);
    if (hub.sessionsHere(identity.accountId) <= KEPT_SESSIONS) this.peer.connection.keep();
    onSignedIn({ connection: this.peer.id, name: identity.name, address: this.remoteAddress });
  }

  renewToken(tokenHash: string): void {
    this.#identity = { ...this.identity, tokenHash };
  }

  /**
   * Takes up a request to deliver. What this returns starts (or starts again) to deliver the mailbox above the sequence `after`, or
   * does nothing where a later request has: the store may answer what they ask in another order.
   */
  nextDelivery(): (after: number) => void {
    const request = ++this.#deliveriesAsked;
    return (after) => {
      if (request < this.#deliveryStarted) return;
      this.#deliveryStarted = request;
      this.#startDelivery(after);
    };
  }

  #startDelivery(after: number): void {
    if (this.hasEnded) throw connectionEnded();
    this.delivery?.stop();
    const { store, log } = this.services;
    const delivery = new Delivery({
      accountId: this.accountId,
      after,
      peer: this.peer,
      store: { listMailbox: (page) => this.atDesk(() => store.listMailbox(page)) },
      onFault: (error) => {
        log.error("delivery failed", { connection: this.peer.id, error });
        this.peer.close("the mailbox could not be read");
      },
    });
    this.delivery = delivery;
    // Once the one before has read its last page: whoever starts again and again has one page read at a time.
    this.#delivering = this.#delivering.then(() => delivery.run());
  }

  /** Asks something of the store, beside a few others of the same account: see `Services.desks`. */
  atDesk<T>(work: () => Promise<T>): Promise<T> {
    const key = this.#identity?.accountId ?? this.addressGroup;
    return this.services.desks.serve(key, this, work);
  }

  /**
   * Does work that answers with a page: one at a time, each when the peer has taken most of what came before. So a client
   * that asks for a hundred pages at once costs the memory of one, and gets them all if it reads.
   */
  async inTurn<T>(work: () => Promise<T>): Promise<T> {
    const before = this.#lastTurn;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#lastTurn = promise;
    try {
      await before;
      await this.peer.connection.drained();
      if (this.hasEnded) throw connectionEnded();
      return await this.atDesk(work);
    } finally {
      resolve();
    }
  }

  notify<E extends EventName>(event: E, content: Event<E>): void {
    this.peer.notify(event, content);
  }

  end(reason: Event<"session_ended">["reason"]): void {
    this.isOut = reason === "revoked"; // with a new password the same program may go on
    this.notify("session_ended", { reason });
    this.peer.close(`session ended: ${reason}`);
  }

  /** Closes after this turn, in which the reply is queued. */
  closeSoon(reason: string): void {
    setTimeout(() => this.peer.close(reason), 0);
  }

  turnOut(): void {
    this.isOut = true;
    this.peer.close("banned by the operator");
  }

  /** Must be called once the connection has ended, however it ended: the lease ends here. */
  ended(): void {
    if (this.#stage === "closed") return;
    clearTimeout(this.#signInTimer);
    this.#stage = "closed";
    this.delivery?.stop();
    if (!this.#identity) return;
    const { hub, store, log, directChats } = this.services;
    directChats.left(this);
    hub.remove(this);
    store.markSeen(this.accountId, Date.now()).catch((error) => log.warn("last seen not stored", { error }));
  }
}
