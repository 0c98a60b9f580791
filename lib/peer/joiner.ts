import { ChatError, ConnectionError, messageOf } from "../errors.ts";
import type { ChatClosed, JoinedChat } from "../protocol/chat_messages.ts";
import type { Route } from "../protocol/peer_messages.ts";
import { unlessAborted, within } from "../waiting.ts";
import { DirectChat, type DirectChatListener, type DirectChatOptions } from "./direct_chat.ts";
import { type ProvenConnection, takeLink } from "./link/joiner_link.ts";
import type { LinkSecrets } from "./link/peer_link.ts";
import type { Rendezvous } from "./rendezvous.ts";
import { raceToHost } from "./route/race.ts";

/** While a chat is relayed: when a direct way is looked for again, in milliseconds since it is. The race itself has looked for six seconds. */
const IMPROVE_AT_MS = [7_000, 14_000, 22_000, 45_000, 90_000, 180_000];
const IMPROVE_WITHIN_MS = 6_000;
const RETRY_MS = 1_000;

export interface JoinListener extends DirectChatListener {
  onTrying(what: string): void; // a few words for one changing line
}

export interface JoinOptions extends DirectChatOptions {
  readonly rendezvous: Rendezvous;
  readonly chatId: string;
  readonly relayAfterMs?: number;
  readonly isDialing?: boolean; // unless it is false
  readonly improveAtMs?: readonly number[];
  /** Calls off the search for the first link; later, {@linkcode DirectChat.bye} ends the chat. */
  readonly signal: AbortSignal;
}

/** Accepts an invitation, links to the host, and keeps a link from then on. */
export async function joinChat(listener: JoinListener, options: JoinOptions): Promise<DirectChat> {
  const joiner = new Joiner(listener, options);
  await joiner.linkFirst();
  return joiner.chat;
}

class Joiner {
  readonly chat: DirectChat;
  readonly #options: JoinOptions;
  readonly #listener: JoinListener;
  readonly #first = Promise.withResolvers<void>(); // settles with the first link
  #joined: JoinedChat | undefined; // what the server said last
  #round: AbortController | undefined; // of the round under way
  #tryAt = 0; // when the next round may begin while there is no link, on the clock of performance.now()
  #relayedAt = 0; // when the relay took over, on the same clock
  #improvements = 0; // rounds since then
  #wake: (() => void) | undefined; // ends the present or last rest

