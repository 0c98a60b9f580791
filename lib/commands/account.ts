// One account signed in on one server: the link that keeps the connection, and the chat over it.
import { ChatClient, type ChatListener } from "../client/chat_client.ts";
import { type LinkState, ServerLink } from "../client/server_link.ts";
import { formatHostAndPort } from "../addresses.ts";
import { ChatError, ConnectionError, isTemporary } from "../errors.ts";
import { unlessAborted, within } from "../waiting.ts";
import { checkedRequest, parseResult, type RequestName, type SignedIn } from "../protocol/requests.ts";
import type { KnownServer, Profile } from "../profile/profile.ts";
import type { AccountKey, AccountRecords } from "../profile/account_records.ts";
import { addressReached, reachServer } from "./guest.ts";
import type { News } from "./chat/news.ts";
import { Outage, type OutageTeller } from "./outage.ts";

/** How soon the prompt knows what another program of this account on this device has shown, in milliseconds. */
const LOOK_ELSEWHERE_MS = 2_000;

type FirstOutcome =
  | { readonly kind: "online" }
  | { readonly kind: "waiting"; readonly reason: string }
  | { readonly kind: "ended"; readonly error: unknown }; // for good, or since the person did not want to wait

interface AccountOptions {
  readonly profile: Profile;
  readonly server: KnownServer;
  readonly name: string;
  readonly news: News | null; // who tells the person what happens; null in a script
}

export class Account implements AsyncDisposable {
  readonly server: KnownServer;
  readonly name: string;
  readonly key: AccountKey;
  readonly records: AccountRecords;
  readonly client: ChatClient;
  readonly news: News | null;
  /** Aborted once it can do no more; the reason is the error, if one ended it. */
  readonly ended: AbortSignal;
  readonly #profile: Profile;
  readonly #link: ServerLink;
  readonly #ended = new AbortController();
  readonly #hearers = new Set<(method: string, params: unknown) => void>();
  readonly #signInHearers = new Set<() => void>();
  #changed = Promise.withResolvers<void>();
  #signedIn: SignedIn | null = null;
  #serverAddress = "";
  #isIdle = false;
  #wasOnline = false;
  #failure: string | null = null; // why the last attempt failed, or the connection broke; null while there is one
  readonly #looking: ReturnType<typeof setInterval> | undefined; // where a person sits at the prompt
  #isAwaited = false; // whoever waits for an outcome tells it
  #outage: Outage | null;
  #teller: OutageTeller | null;

