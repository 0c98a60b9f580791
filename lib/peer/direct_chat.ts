/**
 * A direct chat as a person sees it: lines and files both ways, the way they take, the code, and the end.
 * @module
 */
import type { PeerMessage, Route } from "../protocol/peer_messages.ts";
import type { Rendezvous } from "./rendezvous.ts";
import { FileTransfers } from "./file_transfers.ts";
import type { TransferListener } from "./transfer_news.ts";
import type { ChatTerms } from "./link/peer_link.ts";
import { type ChannelOptions, type ChatEnd, PeerChannel } from "./channel.ts";

/** Who shows a chat. Texts and names from the other side are not filtered for a terminal yet. */
export interface DirectChatListener extends TransferListener {
  /** The other person wrote a line; it counts as shown once this has returned or resolved. */
  onLine(text: string): void | Promise<void>;
  /** The first link is in use, or another one took over. */
  onLinked(change: { readonly route: Route; readonly isFirst: boolean; readonly wasLost: boolean }): void;
  /** The link is lost, and looked for again. */
  onLost(why: string): void;
}

/** What a chat counted so far. */
export interface Tally {
  /** Lines that the other side has shown. */
  readonly linesSent: number;
  /** Lines of which the other side has not said that it has them. */
  readonly linesUndelivered: number;
  /** Lines that came in. */
  readonly linesReceived: number;
  /** Files that went out whole. */
  readonly filesSent: number;
  /** Files that were offered or on their way when the chat ended. */
  readonly filesUnsent: number;
  /** Files that came in whole. */
  readonly filesReceived: number;
  /** From the first link to the end, or to now. */
  readonly durationMs: number;
}

/** Settings of a {@linkcode DirectChat}. */
export interface DirectChatOptions extends ChannelOptions {
  /** How the two find each other. */
  readonly rendezvous: Pick<Rendezvous, "checkConnection">;
  /** Name of the other person's account. */
  readonly friend: string;
  /** Folder that files are saved in; made when needed. */
  readonly downloadFolder: string;
}

/** How often the connection to the server is looked after while the link is lost, in milliseconds. */
const CHECK_EVERY_MS = 1_000;

/** One direct chat, from before its first link to its end. */
export class DirectChat {
  /** Carries everything. */
  readonly channel: PeerChannel;
  /** Files both ways. */
  readonly files: FileTransfers;
  /** Resolves once the chat is over and no file is open. Never rejects. */
  readonly ended: Promise<ChatEnd>;
  /** What the first link fixed; set before the channel gets that, undefined until then. */
  terms: ChatTerms | undefined;
  readonly #listener: DirectChatListener;
  #startedAt: number | undefined; // set with the first link; on the clock of performance.now()
  #endedAt: number | undefined;
  #checks: ReturnType<typeof setInterval> | undefined; // set while the link is lost
  #linesSent = 0;
  #linesUnderWay = 0;
  #linesReceived = 0;

  /** Starts without a link; `onLinkChange` is called after the listener, each time a link is in use or lost. */
  constructor(
    listener: DirectChatListener,
    options: DirectChatOptions,
    onLinkChange: () => void = () => {},
  ) {
    this.#listener = listener;
    this.channel = new PeerChannel({
      onMessage: (message) => this.#take(message),
      onLinked: (route) => {
        this.#linked(route);
        onLinkChange();
      },
      onLost: (why) => {
        const { rendezvous } = options;
        rendezvous.checkConnection();
        this.#checks ??= setInterval(() => rendezvous.checkConnection(), CHECK_EVERY_MS);
        listener.onLost(why);
        onLinkChange();
      },
    }, options);
    this.files = new FileTransfers(this.channel, listener, options.downloadFolder);
    this.ended = this.channel.ended.then(async (end) => {
      clearInterval(this.#checks);
      this.#endedAt = performance.now();
      await this.files.close();
      return end;
    });
  }

  /** Resolves once the other side has shown it; rejects when the chat ends before, or the network does not carry it. */
  async say(text: string): Promise<void> {
    this.#linesUnderWay += 1;
    await this.channel.send("line", { text });
    this.#linesUnderWay -= 1;
    this.#linesSent += 1;
  }

  /** Says goodbye, and ends the chat for both. */
  bye(): Promise<void> {
    return this.channel.bye();
  }

  /** A copy, of this moment. */
  get tally(): Tally {
    return {
      linesSent: this.#linesSent,
      linesUndelivered: this.#linesUnderWay,
      linesReceived: this.#linesReceived,
      filesSent: this.files.sentCount,
      filesUnsent: this.files.unsentCount,
      filesReceived: this.files.receivedCount,
      durationMs: this.#startedAt === undefined ? 0 : (this.#endedAt ?? performance.now()) - this.#startedAt,
    };
  }

  #linked(route: Route): void {
    const isFirst = this.#startedAt === undefined;
    const wasLost = this.#checks !== undefined;
    clearInterval(this.#checks);
    this.#checks = undefined;
    this.#startedAt ??= performance.now();
    this.#listener.onLinked({ route, isFirst, wasLost });
  }

  #take(message: PeerMessage): void | Promise<void> {
    if (message.method === "line") {
      this.#linesReceived += 1;
      return this.#listener.onLine(message.content.text);
    }
    return this.files.take(message);
  }
}