  constructor(listener: JoinListener, options: JoinOptions) {
    this.#options = options;
    this.#listener = listener;
    this.chat = new DirectChat(listener, options, () => this.#changed());
    const { rendezvous, chatId } = options;
    const stops = [
      rendezvous.onEvent(({ name, content }) => {
        if (content.chatId !== chatId) return;
        if (name === "chat_reopened") this.#beginAfresh();
        else if (name === "chat_closed") this.#closedElsewhere(content.reason);
      }),
      rendezvous.onSignedInAgain(() => this.#beginAfresh()),
    ];
    this.chat.channel.ended.then((end) => {
      this.#first.reject(new ConnectionError(end.message));
      for (const stop of stops) stop();
      this.#changed();
    });
    this.chat.ended.then(() => {
      rendezvous.request("close_chat", { chatId }).catch(() => {}); // the server forgets it in time
    });
  }

  /** Looks for the first link; from then on it goes on looking whenever there is none, or only the relay. */
  async linkFirst(): Promise<void> {
    const seeking = this.#seek();
    try {
      await unlessAborted(this.#options.signal, this.#first.promise);
    } catch (error) {
      this.chat.channel.close({ kind: "closed", message: messageOf(error) });
      await seeking;
      throw error;
    }
  }

  async #seek(): Promise<void> {
    while (!this.chat.channel.isEnded) {
      const waitMs = this.#waitMs();
      if (waitMs <= 0) {
        await this.#playRound();
        continue;
      }
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#wake = resolve;
      await within(waitMs, promise);
    }
  }

  /** How long until there is something to be done. */
  #waitMs(): number {
    const { channel } = this.chat;
    if (!channel.isLinked) return this.#tryAt - performance.now();
    if (channel.route !== "relayed") return Infinity;
    const atMs = (this.#options.improveAtMs ?? IMPROVE_AT_MS)[this.#improvements];
    return atMs === undefined ? Infinity : this.#relayedAt + atMs - performance.now();
  }

  /** One round: ask the server, and race. With a link over the relay it only looks for something better. */
  async #playRound(): Promise<void> {
    const { channel } = this.chat;
    const { signal } = this.#round = new AbortController();
    const isImproving = channel.isLinked;
    if (isImproving) this.#improvements += 1;
    try {
      const { joined, isPunching } = await this.#join(!isImproving);
      const { rendezvous, relayAfterMs, isDialing } = this.#options;
      await raceToHost({
        rendezvous,
        joined,
        secretsOf: () => this.#secretsFor(joined),
        routes: channel.routes,
        take: (proven, route) => this.#take(proven, route),
        relayAfterMs,
        withinMs: isImproving ? IMPROVE_WITHIN_MS : undefined,
        isDialing: isDialing ?? true,
        isPunching,
        onTrying: (what) => {
          if (!channel.isLinked) this.#listener.onTrying(what);
        },
        signal,
      });
    } catch (error) {
      if (!signal.aborted && !isImproving && !channel.isLinked) this.#failed(error);
    } finally {
      this.#round = undefined;
    }
  }

  /** Begins a round with the server's help, or where there is none one by oneself. */
  async #join(wantsRelay: boolean): Promise<{ joined: JoinedChat; isPunching: boolean }> {
    const { rendezvous, chatId } = this.#options;
    const before = this.#joined;
    try {
      const joined = await rendezvous.request("join_chat", { chatId, wantsRelay, secret: before?.secret });
      // A server that shows another key now is not believed: both have compared the code of the first one.
      this.#joined = before ? { ...joined, certificate: before.certificate, secret: before.secret } : joined;
      return { joined: this.#joined, isPunching: true };
    } catch (error) {
      // Without the server, or before the host is back at it, the addresses from before may still lead there.
      const isPassing = error instanceof ConnectionError ||
        (error instanceof ChatError && error.code !== "not_found");
      if (!before || !this.chat.terms || !isPassing) throw error;
      const { relayTicket: _used, ...rest } = before;
      return { joined: rest, isPunching: false };
    }
  }

  #secretsFor({ chatId, certificate, secret }: JoinedChat): LinkSecrets {
    return { chatId, certificatePem: certificate, secret, channelKey: this.chat.terms?.channelKey };
  }

  async #take(proven: ProvenConnection, route: Route): Promise<void> {
    const { chat } = this;
    const { channel } = chat;
    const isNoBetter = channel.isLinked && (channel.route !== "relayed" || route === "relayed");
    if (channel.isEnded || isNoBetter) return proven.rpc.abort("another way was faster");
    try {
      const { link, terms } = await takeLink(proven, route, channel.received, chat.terms?.channelKey);
      if (terms) chat.terms = terms;
      channel.attach(link);
      this.#first.resolve();
    } catch (error) {
      if (error instanceof ChatError && error.code === "unavailable") channel.routes.avoid(route);
      throw error;
    }
  }

  #failed(error: unknown): void {
    if (!this.chat.terms) {
      this.#tryAt = Infinity;
      return this.#first.reject(error);
    }
    // The host itself, or the server about the chat itself.
    if (error instanceof ChatError && error.code === "not_found") this.#hostHasLeft();
    this.#tryAt = performance.now() + RETRY_MS;
  }

  /** The server, or the host at it, can be reached again: routes that were tried before may lead nowhere now. */
  #beginAfresh(): void {
    const { channel } = this.chat;
    if (channel.isLinked) return void channel.probe();
    this.#tryAt = 0;
    this.#round?.abort(new ConnectionError("A new round begins"));
    this.#wake?.();
  }

  #changed(): void {
    const { channel } = this.chat;
    if (!channel.isLinked) {
      this.#tryAt = 0;
      this.#round?.abort(new ConnectionError("The link is lost"));
    } else if (channel.route === "relayed") {
      this.#relayedAt = performance.now();
      this.#improvements = 0;
    }
    this.#wake?.();
  }

  /** The host has left the chat or has given it up, says the server; a link that lives knows better, and a host that was away may come back. */
  #closedElsewhere(reason: ChatClosed["reason"]): void {
    const { channel, terms } = this.chat;
    if (!channel.isLinked && (reason !== "gone" || !terms)) this.#hostHasLeft();
  }

  #hostHasLeft(): void {
    this.chat.channel.close({ kind: "closed", message: `${this.#options.friend} has left the chat` });
  }
}
