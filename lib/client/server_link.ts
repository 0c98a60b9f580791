// The client's line to its server, kept alive: connect, greet, sign in, and again whenever it breaks.
// Knows when to try again and when to stop for good; nothing of messages. How to connect and how to sign in are the
// owner's, since they take a pin, a token or a person. Tries are spread by exponential backoff with full jitter, so
// that the clients of a server that restarts do not come back all at once.
import { networkInterfaces } from "../addresses.ts";
import { ChatError, ConnectionError, isTemporary, messageOf } from "../errors.ts";
import type { RequestOptions, RpcConnection, RpcOptions } from "../net/rpc_connection.ts";
import { VERSION } from "../version.ts";
import { Limit, within } from "../waiting.ts";
import { MAX_RETRY_AFTER_MS, PROTOCOL_VERSION } from "../protocol/limits.ts";
import { type Params, parseResult } from "../protocol/requests.ts";

export const HELLO: Params<"hello"> = {
  protocol: PROTOCOL_VERSION,
  client: { name: "mini-chat", version: VERSION },
};

/** Why a server lets nobody stay: it stops, mostly to start again, or it has lost the database that it shares. */
export type Announcement = "restart" | "no_database";

export type LinkState =
  /** Connecting, greeting or signing in; `attempt` counts from 1 since it was last online for a while. */
  | { readonly kind: "connecting"; readonly attempt: number }
  | { readonly kind: "online" }
  /**
   * Not connected; the next try is at `retryAtMs`, in epoch milliseconds. `reason` is one sentence for people. The server may have
   * announced why it lets nobody stay, and when to come back; else that is null.
   */
  | {
    readonly kind: "waiting";
    readonly retryAtMs: number;
    readonly reason: string;
    readonly error: unknown;
    readonly announced: Announcement | null;
  }
  /** Given up, or closed; `error` is unset when the owner closed it. */
  | { readonly kind: "stopped"; readonly reason: string; readonly error?: unknown };

export interface ServerLinkOptions {
  /**
   * Opens a connection to a server that is trusted. `rpc` must be given to the `RpcConnection`; the signal calls the
   * try off. A `TrustError` stops the link for good.
   */
  readonly connect: (rpc: RpcOptions, signal: AbortSignal) => Promise<RpcConnection>;
  /** Signs in on a fresh connection. A refusal that time does not mend stops the link for good. */
  readonly authenticate: (rpc: RpcConnection) => Promise<void>;
  readonly onEvent?: (method: string, params: unknown) => void; // in order; those that come while signing in too
  readonly onState?: (state: LinkState) => void; // told of each change, at once and in order
  readonly onFault?: (error: unknown) => void;
  readonly firstPauseMs?: number; // the longest before the first new try, doubled with each failure; 1 s by default
  readonly longestPauseMs?: number; // before any try; 30 s by default
  readonly watchMs?: number; // how often this machine is looked at: has it slept, has it moved; 1 s by default
  readonly patienceMs?: number; // of `check()`, at least: for a sign of life, for an attempt; 3 s by default
  readonly listAddresses?: () => readonly string[]; // those of its interfaces by default
  readonly random?: () => number; // a number from 0 to below 1; `Math.random` by default
  readonly now?: () => number;
}

const FIRST_PAUSE_MS = 1_000;
const LONGEST_PAUSE_MS = 30_000;
const WATCH_MS = 1_000;
/** A timer that comes this late means that the machine was suspended, and not only busy. */
const SUSPENDED_MS = 10_000;
/**
 * What {@linkcode ServerLink.check} allows at least. A sign of life may take three round trips where the greeting has shown that
 * those are slow. An attempt is begun anew, as packets that were lost are sent again ever later; each next one gets twice as long,
 * or a slow network would never be through.
 */
const PATIENCE_MS = 3_000;
const PROBE_ROUND_TRIPS = 3;
/** A connection that held this long was a good one: the next failure starts counting anew. */
const GOOD_AFTER_MS = 10_000;
const HELLO_TIMEOUT_MS = 15_000;
const BYE_TIMEOUT_MS = 1_000;

export class ServerLink implements AsyncDisposable {
  readonly #options: ServerLinkOptions;
  readonly #stop = new AbortController();
  readonly #random: () => number;
  readonly #now: () => number;
  readonly #patienceMs: number;
  #state: LinkState = { kind: "connecting", attempt: 1 };
  #rpc: RpcConnection | undefined; // set from connected to lost, signed in or not
  #running: Promise<void> | undefined; // set by start()
  #failures = 0; // tries in a row that led to nothing
  #noSoonerThan = 0; // epoch milliseconds; the server said to stay away until then
  #stopsForMs: number | null = null; // a stopping server said to come back after this; null once connected again
  #hasNoDatabase = false; // that is why
  #isStopping = false; // it said so on the connection in use
  #attempt: { readonly startedAt: number; readonly limit: Limit } | undefined; // set until it is online
  #isHurried = false; // the next try follows without a pause
  #staleAttempts = 0; // begun anew since it was last online
  #isChecking = false;
  #roundTripMs = 0; // what the greeting on the connection in use has taken
  #endPause: (() => void) | undefined; // set while waiting