  constructor({ profile, server, name, news }: AccountOptions) {
    this.server = server;
    this.name = name;
    this.key = { serverId: server.serverId, name };
    this.news = news;
    this.#outage = news === null ? null : new Outage(news);
    this.#teller = news;
    this.ended = this.#ended.signal;
    this.#profile = profile;
    this.#link = new ServerLink({
      connect: async (handler, signal) => {
        const rpc = await reachServer(server, profile, handler, signal);
        this.#serverAddress = addressReached(server, rpc);
        return rpc;
      },
      authenticate: async (rpc) => {
        const token = this.#profile.findLogin(this.key)?.token;
        if (!token) {
          throw new ChatError("unauthenticated", `Nobody is logged in as ${name} on this device any more`);
        }
        this.#signedIn = parseResult("resume", await rpc.request("resume", { token }));
        this.#profile.saveLogin(this.key, this.#signedIn);
        this.#profile.markServerUsed(server.serverId);
      },
      onEvent: (method, params) => {
        this.client.event(method, params);
        for (const hear of [...this.#hearers]) hear(method, params);
        this.#wake();
      },
      onState: (state) => this.#become(state),
    });
    this.records = profile.recordsOf(this.key);
    this.client = new ChatClient(this.#link, this.records, this.#listener());
    if (news !== null) this.#looking = setInterval(() => this.#lookElsewhere(), LOOK_ELSEWHERE_MS);
    this.#link.start();
  }

  get isOnline(): boolean {
    return this.#link.isOnline;
  }

  /**
   * Waits for the first attempts: until it is online or refused, `ms` have passed, or the signal is aborted. While the first of them
   * is still under way, and once a server has been reached, it may take `moreMs` more. What comes of it is for the caller to tell.
   */
  async firstOutcome(ms: number, signal?: AbortSignal, moreMs = 0): Promise<FirstOutcome> {
    this.#isAwaited = true;
    try {
      return await this.#nextOutcome(ms, signal, moreMs);
    } finally {
      this.#isAwaited = false;
    }
  }

  async #nextOutcome(ms: number, signal: AbortSignal | undefined, moreMs: number): Promise<FirstOutcome> {
    const startedAt = performance.now();
    for (;;) {
      const { state } = this.#link;
      if (state.kind === "online") return { kind: "online" };
      if (state.kind === "stopped") return { kind: "ended", error: state.error };
      if (signal?.aborted) return { kind: "ended", error: signal.reason };
      const waitedMs = performance.now() - startedAt;
      const isHopeful = this.#link.isConnected || (state.kind === "connecting" && state.attempt === 1);
      const left = ms + (waitedMs >= ms && isHopeful ? moreMs : 0) - waitedMs;
      if (left <= 0) {
        const place = formatHostAndPort(this.server.host, this.server.port);
        const reason = `Cannot reach ${place} in time: the network is slow, or the server is busy`;
        return { kind: "waiting", reason: this.#failure ?? reason };
      }
      await this.#change(left, signal);
    }
  }

  /**
   * Waits until what waited on the server has arrived; false when the connection, or the signal, ends before, when the server refuses
   * to deliver for good, or when nothing arrives for so long.
   */
  async caughtUp(silentMs: number, signal?: AbortSignal): Promise<boolean> {
    let isCaughtUp = false;
    this.client.caughtUp.then(() => {
      isCaughtUp = true;
      this.#wake();
    });
    // One turn, in which a mailbox that has arrived already says so.
    await Promise.resolve();
    let { received } = this.client;
    let heardAt = performance.now();
    while (!isCaughtUp && this.isOnline && !signal?.aborted) {
      const { undelivered } = this.client;
      if (undelivered !== null && !isTemporary(undelivered)) break;
      if (this.client.received > received) {
        received = this.client.received;
        heardAt = performance.now();
      }
      const leftMs = silentMs - (performance.now() - heardAt);
      if (leftMs <= 0) break;
      await this.#change(leftMs, signal);
    }
    return isCaughtUp;
  }

  /** Resolves when an event has arrived, the connection has changed or ended, or the signal is aborted. */
  async nextEvent(signal: AbortSignal): Promise<void> {
    if (!this.ended.aborted) await this.#change(Infinity, signal);
  }

  /** Asks for what is no part of {@linkcode Account.client}, such as a direct chat; the result is unchecked. */
  async request(method: RequestName, params: unknown): Promise<unknown> {
    return await this.#link.request(method, checkedRequest(method, params, "Cannot do that"));
  }

  /** IP address that the present or last connection to the server goes to; empty before the first. */
  get serverAddress(): string {
    return this.#serverAddress;
  }

  /** Certificate of the server, as it is pinned now (PEM); null when the system's authorities vouch for it. */
  get certificate(): string | null {
    return this.#profile.certificateOf(this.server);
  }

  /** Hears every event of the server, unchecked; call what it returns to stop. */
  onEvent(hear: (method: string, params: unknown) => void): () => void {
    this.#hearers.add(hear);
    return () => this.#hearers.delete(hear);
  }

  /** Hears each time the account is signed in, from now on; call what it returns to stop. */
  onSignedIn(hear: () => void): () => void {
    this.#signInHearers.add(hear);
    return () => this.#signInHearers.delete(hear);
  }

  /** Tells of breaks of the connection beside the output of a script. */
  tellOutagesTo(teller: OutageTeller): void {
    this.#outage = new Outage(teller);
    this.#teller = teller;
    if (this.client.undelivered !== null) teller.undelivered(this.client.undelivered.message);
  }

  /** Looks whether the connection lives, see {@linkcode ServerLink.check}. */
  checkConnection(): void {
    this.#link.check();
  }

  /** Where it waits before the next attempt, it waits no longer. */
  retryNow(): void {
    this.#link.retryNow();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.#looking);
    this.client[Symbol.dispose]();
    await this.#link.close();
  }

  #listener(): ChatListener {
    const { news } = this;
    return {
      onMessage: (message, hasWaited) => news?.onMessage(message, hasWaited),
      onCaughtUp: () => news?.onCaughtUp(),
      onShown: () => news?.onShown(),
      onReceipt: (receipt) => news?.onReceipt(receipt),
      onAccepted: (message, acknowledgement) => news?.onAccepted(message, acknowledgement),
      onRefused: (message, error) => news?.onRefused(message, error) ?? false,
      onHeldUp: (message, error) => news?.onHeldUp(message, error),
      onFault: (error) => news?.onFault(error),
      onUndelivered: (error) => {
        this.#teller?.undelivered(error.message);
        this.#wake();
      },
      onDelivered: () => this.#teller?.delivered(),
    };
  }

  #lookElsewhere(): void {
    if (this.client.unread.length === 0) return;
    try {
      this.client.lookElsewhere();
    } catch {
      // Looked at again soon; option 3 says what is wrong.
    }
  }

  #become(state: LinkState): void {
    switch (state.kind) {
      case "online":
        this.#outage?.isOver(this.#isAwaited);
        this.#wasOnline = true;
        this.#failure = null;
        this.#inBackground(this.client.signedIn(this.#signedIn!));
        if (this.#isIdle) this.setIdle(true);
        for (const hear of [...this.#signInHearers]) hear();
        break;
      case "waiting":
        this.#failure = state.reason;
        this.#outage?.goesOn(state, this.#wasOnline);
        break;
      case "stopped":
        this.#outage?.[Symbol.dispose]();
        if (state.error !== undefined && !this.#isAwaited) this.news?.ended(state.error);
        this.#ended.abort(state.error);
        break;
    }
    this.news?.connectionChanged();
    this.#wake();
  }

  /** Tells the server whether somebody is at the keys, now and at each reconnect. */
  setIdle(isIdle: boolean): void {
    this.#isIdle = isIdle;
    if (this.isOnline) {
      this.#inBackground(this.client.call("set_presence", { presence: isIdle ? "idle" : "online" }));
    }
  }

  /** Lets something go on that nobody waits for; a connection that breaks is no fault, since the next one does it again. */
  #inBackground(work: Promise<unknown>): void {
    work.catch((error) => {
      if (!(error instanceof ConnectionError)) this.news?.onFault(error);
    });
  }

  /** Waits for {@linkcode Account.#wake}, at most so long. */
  async #change(ms: number, signal?: AbortSignal): Promise<void> {
    const { promise } = this.#changed;
    await within(ms, signal ? unlessAborted(signal, promise).catch(() => {}) : promise);
  }

  #wake(): void {
    this.#changed.resolve();
    this.#changed = Promise.withResolvers();
  }
}
