import { ChatError, ConnectionError, messageOf } from "../errors.ts";
import { createEphemeralIdentity, type Identity } from "../net/identity.ts";
import type { ChatClosed, ChatJoined, Endpoint, Place } from "../protocol/chat_messages.ts";
import { Limit, unlessAborted } from "../waiting.ts";
import { DirectChat, type DirectChatListener, type DirectChatOptions } from "./direct_chat.ts";
import type { ChatTerms, LinkSecrets, PeerLink } from "./link/peer_link.ts";
import { makeSecret } from "./link/proof.ts";
import type { Rendezvous } from "./rendezvous.ts";
import { ownAddresses } from "./route/addresses.ts";
import { Doorway } from "./route/doorway.ts";
import { punch } from "./route/punch.ts";
import { openRelay } from "./route/side_client.ts";

const ROUND_WITHIN_MS = 15_000;
const PUNCH_WITHIN_MS = 10_000;

export interface HostOptions extends DirectChatOptions {
  readonly rendezvous: Rendezvous;
  readonly port: number;
  readonly isMapped?: boolean; // the router is to forward the port
  readonly greetTimeoutMs?: number;
  /** Calls off the opening; what it leaves at the server, or at the router, is taken back as soon as that has answered. */
  readonly signal?: AbortSignal;
}

/** The host's side of a direct chat: listens, invites, and meets the friend half-way. */
export class HostedChat implements AsyncDisposable {
  readonly chat: DirectChat;
  /** Resolves with the first link; rejects with a `ConnectionError` when the chat ends before. */
  readonly linked: Promise<void>;
  mapped: Endpoint | undefined; // what the router forwards; undefined when it was not asked
  mappingFailure: string | undefined; // one clause; undefined when the router was not asked, or did it
  seenAddress = ""; // address that the server sees
  isFriendOnline = false; // when the chat was opened
  readonly #options: HostOptions;
  readonly #identity: Identity;
  readonly #chatId = crypto.randomUUID();
  readonly #secret = makeSecret();
  readonly #doorway: Doorway;
  readonly #linked = Promise.withResolvers<void>();
  readonly #cleanup = new AsyncDisposableStack();
  #round: Limit | undefined; // of the round under way, or of the last one
  #next: ChatJoined | undefined; // the newest round that the friend has begun, while the one before still ends
  #rounds: Promise<void> | undefined; // set while one is under way
  #isOpen = false;

