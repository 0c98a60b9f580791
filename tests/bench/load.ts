/**
 * A lean load client: whole frames made by hand, pipelined, over TLS.
 *
 * It shares two cores with the server that it measures, so it parses no more than it must: the id of a reply, by
 * its place in the line. The same client drives the raw echo server, whose figures are the limits.
 * @module
 */
import { CERTIFICATE_NAME } from "../../lib/net/identity.ts";
import { Connection } from "../../lib/net/connection.ts";
import { IdMaker } from "../helpers/message_ids.ts";
import type { Person } from "../helpers/population.ts";

/** Where to connect to. */
export interface Target {
  readonly port: number;
  /** The certificate that is trusted, in PEM. */
  readonly certificatePem: string;
}

/** 200 bytes of text: every figure is about messages of this size. */
export const TEXT = "The quick brown fox jumps over the lazy dog, and the dog does not mind it at all. "
  .repeat(3)
  .slice(0, 200);

/** How every reply of ours, and every request of ours that is echoed, begins. */
const REPLY_START = '{"jsonrpc":"2.0","id":';

/** Connects to a server of this machine and finishes the TLS handshake, or hangs up; small writes leave at once. */
export async function connectTls(target: Target): Promise<Deno.TlsConn> {
  const socket = await Deno.connect({ hostname: "127.0.0.1", port: target.port });
  socket.setNoDelay(true); // before TLS: a connection with it has no way to
  const secure = await Deno.startTls(socket, {
    hostname: CERTIFICATE_NAME,
    caCerts: [target.certificatePem],
  });
  try {
    await secure.handshake();
  } catch (error) {
    secure.close();
    throw error;
  }
  return secure;
}

/** One connection that sends frames and counts replies. */
export class LoadConnection {
  readonly #connection: Connection;
  readonly #replies = new Map<number, (line: string) => void>();
  #lastId = 0;
  /** Takes the replies that no {@linkcode LoadConnection.ask} waits for. */
  onReply: (id: number, line: string) => void = () => {};
  /** Takes the events. */
  onEvent: (line: string) => void = () => {};
  /** Called after each batch of lines that one read brought. */
  onBatch: () => void = () => {};
  /** Resolves once the connection is gone. */
  readonly finished: Promise<void>;

  private constructor(connection: Connection) {
    this.#connection = connection;
    this.finished = this.#read();
  }

  /** Connects and finishes the TLS handshake. */
  static async open(target: Target): Promise<LoadConnection> {
    return new LoadConnection(new Connection(await connectTls(target), { maxQueuedBytes: 64 * 1024 * 1024 }));
  }

  /** Connects and signs in with a token, or hangs up: on a refusal, or when the signal is aborted. */
  static async signIn(
    target: Target,
    person: Pick<Person, "token">,
    signal?: AbortSignal,
  ): Promise<LoadConnection> {
    const connection = await LoadConnection.open(target);
    const hangUp = () => connection.close();
    signal?.addEventListener("abort", hangUp);
    try {
      signal?.throwIfAborted();
      await connection.ask("hello", { protocol: 1, client: { name: "bench", version: "0" } });
      await connection.ask("resume", { token: person.token });
    } catch (error) {
      hangUp();
      throw error;
    } finally {
      signal?.removeEventListener("abort", hangUp);
    }
    return connection;
  }

  /** A number for the next frame. */
  nextId(): number {
    return ++this.#lastId;
  }

  /** Queues a frame; frames of one turn of the event loop leave in one write. */
  send(frame: string): void {
    this.#connection.send(frame);
  }

  /** Has every message delivered that comes from now on, and none that lies in the mailbox. */
  async subscribeToNew(): Promise<void> {
    const { upTo } = await this.ask("subscribe", { after: Number.MAX_SAFE_INTEGER });
    await this.ask("subscribe", { after: upTo });
  }

