// Connections kept open for one purpose, each used by one piece of work at a time. A lost one is made again, and whoever
// needs it meanwhile waits a little.
import { sleep, unlessAborted } from "../../waiting.ts";
import { connect, type Connection, type ConnectOptions } from "./connection.ts";
import { connectionLost } from "./errors.ts";
import type { DatabaseUrl } from "./url.ts";

export interface LaneOptions extends ConnectOptions {
  readonly connections?: number; // one by default
  readonly waitMs?: number; // WAIT_MS by default
  /** Done with each connection before it is used, also after a loss. */
  prepare?(connection: Connection): Promise<void>;
}

/** How long work waits for a connection before it is `unavailable`. */
const WAIT_MS = 3_000;

/** Rests between two attempts to connect; the last one is kept. Short, as all of a community waits for it. */
const REST_MS: readonly number[] = [20, 50, 100, 200, 400];

/** @throws {UsageError} The database cannot be reached, or does not let this user in. */
export async function openLane(url: DatabaseUrl, options: LaneOptions): Promise<Lane> {
  return new Lane(url, options, await connectPrepared(url, options));
}

/** Made by {@linkcode openLane}. */
export class Lane implements AsyncDisposable {
  readonly #url: DatabaseUrl;
  readonly #options: LaneOptions;
  readonly #idle: Connection[] = []; // none of them lost
  readonly #waiting: ((connection: Connection) => void)[] = [];
  readonly #closing = new AbortController();
  readonly #keepers: Promise<void>[];
  #cause: unknown = undefined; // of the last failure to connect

  constructor(url: DatabaseUrl, options: LaneOptions, first: Connection) {
    this.#url = url;
    this.#options = options;
    this.#keepers = Array.from(
      { length: options.connections ?? 1 },
      (_, index) => this.#keep(index === 0 ? first : null),
    );
  }

  /**
   * Runs work with a connection of its own.
   * @throws {ChatError} `unavailable`: there was none in time.
   */
  async run<Result>(work: (connection: Connection) => Promise<Result>): Promise<Result> {
    const connection = await this.#take();
    try {
      return await work(connection);
    } finally {
      this.#giveBack(connection);
    }
  }

  /** Ends the connections; work that uses one fails. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#closing.abort(new Error("the lane was closed"));
    await Promise.all(this.#keepers);
  }

  async #take(): Promise<Connection> {
    const idle = this.#idle.shift();
    if (idle) return idle;
    if (this.#closing.signal.aborted) throw connectionLost(this.#closing.signal.reason);
    const { promise, resolve, reject } = Promise.withResolvers<Connection>();
    const giveUp = () => {
      const index = this.#waiting.indexOf(resolve);
      if (index >= 0) this.#waiting.splice(index, 1);
      reject(connectionLost(this.#cause));
    };
    const timer = setTimeout(giveUp, this.#options.waitMs ?? WAIT_MS);
    this.#closing.signal.addEventListener("abort", giveUp, { once: true });
    this.#waiting.push(resolve);
    try {
      return await promise;
    } finally {
      clearTimeout(timer);
      this.#closing.signal.removeEventListener("abort", giveUp);
    }
  }

  #giveBack(connection: Connection): void {
    if (connection.isLost) return;
    const next = this.#waiting.shift();
    if (next) next(connection);
    else this.#idle.push(connection);
  }

  /** Keeps one connection open until the lane is closed. */
  async #keep(connection: Connection | null): Promise<void> {
    const { signal } = this.#closing;
    for (let attempt = 0; !signal.aborted; attempt++) {
      try {
        connection ??= await connectPrepared(this.#url, this.#options);
      } catch (error) {
        this.#cause = error;
        await sleep(REST_MS[Math.min(attempt, REST_MS.length - 1)]!, signal).catch(() => {});
        continue;
      }
      this.#giveBack(connection);
      this.#cause = await unlessAborted(signal, connection.lost).catch((reason) => reason);
      const index = this.#idle.indexOf(connection);
      if (index >= 0) this.#idle.splice(index, 1);
      await connection.close();
      connection = null;
      attempt = -1;
    }
  }
}

async function connectPrepared(url: DatabaseUrl, options: LaneOptions): Promise<Connection> {
  const connection = await connect(url, options);
  try {
    await options.prepare?.(connection);
    return connection;
  } catch (error) {
    await connection.close();
    throw error;
  }
}
