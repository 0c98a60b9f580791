/**
 * JSON-RPC 2.0 over one connection, the same from both ends.
 *
 * Used by the server's sessions, by the client's link and by the direct chat. Knows envelopes, matching replies to
 * requests, the heartbeat, and which faults end a connection; nothing of what a method means.
 * @module
 */
import { ChatError, ConnectionError, messageOf, ProtocolError, quote } from "../errors.ts";
import { within } from "../waiting.ts";
import { DEAD_AFTER_MS, MAX_PENDING_REQUESTS, PING_AFTER_MS } from "../protocol/limits.ts";
import {
  encodeFailure,
  encodeNotification,
  encodeRequest,
  encodeSuccess,
  fromRpcError,
  makeReference,
  parseEnvelope,
  RPC_CODES,
  RPC_METHOD_NOT_FOUND,
  type RpcId,
  type RpcParams,
  toRpcError,
} from "../protocol/rpc.ts";
import type { CloseReason, Connection } from "./connection.ts";
import { Heartbeat } from "./heartbeat.ts";
import { PendingReplies } from "./pending_replies.ts";

/** What the owner of an {@linkcode RpcConnection} does with what arrives, and its limits. */
export interface RpcOptions {
  /**
   * Answers a request. Calls come in the order of arrival; many may be under way at once.
   * @param method Name of the method; never `ping`, which is answered before it gets here.
   * @param params What came with it, unchecked; undefined when nothing did.
   * @param rpc The connection it came through.
   * @returns The result, or a promise of it. A `ChatError`, or a `ProtocolError` with -32601 or -32602, is the reply
   *   and the connection goes on; another `ProtocolError` is the reply and ends it; anything else is `internal`
   *   outside and goes to `onFault`.
   */
  onRequest?(method: string, params: unknown, rpc: RpcConnection): unknown;
  /** Takes a notification, in the order of arrival. What it throws goes to `onFault`; the connection goes on. */
  onNotification?(method: string, params: unknown, rpc: RpcConnection): void;
  /** Told of every fault of ours, for the log; `reference` is what the peer was told. */
  onFault?(error: unknown, fault: { readonly method: string; readonly reference: string }): void;
  /** Requests of the peer under way at once; reading pauses there. `MAX_PENDING_REQUESTS` by default. */
  readonly maxPendingRequests?: number;
  /** Silence after which a `ping` is sent, in milliseconds; 15 s by default. */
  readonly quietMs?: number;
  /** Silence after which the connection is dead, in milliseconds; 45 s by default. */
  readonly deadMs?: number;
  /** How long {@linkcode RpcConnection.request} waits when its caller names no time, in milliseconds; 30 s. */
  readonly requestTimeoutMs?: number;
}

/** Settings of one request. */
export interface RequestOptions {
  /** How long to wait for the reply, in milliseconds; the connection's `requestTimeoutMs` by default. */
  readonly timeoutMs?: number;
  /** Stops waiting; the other end is not told. */
  readonly signal?: AbortSignal;
}

const REQUEST_TIMEOUT_MS = 30_000;
/** How long requests under way may take after the peer hung up. */
const FINISH_TIMEOUT_MS = 2_000;

/** A connection that asks, answers and tells. Owns the connection, and reads it from the next turn on. */
export class RpcConnection implements AsyncDisposable {
  /** The socket underneath: its id, its peer's address, what waits to be sent. */
  readonly connection: Connection;
  /** Resolves once the socket is closed. Never rejects. */
  readonly closed: Promise<CloseReason>;

  readonly #options: RpcOptions;
  readonly #maxPending: number;
  readonly #replies: PendingReplies;
  readonly #heartbeat: Heartbeat;
  #lastRequestId = 0;
  #pendingCount = 0; // requests of the peer that were given to the handler and are not answered
  #isPaused = false; // nobody reads, since too much is under way
  #wakeReader: (() => void) | undefined; // set while the reader waits for requests to finish

