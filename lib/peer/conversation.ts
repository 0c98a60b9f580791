/**
 * A direct chat as a person sees it: lines and files both ways, the way they take, the code, and the end.
 *
 * Both sides have the same; how links come about is for `chat_host.ts` and `chat_joiner.ts`.
 * @module
 */
import type { PeerMessage, Route } from "../protocol/peer_messages.ts";
import { FileTransfers, type TransferListener } from "./file_transfers.ts";
import type { SessionTerms } from "./link.ts";
import { PeerSession, type SessionEnd, type SessionOptions } from "./session.ts";

/** Who shows a conversation. Texts and names from the other side are not filtered for a terminal yet. */
export interface ConversationListener extends TransferListener {
  /** The other person wrote a line. */
  onLine(text: string): void;
  /** The first link is there, or another one took over. */
  onLinked(change: { readonly route: Route; readonly isFirst: boolean; readonly wasLost: boolean }): void;
  /** The link is lost, and looked for again. */
  onLost(why: string): void;
}

/** What a conversation counted. */
export interface Tally {
  /** Lines that went out. */
  readonly linesSent: number;
  /** Lines that came in. */
  readonly linesReceived: number;
  /** Files that went out whole. */
  readonly filesSent: number;
  /** Files that came in whole. */
  readonly filesReceived: number;
  /** From the first link to the end, or to now. */
  readonly durationMs: number;
}

/** Settings of a {@linkcode Conversation}. */
export interface ConversationOptions extends SessionOptions {
  /** Name of the other person's account. */
  readonly friend: string;
  /** Folder that files are saved in; made when needed. */
  readonly downloadFolder: string;
}

/** One direct chat, from before its first link to its end. */
export class Conversation {
  /** Name of the other person's account. */
  readonly friend: string;
  /** Carries everything. */
  readonly session: PeerSession;
  /** Files both ways. */
  readonly files: FileTransfers;
  /** Resolves once the chat is over and no file is open. Never rejects. */
  readonly ended: Promise<SessionEnd>;
  readonly #listener: ConversationListener;
  #terms: SessionTerms | undefined; // set with the first link
  #startedAt: number | undefined; // set with the first link; on the clock of performance.now()
  #endedAt: number | undefined;
  #wasLost = false;
  #linesSent = 0;
  #linesReceived = 0;

  /** Starts without a link. */
  constructor(listener: ConversationListener, options: ConversationOptions) {
    this.friend = options.friend;
    this.#listener = listener;
    this.session = new PeerSession({
      onMessage: (message) => this.#take(message),
      onLinked: (route) => this.#linked(route),
      onLost: (why) => {
        this.#wasLost = true;
        listener.onLost(why);
      },
    }, options);
    this.files = new FileTransfers(this.session, listener, { downloadFolder: options.downloadFolder });
    this.ended = this.session.ended.then(async (end) => {
      this.#endedAt = performance.now();
      await this.files.close();
      return end;
    });
  }

  /** What the first link fixed; undefined before it. */
  get terms(): SessionTerms | undefined {
    return this.#terms;
  }

  /** Must be called with the terms of the first link before the session gets it. */
  agree(terms: SessionTerms): void {
    this.#terms = terms;
  }

  /**
   * Sends a line.
   *
   * @returns Resolves once the other side has it; rejects when the chat ends before.
   */
  async say(text: string): Promise<void> {
    const sent = this.session.send("line", { text });
    await sent;
    this.#linesSent += 1;
  }

  /** Says goodbye, and ends the chat for both. */
  bye(): Promise<void> {
    return this.session.bye();
  }

  /** What was counted so far. */
  get tally(): Tally {
    return {
      linesSent: this.#linesSent,
      linesReceived: this.#linesReceived,
      filesSent: this.files.sentCount,
      filesReceived: this.files.receivedCount,
      durationMs: this.#startedAt === undefined ? 0 : (this.#endedAt ?? performance.now()) - this.#startedAt,
    };
  }

  #linked(route: Route): void {
    const isFirst = this.#startedAt === undefined;
    const wasLost = this.#wasLost;
    this.#startedAt ??= performance.now();
    this.#wasLost = false;
    this.#listener.onLinked({ route, isFirst, wasLost });
  }

  #take(message: PeerMessage): void | Promise<void> {
    if (message.method === "line") {
      this.#linesReceived += 1;
      this.#listener.onLine(message.content.text);
      return;
    }
    return this.files.take(message);
  }
}