  /** Sends a request and waits for its result. Throws when it is refused or the connection ends. */
  async ask(method: string, params: unknown): Promise<Record<string, unknown>> {
    const id = this.nextId();
    const reply = new Promise<string>((resolve) => this.#replies.set(id, resolve));
    this.send(JSON.stringify({ jsonrpc: "2.0", id, method, params }) + "\n");
    // A read that waits is not called off by a close of ours (Deno 2.8): what ends the connection is asked too.
    const line = await Promise.race([reply, this.finished, this.#connection.closed]);
    if (typeof line !== "string") {
      throw new Error(
        `The connection ended before the reply to ${method}: ${this.#connection.closeReason?.message}`,
      );
    }
    const { result, error } = JSON.parse(line);
    if (error) throw new Error(`${method} was refused: ${error.message}`);
    return result;
  }

  /** Cuts the connection. */
  close(): void {
    this.#connection.abort();
  }

  async #read(): Promise<void> {
    for (
      let lines = await this.#connection.readLines();
      lines !== null;
      lines = await this.#connection.readLines()
    ) {
      for (const line of lines) this.#take(line);
      this.onBatch();
    }
    this.#connection.abort();
  }

  #take(line: string): void {
    if (!line.startsWith(REPLY_START)) return this.onEvent(line);
    const comma = line.indexOf(",", REPLY_START.length);
    // The server asks too: whether we are there.
    if (line.startsWith('"method":"ping"', comma + 1)) {
      return this.send(`${REPLY_START}${line.slice(REPLY_START.length, comma)},"result":{}}\n`);
    }
    const id = Number(line.slice(REPLY_START.length, comma));
    const waiter = this.#replies.size > 0 ? this.#replies.get(id) : undefined;
    if (!waiter) return this.onReply(id, line);
    this.#replies.delete(id);
    waiter(line);
  }
}

/** Opens connections, some at once, in the order of what they are opened for. */
export async function openAll<T>(
  items: readonly T[],
  open: (item: T) => Promise<LoadConnection>,
  atOnce = 32,
): Promise<LoadConnection[]> {
  const connections: LoadConnection[] = new Array(items.length);
  let next = 0;
  const lane = async () => {
    for (let index = next++; index < items.length; index = next++) {
      connections[index] = await open(items[index]!);
    }
  };
  await Promise.all(Array.from({ length: Math.min(atOnce, items.length) }, lane));
  return connections;
}

/** One connection that has work to do: whom it writes to. */
export interface Lane {
  readonly connection: LoadConnection;
  readonly to: string;
}

/** What came of pumping. */
export interface PumpResult {
  /** Replies a second, within the measured window. */
  readonly perSecond: number;
  /** From a frame's write to its reply, in milliseconds, within the window; every one, not sorted. */
  readonly latenciesMs: Float64Array;
  /** All that was sent, warming up included. */
  readonly sent: number;
}

/** How long and how deep to pump. */
export interface PumpOptions {
  /** Frames in flight on each connection. */
  readonly depth: number;
  /** Measured window, in milliseconds. */
  readonly durationMs: number;
  /** Time before it, in milliseconds; 300 by default. */
  readonly warmUpMs?: number;
}

/** Keeps `depth` sends in flight on every connection, and counts the replies. Throws on a reply that is an error. */
export async function pump(lanes: readonly Lane[], options: PumpOptions): Promise<PumpResult> {
  const { depth, durationMs, warmUpMs = 300 } = options;
  const startsAt = performance.now() + warmUpMs;
  const endsAt = startsAt + durationMs;
  const latencies: number[] = [];
  let counted = 0;
  let sent = 0;
  await Promise.all(lanes.map(({ connection, to }) =>
    new Promise<void>((resolve, reject) => {
      const ids = new IdMaker();
      const writtenAt = new Map<number, number>();
      const sendOne = (now: number) => {
        const id = connection.nextId();
        writtenAt.set(id, now);
        sent += 1;
        connection.send(sendFrame(id, ids.next(), to));
      };
      connection.onReply = (id, line) => {
        const now = performance.now();
        if (line.startsWith('"error"', line.indexOf(",", REPLY_START.length) + 1)) {
          return reject(new Error(line));
        }
        if (now >= startsAt && now < endsAt) {
          counted += 1;
          latencies.push(now - writtenAt.get(id)!);
        }
        writtenAt.delete(id);
        if (now < endsAt) sendOne(now);
        else if (writtenAt.size === 0) resolve();
      };
      connection.finished.then(() => reject(new Error("The connection ended while it was measured")));
      const now = performance.now();
      for (let index = 0; index < depth; index++) sendOne(now);
    })
  ));
  return { perSecond: counted / durationMs * 1000, latenciesMs: Float64Array.from(latencies), sent };
}

/** The frame of one send. */
export function sendFrame(id: number, messageId: string, to: string, text = TEXT): string {
  return `{"jsonrpc":"2.0","id":${id},"method":"send_message","params":{"id":"${messageId}","to":"${to}","text":"${text}"}}\n`;
}

/** Does something so many times a second, in small bursts where the timer is coarse; never faster to catch up. */
export async function atPace(perSecond: number, durationMs: number, act: () => void): Promise<void> {
  const startedAt = performance.now();
  for (let done = 0; performance.now() - startedAt < durationMs;) {
    const due = Math.floor((performance.now() - startedAt) / 1000 * perSecond);
    for (; done < due; done++) act();
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
}
