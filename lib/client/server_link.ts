/**
 * The link to a server: one signed-in connection, made again whenever it breaks.
 *
 * Between attempts it waits longer each time, with full jitter, so that a server which comes back is not met by all of its
 * clients at once. It gives up only where trying again cannot help: another key, a version that does not fit, a login
 * that no longer counts. How to connect and how to sign in are its owner's.
 * @see https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/
 * @module
 */
import { ChatError, LinkError, messageOf, TrustError } from "../errors.ts";
import type { RequestOptions, RpcConnection, RpcHandler } from "../net/rpc_connection.ts";

/** Longest pause before the first retry, in milliseconds; it doubles with each failure. */
const FIRST_PAUSE_MS = 1_000;

/** Longest pause before any retry, in milliseconds. */
const LONGEST_PAUSE_MS = 30_000;

/** How long an attempt to connect and sign in may take, in milliseconds. */
const ATTEMPT_WITHIN_MS = 20_000;

/** How long the reply to a goodbye is waited for, in milliseconds. */
const GOODBYE_WITHIN_MS = 1_000;

/** Refusals that no retry mends. */
const FINAL_CODES = new Set<string>(["unauthenticated", "forbidden", "unsupported_version"]);

/** What the link is doing. */
export type LinkState =
  | { readonly kind: "connecting" }
  | { readonly kind: "online" }
  /** Not connected; the next attempt comes after `pauseMs`. */
  | { readonly kind: "waiting"; readonly reason: string; readonly pauseMs: number }
  /** Ended for good; `error` is null when its owner closed it. */
  | { readonly kind: "stopped"; readonly error: unknown };

/** What a {@linkcode ServerLink} works with. */
export interface ServerLinkOptions {
  /**
   * Makes one connection.
   *
   * @throws {LinkError} when that fails for now.
   * @throws {TrustError} when the server is not the one that was trusted.
   */
  readonly connect: (handler: RpcHandler, signal: AbortSignal) => Promise<RpcConnection>;
  /** Greets and signs in on a new connection. */
  readonly authenticate: (rpc: RpcConnection) => Promise<void>;
  /** Called once signed in, when requests work; the link counts as online when it resolves. */
  readonly onReady?: () => Promise<void>;
  /** Takes the events of the server, in order. */
  readonly onEvent?: (method: string, params: unknown) => void;
  /** Told of each change. */
  readonly onState?: (state: LinkState) => void;
  /** A number from 0 up to 1; `Math.random` by default. */
  readonly random?: () => number;
  /** Waits; rejects when the signal is aborted. Timers by default. */
  readonly sleep?: (ms: number, signal: AbortSignal) => Promise<void>;
}

/** Keeps one connection alive until it is closed. */
export class ServerLink implements AsyncDisposable {
  readonly #options: ServerLinkOptions;
  readonly #stop = new AbortController();
  readonly #done: Promise<void>;
  #state: LinkState = { kind: "connecting" };
  /** The connection in use; null between two. */
  #rpc: RpcConnection | null = null;
  /** When the server said to come back, in milliseconds; unset once that was obeyed. */
  #retryAfterMs: number | undefined;

  /** Starts to connect at once. */
  constructor(options: ServerLinkOptions) {
    this.#options = options;
    this.#done = Promise.resolve().then(() => this.#run());
  }

  /** What the link is doing now. */
  get state(): LinkState {
    return this.#state;
  }

