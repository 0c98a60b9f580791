// What the server delivers, and from where on: asked for at each connection, stopped when there is no room, and asked for again
// once there is. Nobody else would ask, so a server that refuses is asked until it delivers.
import { ChatError, ConnectionError } from "../errors.ts";
import { sleep } from "../waiting.ts";
import { retryAfterMs } from "./outbox_sender.ts";
import type { Unread } from "./unread.ts";

/** Pauses before a server that refuses is asked again where it names none: they double up to the longest. */
const FIRST_PAUSE_MS = 2_000;
const LONGEST_PAUSE_MS = 30_000;

export interface SubscriptionOptions {
  readonly unread: Unread;
  /** Has the server send what it has above a sequence; resolves with the highest that it has. */
  readonly subscribe: (after: number) => Promise<number>;
  /** The server has refused to deliver, for this reason: told once, until it delivers. */
  readonly onRefused: (error: ChatError) => void;
  /** It delivers, after it had refused. */
  readonly onDelivered: () => void;
  readonly onFault: (error: unknown) => void;
  readonly firstPauseMs?: number; // 2 s by default
}

export class Subscription implements Disposable {
  readonly #options: SubscriptionOptions;
  readonly #stop = new AbortController();
  #connections = 0; // that were signed in, up to the present one
  #changed: Promise<void> = Promise.resolve(); // resolves when the last change is done
  #refusal: ChatError | null = null;

  constructor(options: SubscriptionOptions) {
    this.#options = options;
  }

  /** Why the server does not deliver now; null when it does, as far as is known. */
  get refusal(): ChatError | null {
    return this.#refusal;
  }

  /** Begins on a connection that has just signed in. @throws {ConnectionError} It was lost before the server delivered. */
  async begin(): Promise<void> {
    this.#connections += 1;
    this.#options.unread.startedAnew();
    await this.#subscribe();
  }

  /** Has the server send nothing more of what waits, if there is no room for it. */
  pause(): void {
    this.#change(async () => {
      const { unread } = this.#options;
      if (unread.hasMore) unread.stopped(await this.#deliverAfter(() => Number.MAX_SAFE_INTEGER));
    });
  }

  /** Asks for what was left with the server, if there is room now. */
  askForRest(): void {
    const { unread } = this.#options;
    if (!unread.wantsMore) return;
    unread.askedAgain();
    this.#change(() => this.#subscribe());
  }

  [Symbol.dispose](): void {
    this.#stop.abort(new ConnectionError("Cannot ask again as the client has ended"));
  }

  async #subscribe(): Promise<void> {
    const { unread } = this.#options;
    unread.expect(await this.#deliverAfter(() => unread.received));
  }

  /** One after the other: to start before the server has stopped would leave something out. A new connection starts anew anyway. */
  #change(change: () => Promise<void>): void {
    this.#changed = this.#changed.then(change).catch((error) => {
      if (!(error instanceof ConnectionError)) this.#options.onFault(error);
    });
  }

  async #deliverAfter(after: () => number): Promise<number> {
    const { subscribe, onDelivered, firstPauseMs = FIRST_PAUSE_MS } = this.#options;
    const connection = this.#connections;
    for (let pauseMs = firstPauseMs;; pauseMs = Math.min(pauseMs * 2, LONGEST_PAUSE_MS)) {
      try {
        const upTo = await subscribe(after());
        if (this.#refusal !== null) onDelivered();
        this.#refusal = null;
        return upTo;
      } catch (error) {
        // A session that has ended is begun anew, or given up, by the link.
        if (!(error instanceof ChatError) || error.code === "unauthenticated") throw error;
        this.#stop.signal.throwIfAborted();
        this.#note(error);
        await sleep(retryAfterMs(error, pauseMs) ?? pauseMs, this.#stop.signal);
        if (connection !== this.#connections) {
          throw new ConnectionError("Cannot ask again as the connection was lost meanwhile", {
            cause: error,
          });
        }
      }
    }
  }

  #note(error: ChatError): void {
    const isNews = this.#refusal === null;
    this.#refusal = error;
    if (isNews) this.#options.onRefused(error);
  }
}