  constructor(options: ServerLinkOptions) {
    this.#options = options;
    this.#random = options.random ?? Math.random;
    this.#now = options.now ?? Date.now;
    this.#patienceMs = options.patienceMs ?? PATIENCE_MS;
  }

  get state(): LinkState {
    return this.#state;
  }

  get isOnline(): boolean {
    return this.#state.kind === "online";
  }

  /** Whether the server was reached and its key is good, signed in or not. */
  get isConnected(): boolean {
    return this.#rpc !== undefined;
  }

  start(): void {
    this.#running ??= this.#run();
  }

  /** Asks the server; the result is unchecked. Throws `ChatError` (refused, `timeout`), or `ConnectionError` when there is none. */
  request(method: string, params?: unknown, options?: RequestOptions): Promise<unknown> {
    if (this.#state.kind !== "online" || !this.#rpc) {
      return Promise.reject(new ConnectionError("Cannot ask the server as there is no connection to it"));
    }
    return this.#rpc.request(method, params, options);
  }

  /** Tries now instead of at `retryAtMs`; does nothing unless waiting. */
  retryNow(): void {
    this.#noSoonerThan = 0;
    this.#endPause?.();
  }

  /**
   * Looks whether the network has changed: what seems connected must show a sign of life within 3 s, or three round trips of a slow
   * network; what hangs is begun anew, and what waits is tried at once unless the server asked for patience.
   */
  check(): void {
    if (this.#state.kind === "waiting") {
      if (this.#now() >= this.#noSoonerThan) this.#endPause?.();
    } else if (this.#state.kind === "connecting") {
      const hungMs = performance.now() - (this.#attempt?.startedAt ?? Infinity);
      if (hungMs <= this.#patienceMs * 2 ** this.#staleAttempts) return;
      this.#staleAttempts += 1;
      this.#startOver();
    } else if (this.#state.kind === "online") {
      this.#probe();
    }
  }

  /** Says goodbye to the server and parts, within a second or so. */
  async close(reason = "closed by this side"): Promise<void> {
    if (!this.#stop.signal.aborted) {
      const rpc = this.#rpc;
      const { isOnline } = this;
      this.#stop.abort(new ConnectionError(`Connection to the server is closed: ${reason}`));
      this.#endPause?.();
      this.#enter({ kind: "stopped", reason });
      if (rpc && isOnline) {
        await rpc.request("bye", {}, { timeoutMs: BYE_TIMEOUT_MS }).catch(() => {});
        await rpc.close(reason);
      }
      rpc?.abort(reason);
    }
    await this.#running;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #run(): Promise<void> {
    using _watch = this.#watchMachine();
    for (;;) {
      this.#enter({ kind: "connecting", attempt: this.#failures + 1 });
      const error = await this.#holdOneConnection().catch((failure: unknown) => failure);
      this.#rpc = undefined;
      if (this.#isStopped) return;
      const isHurried = this.#isHurried;
      this.#isHurried = false;
      if (isHurried) continue;
      if (isFinal(error)) return this.#enter({ kind: "stopped", reason: messageOf(error), error });
      await this.#pause(error);
      if (this.#isStopped) return;
    }
  }

  get #isStopped(): boolean {
    return this.#stop.signal.aborted;
  }

  /** From connecting to losing it; gives, or throws, why it is over. */
  async #holdOneConnection(): Promise<unknown> {
    const { connect, authenticate } = this.#options;
    using limit = new Limit(Infinity, this.#stop.signal);
    this.#attempt = { startedAt: performance.now(), limit };
    const rpc = await connect(this.#rpcOptions(), limit.signal);
    if (this.#isStopped) return rpc.abort();
    this.#rpc = rpc;
    let onlineAt: number | undefined;
    try {
      const askedAt = performance.now();
      parseResult("hello", await rpc.request("hello", HELLO, { timeoutMs: HELLO_TIMEOUT_MS }));
      this.#roundTripMs = performance.now() - askedAt;
      await authenticate(rpc);
      this.#stop.signal.throwIfAborted();
      // Signing in may have been the last thing that the server did.
      if (!rpc.closeReason) {
        onlineAt = this.#now();
        this.#attempt = undefined;
        this.#isHurried = false;
        this.#staleAttempts = 0;
        this.#stopsForMs = null;
        this.#enter({ kind: "online" });
      }
      const { message, error } = await rpc.closed;
      return new ConnectionError(`Connection to the server was lost: ${message}`, { cause: error });
    } finally {
      if (onlineAt !== undefined && this.#now() - onlineAt >= GOOD_AFTER_MS) this.#failures = 0;
      // While close() says goodbye, the connection is its to end.
      if (!this.#isStopped) await rpc.close("the link starts anew");
    }
  }

  #rpcOptions(): RpcOptions {
    const { onFault } = this.#options;
    return {
      onNotification: (method, params) => {
        if (method === "server_stopping") {
          const { retryAfterMs, reason } = (params ?? {}) as { retryAfterMs?: unknown; reason?: unknown };
          this.#stopsForMs = this.#stayAway(retryAfterMs);
          this.#hasNoDatabase = reason === "no_database";
          this.#isStopping = this.#stopsForMs !== null;
        }
        this.#options.onEvent?.(method, params);
      },
      ...(onFault ? { onFault } : {}),
    };
  }

  /**
   * Waits before the next try: at random up to a limit that doubles, and no sooner than the server asked for. A server that stops
   * gives each of its callers another time to come back, and is there again soon, as a rule: that is no failure.
   */
  async #pause(error: unknown): Promise<void> {
    const { firstPauseMs = FIRST_PAUSE_MS, longestPauseMs = LONGEST_PAUSE_MS } = this.#options;
    if (error instanceof ChatError) this.#stayAway(error.retryAfterMs);
    const firstMs = Math.min(firstPauseMs, this.#stopsForMs ?? Infinity);
    const limitMs = this.#isStopping
      ? 0
      : Math.min(longestPauseMs, firstMs * 2 ** Math.min(this.#failures, 16));
    const now = this.#now();
    const retryAtMs = Math.max(now, this.#noSoonerThan) + this.#random() * limitMs;
    this.#failures = this.#isStopping ? 0 : this.#failures + 1;
    this.#isStopping = false;
    const { promise: ended, resolve } = Promise.withResolvers<void>();
    this.#endPause = resolve;
    const announced = this.#stopsForMs === null ? null : this.#hasNoDatabase ? "no_database" : "restart";
    this.#enter({ kind: "waiting", retryAtMs, reason: messageOf(error), error, announced });
    await within(retryAtMs - now, ended);
    this.#endPause = undefined;
  }

  /** Returns for how long, in milliseconds; null when that is no time. */
  #stayAway(retryAfterMs: unknown): number | null {
    if (typeof retryAfterMs !== "number" || !(retryAfterMs > 0)) return null;
    const stayMs = Math.min(retryAfterMs, MAX_RETRY_AFTER_MS);
    this.#noSoonerThan = Math.max(this.#noSoonerThan, this.#now() + stayMs);
    return stayMs;
  }

  /** Notices that this machine slept, as the wall clock has gone on further than our timer, or has other addresses. */
  #watchMachine(): Disposable {
    const { watchMs = WATCH_MS, listAddresses = listOwnAddresses } = this.#options;
    let lastAt = this.#now();
    let lastAddresses = listAddresses().join();
    const timer = setInterval(() => {
      const wasSuspended = this.#now() - lastAt - watchMs > SUSPENDED_MS;
      lastAt = this.#now();
      const addresses = listAddresses();
      const hasMoved = addresses.join() !== lastAddresses;
      lastAddresses = addresses.join();
      if (hasMoved) this.#move(addresses);
      else if (wasSuspended && this.#state.kind === "waiting") this.retryNow();
      else if (wasSuspended) this.check();
    }, watchMs);
    return { [Symbol.dispose]: () => clearInterval(timer) };
  }

  /** A connection from an address that this machine has no more is dead, whether or not anybody notices. */
  #move(addresses: readonly string[]): void {
    const from = this.#rpc?.connection.localAddress ?? "";
    if (this.#state.kind === "waiting") this.retryNow();
    else if (this.#state.kind === "connecting") this.#startOver();
    else if (from === "" || addresses.includes(from)) this.check();
    else this.#startOver("this machine has another address now");
  }

  /** Gives up what there is of a connection, and tries again without a pause. */
  #startOver(why = "the network may have changed"): void {
    this.#isHurried = true;
    this.#attempt?.limit.abort(new ConnectionError(`Connecting to the server begins anew: ${why}`));
    this.#rpc?.abort({ kind: "silent", message: why });
  }

  #probe(): void {
    const rpc = this.#rpc;
    if (!rpc || this.#isChecking) return;
    this.#isChecking = true;
    const askedAt = performance.now();
    const timeoutMs = Math.max(this.#patienceMs, PROBE_ROUND_TRIPS * this.#roundTripMs);
    rpc.request("ping", undefined, { timeoutMs }).catch(() => {
      // Whatever arrives is a sign of life: on a slow network the answer stands in line behind the mailbox.
      const isAlive = rpc.connection.heardAt > askedAt;
      if (isAlive || rpc !== this.#rpc || this.#state.kind !== "online") return;
      this.#failures = 0;
      this.#startOver("the server does not answer any more");
    }).finally(() => this.#isChecking = false);
  }

  #enter(state: LinkState): void {
    if (this.#state.kind === "stopped") return;
    this.#state = state;
    try {
      this.#options.onState?.(state);
    } catch (error) {
      this.#options.onFault?.(error);
    }
  }
}

/** Whether trying again cannot help without a person, or would only hide a fault of ours. */
function isFinal(error: unknown): boolean {
  if (error instanceof ChatError) return !isTemporary(error);
  return !(error instanceof ConnectionError);
}

function listOwnAddresses(): string[] {
  return networkInterfaces().map(({ address }) => address);
}