  /** Asks the server. Throws `LinkError` while there is no connection, and what `RpcConnection.request` throws. */
  request(method: string, params?: unknown, options: RequestOptions = {}): Promise<unknown> {
    if (!this.#rpc) return Promise.reject(new LinkError(`Cannot ask the server: ${this.#whyNot()}`));
    return this.#rpc.request(method, params, options);
  }

  /** Stops for good because of an error that the owner learned of; its state says so. */
  fail(error: unknown): void {
    this.#end(error);
  }

  /** Says goodbye, and stops for good. */
  async close(): Promise<void> {
    const rpc = this.#rpc;
    this.#rpc = null;
    await rpc?.request("bye", {}, { timeoutMs: GOODBYE_WITHIN_MS }).catch(() => {});
    this.#end(null);
    await rpc?.close();
    await this.#done;
  }

  /** The same as {@linkcode ServerLink.close}. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #run(): Promise<void> {
    const { signal } = this.#stop;
    for (let failures = 0; !signal.aborted;) {
      this.#become({ kind: "connecting" });
      let reason: string;
      try {
        const rpc = await this.#connect(signal);
        failures = 0;
        this.#become({ kind: "online" });
        reason = (await rpc.closed).message;
      } catch (error) {
        if (isFinal(error)) return this.#end(error);
        if (error instanceof ChatError) this.#retryAfterMs ??= error.retryAfterMs;
        failures++;
        reason = messageOf(error);
      }
      this.#rpc = null;
      if (signal.aborted) return;
      await this.#pause(reason, failures, signal);
    }
  }

  async #connect(signal: AbortSignal): Promise<RpcConnection> {
    const { connect, authenticate, onReady } = this.#options;
    const attempt = AbortSignal.any([signal, AbortSignal.timeout(ATTEMPT_WITHIN_MS)]);
    const rpc = await connect({ onNotification: (method, params) => this.#tell(method, params) }, attempt);
    const onAbort = () => rpc.abort("the attempt took too long");
    attempt.addEventListener("abort", onAbort);
    try {
      if (attempt.aborted) throw new LinkError("Cannot connect: the attempt was given up");
      await authenticate(rpc);
      this.#rpc = rpc;
      await onReady?.();
      return rpc;
    } catch (error) {
      this.#rpc = null;
      rpc.abort("signing in failed");
      throw error;
    } finally {
      attempt.removeEventListener("abort", onAbort);
    }
  }

  async #pause(reason: string, failures: number, signal: AbortSignal): Promise<void> {
    const random = this.#options.random ?? Math.random;
    const ceiling = Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** failures);
    const pauseMs = Math.round((this.#retryAfterMs ?? 0) + random() * ceiling);
    this.#retryAfterMs = undefined;
    this.#become({ kind: "waiting", reason, pauseMs });
    await (this.#options.sleep ?? sleep)(pauseMs, signal).catch(() => {});
  }

  #tell(method: string, params: unknown): void {
    if (method === "server_stopping") {
      const { retryAfterMs } = params as { retryAfterMs?: unknown };
      if (typeof retryAfterMs === "number" && retryAfterMs >= 0) {
        this.#retryAfterMs = Math.min(retryAfterMs, LONGEST_PAUSE_MS);
      }
    }
    this.#options.onEvent?.(method, params);
  }

  #end(error: unknown): void {
    if (this.#state.kind === "stopped") return;
    this.#become({ kind: "stopped", error });
    this.#stop.abort();
    this.#rpc?.abort("the link was stopped");
    this.#rpc = null;
  }

  #become(state: LinkState): void {
    if (this.#state.kind === "stopped") return;
    this.#state = state;
    this.#options.onState?.(state);
  }

  #whyNot(): string {
    switch (this.#state.kind) {
      case "waiting":
        return this.#state.reason;
      case "stopped":
        return this.#state.error === null ? "disconnected" : messageOf(this.#state.error);
      default:
        return "not connected yet";
    }
  }
}

function isFinal(error: unknown): boolean {
  return error instanceof TrustError || (error instanceof ChatError && FINAL_CODES.has(error.code));
}

function sleep(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const onAbort = () => {
      clearTimeout(timer);
      reject(signal.reason);
    };
    const timer = setTimeout(() => {
      signal.removeEventListener("abort", onAbort);
      resolve();
    }, ms);
    signal.addEventListener("abort", onAbort, { once: true });
  });
}
