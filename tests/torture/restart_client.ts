/**
 * A client in this process that is there all the time, and notes how long a restart of its server keeps it away.
 * @module
 */
import type { Target } from "../bench/load.ts";
import type { Person } from "../helpers/population.ts";
import { ChatClient, type ChatRecords } from "../../lib/client/chat_client.ts";
import type { OutboxMessage } from "../../lib/client/outbox_sender.ts";
import { ServerLink } from "../../lib/client/server_link.ts";
import { ConnectionError } from "../../lib/errors.ts";
import { Connection } from "../../lib/net/connection.ts";
import { RpcConnection } from "../../lib/net/rpc_connection.ts";
import { connectPinned } from "../../lib/net/trust.ts";
import { parseResult, type SignedIn } from "../../lib/protocol/requests.ts";

/** What a client made of its partner's messages. */
export interface Seen {
  readonly lost: number;
  readonly doubled: number;
  readonly outOfOrder: number;
}

/** One person, who writes a message to a partner each time the link is cut. */
export class RestartClient implements AsyncDisposable {
  readonly name: string;
  readonly partner: string;
  /** Ids of the messages written, in order. */
  readonly written: string[] = [];
  /** Milliseconds from the cut until it was signed in again, its message was stored, and its partner's was there; null until then. */
  backMs: number | null = null;
  sentMs: number | null = null;
  receivedMs: number | null = null;
  readonly #shown: string[] = [];
  readonly #link: ServerLink;
  readonly #client: ChatClient;
  #cutAt = 0;
  #isCut = true; // as at the beginning, before it has connected

  /** Connects at once. */
  constructor({ port, certificatePem }: Target, { name, token }: Person, partner: string) {
    this.name = name;
    this.partner = partner;
    let signedIn: SignedIn;
    this.#link = new ServerLink({
      connect: async (rpc, signal) => {
        const stream = await connectPinned({ host: "127.0.0.1", port, certificatePem, signal });
        return new RpcConnection(new Connection(stream), rpc);
      },
      authenticate: async (rpc) => {
        signedIn = parseResult("resume", await rpc.request("resume", { token }));
      },
      onEvent: (method, params) => this.#client.event(method, params),
      onState: ({ kind }) => {
        if (kind === "waiting") this.#noteCut();
        if (kind !== "online") return;
        this.#isCut = false;
        this.backMs ??= this.#passed();
        this.#client.signedIn(signedIn).catch((error) => {
          if (!(error instanceof ConnectionError)) throw error;
        });
      },
    });
    this.#client = new ChatClient(this.#link, memoryRecords(), {
      onMessage: ({ id, sequence }) => {
        this.#shown.push(id);
        this.receivedMs ??= this.#passed();
        this.#client.shown(sequence);
      },
      onAccepted: () => this.sentMs ??= this.#passed(),
    });
    this.#link.start();
  }

  /** Whether it is connected and signed in. */
  get isOnline(): boolean {
    return this.#link.isOnline;
  }

  /** Whether it is back, its message is with the server, and its partner's is here. */
  get isDone(): boolean {
    return this.backMs !== null && this.sentMs !== null && this.receivedMs !== null;
  }

  /** Begins to measure. */
  expectCut(at: number): void {
    this.#cutAt = at;
    this.backMs = this.sentMs = this.receivedMs = null;
  }

  /** What it saw of all that its partner wrote. */
  verdict(written: readonly string[]): Seen {
    const shown = new Set(this.#shown);
    const lost = written.filter((id) => !shown.has(id)).length;
    const inOrder = written.filter((id) => shown.has(id));
    const first = [...shown];
    return {
      lost,
      doubled: this.#shown.length - shown.size,
      outOfOrder: first.filter((id, index) => id !== inOrder[index]).length,
    };
  }

  /** Says goodbye. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#client[Symbol.dispose]();
    await this.#link.close();
  }

  #noteCut(): void {
    if (this.#isCut) return;
    this.#isCut = true;
    this.written.push(this.#client.send(this.partner, `${this.written.length}`).id);
  }

  #passed(): number {
    return performance.now() - this.#cutAt;
  }
}

/** An outbox and a cursor in memory. */
function memoryRecords(): ChatRecords {
  const outbox: OutboxMessage[] = [];
  let cursor = 0;
  const take = (id: string) => {
    const index = outbox.findIndex((message) => message.id === id);
    if (index >= 0) outbox.splice(index, 1);
  };
  return {
    add: (message) => outbox.push(message) === 1,
    first: () => outbox[0] ?? null,
    accepted: take,
    refused: (_id, error) => {
      throw error;
    },
    dismissRefused: () => {},
    seen: () => {},
    keepHistory: () => {},
    forgetWriter: () => {},
    readCursor: () => cursor,
    saveReadCursor: (sequence) => void (cursor = sequence),
  };
}