  /** Takes over a connection. */
  constructor(connection: Connection, options: RpcOptions = {}) {
    this.connection = connection;
    this.closed = connection.closed;
    this.#options = options;
    this.#maxPending = options.maxPendingRequests ?? MAX_PENDING_REQUESTS;
    this.#replies = new PendingReplies(options.requestTimeoutMs ?? REQUEST_TIMEOUT_MS);
    this.#heartbeat = new Heartbeat({
      quietMs: options.quietMs ?? PING_AFTER_MS,
      deadMs: options.deadMs ?? DEAD_AFTER_MS,
      heardAt: () => connection.heardAt,
      isDeaf: () => this.#isPaused,
      onQuiet: () => this.#ping(),
      onDead: (silenceMs) =>
        this.abort({ kind: "silent", message: `nothing was heard for ${Math.round(silenceMs / 1000)} s` }),
    });
    this.closed.then((reason) => this.#stop(reason));
    queueMicrotask(() => this.#read());
  }

  /** Names the connection in the log. */
  get id(): string {
    return this.connection.id;
  }

  /** Why the connection is ending or has ended; unset while it is open. */
  get closeReason(): CloseReason | undefined {
    return this.connection.closeReason;
  }

  /**
   * Asks the other end.
   * @returns The result, unchecked.
   * @throws {ChatError} What the other end refused with; `timeout` – no reply in time.
   * @throws {ConnectionError} When the connection is or gets lost: the request may or may not have been carried out.
   * @throws {RangeError} When the request is longer than a frame may be.
   */
  request(method: string, params?: unknown, options: RequestOptions = {}): Promise<unknown> {
    if (this.closeReason) return Promise.reject(this.#lost(this.closeReason));
    const id = ++this.#lastRequestId;
    let frame: string;
    try {
      options.signal?.throwIfAborted();
      frame = encodeRequest(id, method, params);
    } catch (error) {
      return Promise.reject(error);
    }
    this.send(frame);
    return this.#replies.wait(id, options);
  }

  /**
   * Tells the other end something that needs no reply.
   * @returns False when the connection is ending and nothing is sent.
   * @throws {RangeError} When the event is longer than a frame may be.
   */
  notify(method: string, params?: unknown): boolean {
    return this.send(encodeNotification(method, params));
  }

  /** Sends a frame made before, such as one notification for many; false when the connection is ending. */
  send(frame: string | Uint8Array): boolean {
    return this.connection.send(frame);
  }

  /** Parts in good order: see {@linkcode Connection.close}. Requests that wait for a reply are rejected. */
  close(reason?: CloseReason | string): Promise<CloseReason> {
    const closed = this.connection.close(reason);
    this.#stop(this.closeReason!);
    return closed;
  }

  /** Closes at once: see {@linkcode Connection.abort}. Requests that wait for a reply are rejected. */
  abort(reason?: CloseReason | string): void {
    this.connection.abort(reason);
    this.#stop(this.closeReason!);
  }

  /** The same as {@linkcode close}. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #read(): Promise<void> {
    for (
      let lines = await this.connection.readLines();
      lines !== null;
      lines = await this.connection.readLines()
    ) {
      for (const line of lines) {
        this.#take(line);
        if (this.closeReason) break;
        if (this.#pendingCount >= this.#maxPending || this.connection.isBacklogged) await this.#pause();
      }
    }
    const reason = this.closeReason!;
    if (reason.error instanceof ProtocolError) this.#fail(null, reason.error);
    this.#stop(reason);
    // A peer that only ended its own half still gets the replies to what it asked: `printf … | openssl s_client`.
    if (reason.kind === "ended" && this.#pendingCount > 0) {
      await within(FINISH_TIMEOUT_MS, this.#fewerThan(1));
    }
    await this.connection.close(reason);
  }

  /** Waits until the peer may be read again: requests answered, and their replies taken by the peer. */
  async #pause(): Promise<void> {
    this.#isPaused = true;
    await this.#fewerThan(this.#maxPending, () => this.closeReason !== undefined);
    await this.connection.drained();
    this.#isPaused = false;
  }

  async #fewerThan(count: number, isOver?: () => boolean): Promise<void> {
    while (this.#pendingCount >= count && !isOver?.()) {
      await new Promise<void>((resolve) => this.#wakeReader = resolve);
    }
  }

  #take(line: string): void {
    let envelope;
    try {
      envelope = parseEnvelope(line);
    } catch (error) {
      return this.#endWith(null, error);
    }
    switch (envelope.kind) {
      case "request":
        return this.#serve(envelope.id, envelope.method, envelope.params);
      case "notification":
        return this.#tell(envelope.method, envelope.params);
      case "success":
        return this.#replies.resolve(envelope.id, envelope.result);
      case "failure":
        return this.#replies.reject(envelope.id, fromRpcError(envelope.error));
    }
  }

  #serve(id: RpcId, method: string, params: RpcParams): void {
    if (method === "ping") return this.#pong(id, params);
    let result: unknown;
    try {
      if (!this.#options.onRequest) {
        throw new ProtocolError(RPC_METHOD_NOT_FOUND, "Cannot answer any request");
      }
      result = this.#options.onRequest(method, params, this);
    } catch (error) {
      return this.#refuse(id, method, error);
    }
    // What is ready joins the write of this batch; nothing is gained by making it wait a turn.
    if (!isThenable(result)) return this.#reply(id, method, result);
    this.#pendingCount += 1;
    result.then((value) => {
      this.#pendingCount -= 1;
      this.#reply(id, method, value);
      this.#wakeReader?.();
    }, (error) => {
      this.#pendingCount -= 1;
      this.#refuse(id, method, error);
      this.#wakeReader?.();
    });
  }

  #pong(id: RpcId, params: RpcParams): void {
    const [unknown] = Object.keys(params ?? {});
    if (unknown === undefined) return this.#reply(id, "ping", {});
    const error = new ChatError(
      "invalid",
      `Cannot take ping: it has no parameters, received ${quote(unknown)}`,
    );
    this.#fail(id, error);
  }

  #tell(method: string, params: unknown): void {
    try {
      this.#options.onNotification?.(method, params, this);
    } catch (error) {
      this.#options.onFault?.(error, { method, reference: makeReference() });
    }
  }

  #reply(id: RpcId, method: string, result: unknown): void {
    let frame: string;
    try {
      frame = encodeSuccess(id, result);
    } catch (error) {
      return this.#refuse(id, method, error);
    }
    this.send(frame);
  }

  #refuse(id: RpcId, method: string, error: unknown): void {
    if (error instanceof ProtocolError) {
      const isForThisRequest = error.rpcCode === RPC_METHOD_NOT_FOUND || error.rpcCode === RPC_CODES.invalid;
      return isForThisRequest ? this.#fail(id, error) : this.#endWith(id, error);
    }
    if (error instanceof ChatError) return this.#fail(id, error);
    const reference = makeReference();
    this.#fail(id, error, reference);
    this.#options.onFault?.(error, { method, reference });
  }

  #fail(id: RpcId | null, error: unknown, reference?: string): void {
    this.send(encodeFailure(id, toRpcError(error, reference)));
  }

  #endWith(id: RpcId | null, error: unknown): void {
    this.#fail(id, error);
    this.close({ kind: "protocol", message: messageOf(error), error });
  }

  #ping(): void {
    // The answer itself is not needed: whatever arrives counts as heard.
    this.request("ping", undefined, { timeoutMs: this.#options.deadMs ?? DEAD_AFTER_MS }).catch(() => {});
  }

  #stop(reason: CloseReason): void {
    this.#heartbeat[Symbol.dispose]();
    this.#replies.rejectAll(this.#lost(reason));
    this.#wakeReader?.();
  }

  #lost(reason: CloseReason): ConnectionError {
    return new ConnectionError(`Connection is closed: ${reason.message}`, { cause: reason.error });
  }
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof value === "object" && value !== null &&
    typeof (value as { then?: unknown }).then === "function";
}
