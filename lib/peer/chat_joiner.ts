/**
 * The joiner's side of a direct chat: accepts an invitation, finds a way to the host, and keeps one.
 * @module
 */
import { ChatError, LinkError, messageOf } from "../errors.ts";
import type { JoinedChat } from "../protocol/chat_messages.ts";
import type { Route } from "../protocol/peer_messages.ts";
import { Conversation, type ConversationListener, type ConversationOptions } from "./conversation.ts";
import type { LinkSecrets } from "./link.ts";
import { pause } from "./pause.ts";
import { type RaceResult, raceToHost } from "./race.ts";
import type { Rendezvous } from "./rendezvous.ts";

/** After a relayed start: when a direct way is tried again, in milliseconds from the start. */
const IMPROVE_AT_MS = [2_000, 8_000, 20_000, 45_000, 90_000, 180_000];
/** How long one such try may take. */
const IMPROVE_WITHIN_MS = 6_000;
/** Pause between two races for a lost chat. */
const RETRY_MS = 1_000;

/** What a joiner is told while there is no link yet. */
export interface JoinListener extends ConversationListener {
  /** What is being tried, in a few words for one changing line. */
  onTrying(what: string): void;
}

/** Settings of {@linkcode joinChat}. */
export interface JoinOptions extends ConversationOptions {
  /** How the two find each other. */
  readonly rendezvous: Rendezvous;
  /** Id of the invitation. */
  readonly chatId: string;
  /** See `RaceOptions`. */
  readonly relayAfterMs?: number;
  /** See `RaceOptions`. */
  readonly isDialing?: boolean;
  /** When a direct way is tried again after a relayed start; in milliseconds from it. */
  readonly improveAtMs?: readonly number[];
  /** Calls off the search for the first link; later, {@linkcode Conversation.bye} ends the chat. */
  readonly signal: AbortSignal;
}

/** A joined chat, and how it began. */
export interface JoinedConversation {
  /** What is said. */
  readonly conversation: Conversation;
  /** The way that the connection took. */
  readonly route: Route;
  /** From accepting the invitation to the proven link, in milliseconds. */
  readonly linkedAfterMs: number;
}

/**
 * Accepts an invitation and links to the host.
 *
 * @param listener Who shows it.
 * @param options See {@linkcode JoinOptions}.
 * @returns The chat, linked.
 * @throws {ChatError} `not_found` – it was taken back; `forbidden` – it is for somebody else; `conflict` – another
 *   device of this account is in it.
 * @throws {LinkError} When no way leads to the host.
 */
export async function joinChat(listener: JoinListener, options: JoinOptions): Promise<JoinedConversation> {
  const startedAt = performance.now();
  const joiner = new Joiner(listener, options);
  const route = await joiner.linkFirst(options.signal);
  return { conversation: joiner.conversation, route, linkedAfterMs: performance.now() - startedAt };
}

class Joiner {
  readonly conversation: Conversation;
  readonly #options: JoinOptions;
  readonly #listener: JoinListener;
  readonly #end = new AbortController(); // aborted when the chat is over
  #improving: AbortController | undefined; // set while a relayed chat looks for better
  #joined: JoinedChat | undefined; // what the server said last

  constructor(listener: JoinListener, options: JoinOptions) {
    this.#options = options;
    this.#listener = listener;
    this.conversation = new Conversation({
      ...bind(listener),
      onLinked: (change) => {
        listener.onLinked(change);
        this.#improving?.abort();
        if (change.route === "relayed") this.#improve();
      },
      onLost: (why) => {
        listener.onLost(why);
        this.#improving?.abort();
        this.#comeBack();
      },
    }, options);
    const { rendezvous, chatId } = options;
    const stop = rendezvous.onEvent(({ name, content }) => {
      if (name !== "chat_closed" || content.chatId !== chatId || this.conversation.session.isLinked) return;
      this.conversation.session.close({ kind: "closed", message: `${options.friend} has ended the chat` });
    });
    this.conversation.ended.then(() => {
      stop();
      this.#end.abort(new LinkError("The chat is over"));
      rendezvous.request("close_chat", { chatId }).catch(() => {}); // the server forgets it in time
    });
  }

