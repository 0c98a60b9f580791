/**
 * Two friends in a direct chat, each with a record of what they were shown.
 * @module
 */
import { HostedChat, type HostOptions } from "../../lib/peer/host.ts";
import type { DirectChat } from "../../lib/peer/direct_chat.ts";
import { joinChat, type JoinListener, type JoinOptions } from "../../lib/peer/joiner.ts";
import type { Direction, FileOffer, TransferNews } from "../../lib/peer/transfer_news.ts";
import type { Rendezvous } from "../../lib/peer/rendezvous.ts";
import type { JoinedChat } from "../../lib/protocol/chat_messages.ts";
import type { Route } from "../../lib/protocol/peer_messages.ts";
import { DEFAULT_RELAY_LIMITS } from "../../lib/server/relay/limits.ts";
import { ChatServer, type ChatServerOptions, type TestRendezvous } from "./chat_server.ts";
import { CuttableProxy } from "./cuttable_proxy.ts";

type Shown =
  | { readonly kind: "line"; readonly text: string }
  | { readonly kind: "linked"; readonly route: string; readonly isFirst: boolean; readonly wasLost: boolean }
  | { readonly kind: "lost"; readonly why: string }
  | { readonly kind: "trying"; readonly what: string }
  | ({ readonly kind: "offered" } & FileOffer)
  | ({ readonly kind: "progress"; readonly doneBytes: number; readonly resumedBytes: number } & TransferNews)
  | ({ readonly kind: "done"; readonly path?: string } & TransferNews)
  | ({ readonly kind: "failed"; readonly reason: string; readonly isOurs: boolean } & TransferNews);

/** Writes down what a person would see, and lets a test wait for it. */
export class Recorder implements JoinListener {
  /** Everything, in order. */
  readonly shown: Shown[] = [];
  readonly #waiting = new Set<() => void>();

  /** Lines of the other person. */
  get lines(): string[] {
    return this.shown.flatMap((one) => one.kind === "line" ? [one.text] : []);
  }