  private constructor(listener: DirectChatListener, options: HostOptions, identity: Identity) {
    this.#options = options;
    this.#identity = identity;
    this.linked = this.#linked.promise;
    this.linked.catch(() => {}); // whoever waits for it hears of it
    this.chat = new DirectChat(listener, options);
    this.#doorway = new Doorway({
      port: options.port,
      identity,
      greetTimeoutMs: options.greetTimeoutMs,
      taker: {
        secretsOf: () => this.#secrets(),
        onLink: (link, terms) => this.#take(link, terms),
      },
    });
    this.#cleanup.use(this.#doorway);
    this.chat.ended.then((end) => {
      this.#linked.reject(new ConnectionError(`Cannot chat with ${options.friend}: ${end.message}`));
      return this.#tidy();
    });
  }

  static async open(listener: DirectChatListener, options: HostOptions): Promise<HostedChat> {
    const host = new HostedChat(listener, options, await createEphemeralIdentity());
    const opening = host.#open();
    try {
      await (options.signal ? unlessAborted(options.signal, opening) : opening);
    } catch (error) {
      opening.then(() => host.#tidy(), () => {});
      await host.close();
      throw error;
    }
    return host;
  }

  get port(): number {
    return this.#doorway.port;
  }

  /** Asked anew each time: a machine may change its network while it waits. */
  get addresses(): readonly string[] {
    return ownAddresses();
  }

  /** Takes the invitation back, or says goodbye; then nothing listens any more. */
  async close(): Promise<void> {
    if (this.chat.terms) await this.chat.bye();
    else this.chat.channel.close({ kind: "said_bye", message: "you took the invitation back" });
    await this.chat.ended;
    await this.#tidy();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #open(): Promise<void> {
    const { rendezvous, isMapped } = this.#options;
    this.#cleanup.defer(rendezvous.onEvent(({ name, content }) => {
      if (content.chatId !== this.#chatId) return;
      if (name === "chat_joined") this.#begin(content);
      else if (name === "chat_closed") this.#closedElsewhere(content);
    }));
    this.#cleanup.defer(rendezvous.onSignedInAgain(() => {
      this.#register().catch(() => {}); // it is sent again at the next login, and the chat goes on without it
      this.chat.channel.probe(); // what broke that connection may have broken this one
    }));
    if (isMapped) await this.#map();
    if (this.chat.channel.isEnded) return;
    const { seenAddress, isFriendOnline } = await this.#register();
    this.#isOpen = true;
    this.seenAddress = seenAddress;
    this.isFriendOnline = isFriendOnline;
  }

  #register(): Promise<{ seenAddress: string; isFriendOnline: boolean }> {
    const own = this.addresses.map((address): Place => ({ address, port: this.port, kind: "own" }));
    const mapped: Place[] = this.mapped ? [{ ...this.mapped, kind: "mapped" }] : [];
    return this.#options.rendezvous.request("open_chat", {
      chatId: this.#chatId,
      to: this.#options.friend,
      port: this.port,
      places: [...mapped, ...own],
      certificate: this.#identity.certificatePem,
      secret: this.#secret,
      isJoined: this.chat.terms !== undefined,
    });
  }

  async #map(): Promise<void> {
    const { mapPort } = await import("./port_mapping.ts"); // few ask for it, and it takes a while to load
    try {
      const mapping = await mapPort(this.port, this.addresses);
      if (this.chat.channel.isEnded) return await mapping.remove();
      this.#cleanup.defer(() => mapping.remove());
      this.mapped = mapping.outside;
    } catch (error) {
      this.mappingFailure = messageOf(error);
    }
  }

  #secrets(): LinkSecrets {
    return {
      chatId: this.#chatId,
      certificatePem: this.#identity.certificatePem,
      secret: this.#secret,
      channelKey: this.chat.terms?.channelKey,
    };
  }

  #take(link: PeerLink, terms: ChatTerms | undefined): number {
    const { channel } = this.chat;
    if (channel.isEnded) throw new ChatError("not_found", "Cannot join: the chat is over");
    if (channel.routes.isAvoided(link.route)) {
      throw new ChatError("unavailable", `Cannot go on over ${link.route}: nothing large gets through there`);
    }
    if (terms) {
      if (this.chat.terms) throw new ChatError("conflict", "Cannot join: the chat has begun already");
      this.chat.terms = terms;
    }
    // The link is used from the next turn on: a large thing sent before the reply to `take` could hold that back for good.
    queueMicrotask(() => {
      channel.attach(link);
      if (link.route !== "relayed") this.#round?.abort("linked directly");
      this.#linked.resolve();
      // Until the server knows of a link, it invites the friend anew when the one who joined goes.
      if (terms) this.#register().catch(() => {});
    });
    return channel.received;
  }

  /** The friend has begun a round of attempts. One at a time is played, however often a friend's program begins another. */
  #begin(joined: ChatJoined): void {
    this.#next = joined;
    this.#round?.abort("a new round begins");
    this.#rounds ??= this.#playRounds();
  }

  async #playRounds(): Promise<void> {
    for (let joined; (joined = this.#next) && !this.chat.channel.isEnded;) {
      this.#next = undefined;
      await this.#meet(joined);
    }
    this.#rounds = undefined;
  }

  /** Punches, and has the relay ready. */
  async #meet(joined: ChatJoined): Promise<void> {
    using round = this.#round = new Limit(ROUND_WITHIN_MS);
    using punching = new Limit(PUNCH_WITHIN_MS, round.signal);
    // Whatever does not work out here, the joiner hears of it by its own attempts.
    await Promise.allSettled([
      punch(this.#options.rendezvous, joined, {
        onStream: (stream) => this.#doorway.admit(stream),
        signal: punching.signal,
      }),
      this.#relay(joined, round.signal),
    ]);
  }

  async #relay({ relayTicket }: ChatJoined, signal: AbortSignal): Promise<void> {
    if (relayTicket === undefined) return;
    // Not awaited to its end: it lives as long as the link over it.
    this.#doorway.admit(await openRelay(this.#options.rendezvous.server, relayTicket, signal));
  }

  /** The friend has left, or does not want to come, says the server; a link that lives knows better. */
  #closedElsewhere({ by, reason }: ChatClosed): void {
    const { channel, terms } = this.chat;
    if (channel.isLinked) return;
    if (terms) channel.close({ kind: "closed", message: `${by} has left the chat` });
    else if (reason === "declined") {
      const message = `the invitation is over, as ${by} takes none from you any more`;
      channel.close({ kind: "closed", message });
    }
  }

  async #tidy(): Promise<void> {
    this.#round?.abort("the chat is over");
    await this.#cleanup.disposeAsync();
    if (this.#isOpen) {
      this.#isOpen = false;
      // The server forgets it in time even when it cannot be told.
      await this.#options.rendezvous.request("close_chat", { chatId: this.#chatId }).catch(() => {});
    }
    await this.#rounds;
  }
}