  async linkFirst(signal: AbortSignal): Promise<Route> {
    const joined = await this.#join();
    const closed = new AbortController();
    const ended = this.conversation.session.ended.then((end) => closed.abort(new LinkError(end.message)));
    try {
      const { proven, route } = await this.#race(joined, AbortSignal.any([signal, closed.signal]));
      const { link, terms } = await proven.take(route, 0);
      if (terms) this.conversation.agree(terms);
      this.conversation.session.attach(link);
      return route;
    } catch (error) {
      this.conversation.session.close({ kind: "closed", message: messageOf(error) });
      await ended;
      throw error;
    }
  }

  async #join(): Promise<JoinedChat> {
    const { rendezvous, chatId } = this.#options;
    try {
      this.#joined = await rendezvous.request("join_chat", { chatId });
    } catch (error) {
      // Without the server the addresses from before may still lead there; nothing else can.
      if (!(error instanceof LinkError) || !this.#joined) throw error;
    }
    return this.#joined!;
  }

  #race(joined: JoinedChat, signal: AbortSignal, canRelay = true): Promise<RaceResult> {
    const { rendezvous, relayAfterMs, isDialing } = this.#options;
    const secrets: LinkSecrets = {
      chatId: joined.chatId,
      certificatePem: joined.certificate,
      secret: joined.secret,
      sessionKey: this.conversation.terms?.sessionKey,
    };
    return raceToHost({
      rendezvous,
      joined,
      secrets,
      signal,
      onTrying: (what) => this.#listener.onTrying(what),
      ...(isDialing === undefined ? {} : { isDialing }),
      ...(canRelay
        ? relayAfterMs === undefined ? {} : { relayAfterMs }
        : { relayAfterMs: null, withinMs: IMPROVE_WITHIN_MS, onTrying: () => {} }),
    });
  }

  /** Races until a link is back or the session has given up. */
  async #comeBack(): Promise<void> {
    const { session } = this.conversation;
    const { signal } = this.#end;
    while (!session.isLinked && !session.isEnded) {
      try {
        await this.#relink(true, signal);
      } catch (error) {
        if (signal.aborted) return;
        if (error instanceof ChatError && (error.code === "not_found" || error.code === "forbidden")) {
          const message = `${this.conversation.friend} has ended the chat`;
          return session.close({ kind: "closed", message });
        }
        await pause(RETRY_MS, signal).catch(() => {});
      }
    }
  }

  /** Looks for a direct way while the chat goes on over the relay. */
  async #improve(): Promise<void> {
    const improving = new AbortController();
    this.#improving = improving;
    const signal = AbortSignal.any([improving.signal, this.#end.signal]);
    const startedAt = performance.now();
    for (const atMs of this.#options.improveAtMs ?? IMPROVE_AT_MS) {
      try {
        await pause(Math.max(0, startedAt + atMs - performance.now()), signal);
        await this.#relink(false, signal);
        return;
      } catch {
        if (signal.aborted) return;
      }
    }
  }

  /** One race; the winner is put in use. */
  async #relink(canRelay: boolean, signal: AbortSignal): Promise<void> {
    const { session } = this.conversation;
    const { certificate } = this.#joined!;
    const joined = await this.#join();
    // A server that shows another key now is not believed: both have compared the code of the first one.
    const { proven, route } = await this.#race({ ...joined, certificate }, signal, canRelay);
    const { link } = await proven.take(route, session.received);
    session.attach(link);
  }
}

/** The listener's methods, as they may be on a prototype. */
function bind(listener: ConversationListener): ConversationListener {
  return {
    onLine: (text) => listener.onLine(text),
    onLinked: (change) => listener.onLinked(change),
    onLost: (why) => listener.onLost(why),
    onFileOffered: (news) => listener.onFileOffered(news),
    onFileProgress: (news) => listener.onFileProgress(news),
    onFileDone: (news) => listener.onFileDone(news),
    onFileFailed: (news) => listener.onFileFailed(news),
  };
}