  /** Waits until something is shown that fits, from now or from before; gives up after `withinMs`. */
  async until<K extends Shown["kind"]>(
    kind: K,
    fits: (one: Shown & { kind: K }) => boolean = () => true,
    withinMs = 8_000,
  ): Promise<Shown & { kind: K }> {
    const find = () => this.shown.find((one) => one.kind === kind && fits(one as Shown & { kind: K }));
    let isLate = false;
    const { promise: late, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(() => {
      isLate = true;
      resolve();
    }, withinMs);
    try {
      for (;;) {
        const found = find();
        if (found) return found as Shown & { kind: K };
        if (isLate) {
          throw new Error(
            `Nothing of kind ${kind} was shown in ${withinMs} ms: ${JSON.stringify(this.shown)}`,
          );
        }
        await Promise.race([new Promise<void>((wake) => this.#waiting.add(wake)), late]);
      }
    } finally {
      clearTimeout(timer);
    }
  }

  /** Holds a line back before it is shown. */
  beforeLine: ((text: string) => Promise<void>) | undefined;

  async onLine(text: string): Promise<void> {
    await this.beforeLine?.(text);
    this.#show({ kind: "line", text });
  }
  onLinked(change: { readonly route: string; readonly isFirst: boolean; readonly wasLost: boolean }): void {
    this.#show({ kind: "linked", ...change });
  }
  onLost(why: string): void {
    this.#show({ kind: "lost", why });
  }
  onTrying(what: string): void {
    this.#show({ kind: "trying", what });
  }
  onFileOffered(offer: FileOffer): void {
    this.#show({ kind: "offered", ...offer });
  }
  onFileProgress(news: TransferNews & { doneBytes: number; resumedBytes: number }): void {
    this.#show({ kind: "progress", ...news });
  }
  onFileDone(news: TransferNews & { path?: string }): void {
    this.#show({ kind: "done", ...news });
  }
  onFileFailed(news: TransferNews & { reason: string; isOurs: boolean; direction: Direction }): void {
    this.#show({ kind: "failed", ...news });
  }

  #show(one: Shown): void {
    this.shown.push(one);
    for (const wake of this.#waiting) wake();
    this.#waiting.clear();
  }
}

/** How a test changes a pair. */
export interface PairOptions {
  readonly server?: ChatServerOptions;
  readonly host?: Partial<HostOptions>;
  readonly joiner?: Partial<JoinOptions>;
  /** Puts a cable between them that can be cut: the joiner knows no other way. */
  readonly isCuttable?: boolean;
}

/** The joiner's half, and how it came about. */
interface Joined {
  readonly chat: DirectChat;
  readonly route: Route;
  readonly linkedAfterMs: number;
}

/** A host and a joiner on one server. */
export class ChatPair implements AsyncDisposable {
  readonly server: ChatServer;
  readonly ana: TestRendezvous;
  readonly bob: TestRendezvous;
  /** What the host sees. */
  readonly atAna = new Recorder();
  /** What the joiner sees. */
  readonly atBob = new Recorder();
  readonly hosted: HostedChat;
  readonly #cable: CuttableProxy | undefined;
  readonly #joinOptions: Partial<JoinOptions>;
  readonly #folder: string;
  #joined: Joined | undefined;

  private constructor(made: {
    server: ChatServer;
    ana: TestRendezvous;
    bob: TestRendezvous;
    atAna: Recorder;
    hosted: HostedChat;
    folder: string;
    joinOptions: Partial<JoinOptions>;
    cable: CuttableProxy | undefined;
  }) {
    this.server = made.server;
    this.ana = made.ana;
    this.bob = made.bob;
    this.atAna = made.atAna;
    this.hosted = made.hosted;
    this.#folder = made.folder;
    this.#joinOptions = made.joinOptions;
    this.#cable = made.cable;
  }

  /** Ana invites bob; nobody has joined yet. */
  static async invite(options: PairOptions = {}): Promise<ChatPair> {
    const cable = options.isCuttable ? new CuttableProxy(null) : undefined;
    const server = await ChatServer.start(
      cable ? { onResult: leadThrough(cable), onParams: withoutPunch, relay: NO_RELAY } : options.server,
    );
    const [ana, bob] = [await server.connectAs("ana"), await server.connectAs("bob")];
    const folder = await Deno.makeTempDir({ prefix: "mini-chat-pair-" });
    const atAna = new Recorder();
    const hosted = await HostedChat.open(atAna, {
      rendezvous: ana,
      friend: "bob",
      port: 0,
      downloadFolder: `${folder}/ana`,
      ...options.host,
    });
    cable?.leadTo(hosted.port);
    const joinOptions = options.joiner ?? {};
    return new ChatPair({ server, ana, bob, atAna, hosted, folder, joinOptions, cable });
  }

  /** Ana invites bob, and he joins. */
  static async link(options: PairOptions = {}): Promise<ChatPair> {
    const pair = await ChatPair.invite(options);
    await pair.join();
    return pair;
  }

  /** Bob joins. @param changes What his side does otherwise than the pair's options say. */
  async join(changes: Partial<JoinOptions> = {}): Promise<Joined> {
    const invited = this.bob.events.find(({ name }) => name === "chat_invited");
    if (!invited) throw new Error("Bob was not invited");
    const startedAt = performance.now();
    const chat = await joinChat(this.atBob, {
      rendezvous: this.bob,
      chatId: invited.content.chatId,
      friend: "ana",
      downloadFolder: this.folderOf("bob"),
      signal: new AbortController().signal,
      ...this.#joinOptions,
      ...changes,
    });
    this.#joined = { chat, route: chat.channel.route!, linkedAfterMs: performance.now() - startedAt };
    await this.hosted.linked;
    return this.#joined;
  }

  /** The joiner's half. */
  get joined(): Joined {
    if (!this.#joined) throw new Error("Bob has not joined");
    return this.#joined;
  }

  /** The cable between them. */
  get cable(): CuttableProxy {
    if (!this.#cable) throw new Error("The pair was made without a cable");
    return this.#cable;
  }

  /** Where somebody's files are saved. */
  folderOf(name: string): string {
    return `${this.#folder}/${name}`;
  }

  /** Ends all of it. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#joined?.chat.bye();
    await this.#joined?.chat.ended;
    await this.hosted.close();
    await this.#cable?.[Symbol.asyncDispose]();
    await this.ana[Symbol.asyncDispose]();
    await this.bob[Symbol.asyncDispose]();
    await this.server[Symbol.asyncDispose]();
    await Deno.remove(this.#folder, { recursive: true });
  }
}

/** The same client, whose further connections to the server go through a cable. */
export function through(cable: CuttableProxy, rendezvous: TestRendezvous): Rendezvous {
  cable.leadTo(rendezvous.server.port);
  return {
    server: { ...rendezvous.server, port: cable.port },
    request: (method, params) => rendezvous.request(method, params),
    onEvent: (hear) => rendezvous.onEvent(hear),
    onSignedInAgain: (hear) => rendezvous.onSignedInAgain(hear),
    checkConnection: () => rendezvous.checkConnection(),
  };
}

/** Limits of a server that relays nothing. */
export const NO_RELAY = { ...DEFAULT_RELAY_LIMITS, bytesPerDay: 0 };

/** Tells the joiner of one place alone. */
export function leadThrough(cable: CuttableProxy): (method: string, result: unknown) => unknown {
  return (method, result) => {
    if (method !== "join_chat") return result;
    const places: JoinedChat["places"] = [{ address: "127.0.0.1", port: cable.port, kind: "own" }];
    return { ...result as JoinedChat, places };
  };
}

/** Lets nobody punch. */
export function withoutPunch(method: string, params: unknown): unknown {
  return method === "offer_punch" ? { ...params as object, endpoints: [] } : params;
}
