import { ChatError, ConnectionError } from "../errors.ts";
import { createEphemeralIdentity, type Identity } from "../net/identity.ts";
import type { ChatJoined, Place } from "../protocol/chat_messages.ts";
import { ownAddresses } from "./route/addresses.ts";
import { DirectChat, type DirectChatListener, type DirectChatOptions } from "./direct_chat.ts";
import { Doorway } from "./route/doorway.ts";
import type { ChatTerms, LinkSecrets, PeerLink } from "./link/peer_link.ts";
import { limit } from "./pause.ts";
import type { MappedPort, PortMapper } from "./port_mapping.ts";
import { makeSecret } from "./link/proof.ts";
import { punch } from "./route/punch.ts";
import type { Rendezvous } from "./rendezvous.ts";
import { openRelay } from "./route/side_client.ts";

const ROUND_WITHIN_MS = 15_000;
const PUNCH_WITHIN_MS = 10_000;

export interface HostOptions extends DirectChatOptions {
  readonly rendezvous: Rendezvous;
  readonly port: number;
  readonly portMapper?: PortMapper; // only when the router is to forward the port
  readonly greetTimeoutMs?: number;
}

export interface HostedChat extends AsyncDisposable {
  readonly chat: DirectChat;
  readonly port: number;
  readonly addresses: readonly string[];
  readonly seenAddress: string; // address that the server sees
  readonly mapped: MappedPort | undefined; // what the router forwards; undefined when it was not asked
  readonly mappingFailure: string | undefined; // one clause; undefined when the router was not asked, or did it
  readonly isFriendOnline: boolean; // when the chat was opened
  /** Resolves with the first link; rejects with a `ConnectionError` when the chat ends before. */
  readonly linked: Promise<void>;
  /** Takes the invitation back, or says goodbye; then nothing listens any more. */
  close(): Promise<void>;
}

export async function hostChat(listener: DirectChatListener, options: HostOptions): Promise<HostedChat> {
  const host = new Host(listener, options, await createEphemeralIdentity());
  try {
    await host.open();
  } catch (error) {
    await host.close();
    throw error;
  }
  return host;
}

class Host implements HostedChat {
  readonly chat: DirectChat;
  readonly linked: Promise<void>;
  mapped: MappedPort | undefined;
  mappingFailure: string | undefined;
  seenAddress = "";
  isFriendOnline = false;
  readonly #options: HostOptions;
  readonly #identity: Identity;
  readonly #chatId = crypto.randomUUID();
  readonly #secret = makeSecret();
  readonly #doorway: Doorway;
  readonly #linked = Promise.withResolvers<void>();
  readonly #cleanup = new AsyncDisposableStack();
  readonly #work = new Set<Promise<void>>();
  #round: { readonly end: (reason?: unknown) => void } | undefined; // the one under way
  #isOpen = false;

  constructor(listener: DirectChatListener, options: HostOptions, identity: Identity) {
    this.#options = options;
    this.#identity = identity;
    this.linked = this.#linked.promise;
    this.linked.catch(() => {}); // whoever waits for it hears of it
    this.chat = new DirectChat(listener, options);
    this.#doorway = new Doorway({
      port: options.port,
      identity,
      ...(options.greetTimeoutMs === undefined ? {} : { greetTimeoutMs: options.greetTimeoutMs }),
      taker: {
        secretsOf: () => this.#secrets(),
        onLink: (link, terms) => this.#take(link, terms),
      },
    });
    this.#cleanup.use(this.#doorway);
    this.chat.ended.then((end) => {
      this.#linked.reject(new ConnectionError(end.message));
      return this.#tidy();
    });
  }

  get port(): number {
    return this.#doorway.port;
  }

  /** Asked anew each time: a machine may change its network while it waits. */
  get addresses(): readonly string[] {
    return ownAddresses();
  }

  async open(): Promise<void> {
    const { rendezvous, portMapper } = this.#options;
    this.#cleanup.defer(rendezvous.onEvent(({ name, content }) => {
      if (content.chatId !== this.#chatId) return;
      if (name === "chat_joined") this.#meet(content);
      else if (name === "chat_closed") this.#closedElsewhere(content.by);
    }));
    this.#cleanup.defer(rendezvous.onSignedInAgain(() => {
      this.#register().catch(() => {}); // the next time the server is there, or the chat goes on without
      this.chat.channel.probe(); // what broke that connection may have broken this one
    }));
    if (portMapper) await this.#map(portMapper);
    const { seenAddress, isFriendOnline } = await this.#register();
    this.#isOpen = true;
    this.seenAddress = seenAddress;
    this.isFriendOnline = isFriendOnline;
  }

  async close(): Promise<void> {
    if (this.chat.terms) await this.chat.bye();
    else this.chat.channel.close({ kind: "said_bye", message: "you took the invitation back" });
    await this.chat.ended;
    await this.#tidy();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
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

  async #map(mapper: PortMapper): Promise<void> {
    try {
      const mapping = await mapper.map(this.port, this.addresses);
      this.#cleanup.defer(() => mapping.remove());
      this.mapped = mapping.outside;
    } catch (error) {
      this.mappingFailure = error instanceof Error ? error.message : String(error);
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
      this.chat.agree(terms);
    }
    // The link is used from the next turn on: a large thing sent before the reply to `take` could hold that back for good.
    queueMicrotask(() => {
      channel.attach(link);
      if (link.route !== "relayed") this.#round?.end("linked directly");
      this.#linked.resolve();
    });
    return channel.received;
  }

  /** The friend begins a round of attempts: punch, and have the relay ready. */
  #meet(joined: ChatJoined): void {
    if (this.chat.channel.isEnded) return;
    this.#round?.end("a new round begins");
    const round = limit(new AbortController().signal, ROUND_WITHIN_MS);
    this.#round = round;
    // Whatever does not work out here, the joiner hears of it by its own attempts.
    const work = Promise.allSettled([this.#punch(joined, round.signal), this.#relay(joined, round.signal)])
      .then(() => {
        round.end();
        this.#work.delete(work);
      });
    this.#work.add(work);
  }

  async #punch({ chatId, round }: ChatJoined, signal: AbortSignal): Promise<void> {
    const limited = limit(signal, PUNCH_WITHIN_MS);
    await punch({
      rendezvous: this.#options.rendezvous,
      chatId,
      round,
      onStream: (stream) => this.#doorway.admit(stream),
      signal: limited.signal,
    }).finally(() => limited.end());
  }

  async #relay({ relayTicket }: ChatJoined, signal: AbortSignal): Promise<void> {
    if (relayTicket === undefined) return;
    // Not awaited to its end: it lives as long as the link over it.
    this.#doorway.admit(await openRelay(this.#options.rendezvous.server, relayTicket, signal));
  }

  /** The friend has left, says the server; a link that lives knows better. */
  #closedElsewhere(by: string): void {
    const { channel, terms } = this.chat;
    if (terms && !channel.isLinked) channel.close({ kind: "closed", message: `${by} has ended the chat` });
  }

  async #tidy(): Promise<void> {
    this.#round?.end("the chat is over");
    await this.#cleanup.disposeAsync();
    if (this.#isOpen) {
      this.#isOpen = false;
      // The server forgets it in time even when it cannot be told.
      await this.#options.rendezvous.request("close_chat", { chatId: this.#chatId }).catch(() => {});
    }
    await Promise.all(this.#work);
  }
}
