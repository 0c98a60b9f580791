// Reads lines from one socket, and writes frames to it.
// Knows bytes, backpressure and why a connection ended; nothing of JSON-RPC. Reading happens only when it is asked
// for, so a reader that stops asking slows its peer down. Writing goes through a bounded queue: everything queued
// in one turn of the event loop leaves in one write. A peer that stops reading is cut, so that it costs others nothing.
import { normalizeAddress } from "../addresses.ts";
import { giveWay } from "../waiting.ts";
import { type ByteStream, closeQuietly, describeLoss } from "./byte_stream.ts";
import { FrameDecoder } from "../protocol/frame.ts";
import { SendQueue } from "./send_queue.ts";

/**
 * Why a connection ended.
 * `closed`: this side said so. `ended`: the peer hung up between frames. `cut`: it hung up in the middle of one.
 * `lost`: the network or the peer's machine broke it. `silent`: nothing was heard for too long. `slow_consumer`: the
 * peer stopped reading. `protocol`: the peer sent what is not the protocol.
 */
export type CloseKind = "closed" | "ended" | "cut" | "lost" | "silent" | "slow_consumer" | "protocol";

export interface CloseReason {
  readonly kind: CloseKind;
  readonly message: string; // one clause without a final period, fit for a log line
  readonly error?: unknown; // what was thrown underneath, where something was
}

export interface ConnectionOptions {
  readonly maxFrameBytes?: number; // `MAX_FRAME_BYTES` by default
  readonly backlogBytes?: number; // bytes that wait when the peer counts as backlogged; 256 KiB by default
  readonly maxQueuedBytes?: number; // bytes that wait when the peer is cut as a slow consumer; 4 MiB by default
  readonly stallTimeoutMs?: number; // how long the peer may take nothing; 30 s by default
  readonly closeTimeoutMs?: number; // how long close() may take to flush and part; 2 s by default
  readonly remoteAddr?: Deno.NetAddr; // what the socket says by default
}

const BACKLOG_BYTES = 256 * 1024;
const MAX_QUEUED_BYTES = 4 * 1024 * 1024;
const STALL_TIMEOUT_MS = 30_000;
const CLOSE_TIMEOUT_MS = 2_000;
/** A read that waits holds this much; most requests fit, and thousands of idle connections stay cheap. */
const IDLE_READ_BYTES = 1024;
/** A read that follows a full one gets this much, so that 50 pipelined frames cost one wake-up. */
const BUSY_READ_BYTES = 64 * 1024;
const MAX_SPARE_BUFFERS = 16;
/**
 * A peer that goes on sending is read so far before all others have their turn: some 2 ms of work. Deno 2.8 gives what has come
 * at once, a hundred reads in a row, so that twenty such peers held up everybody for a second.
 */
const TURN_BYTES = 16 * 1024;
const REST_MS = 1; // a read that waited for so long has let others have their turn

const spareBuffers: Uint8Array<ArrayBuffer>[] = [];
let lastConnectionNumber = 0;

/** A socket that carries frames. Owns the socket: nobody else may read, write or close it. */
export class Connection implements AsyncDisposable {
  readonly id: string = `c${++lastConnectionNumber}`; // for the log; counted within this process
  readonly remoteAddress: string; // as normalizeAddress() writes it; empty when the stream is not a socket
  readonly localAddress: string;
  readonly remotePort: number; // 0 when the stream is not a socket
  /** Resolves once the socket is closed, with the first reason given. Never rejects. */
  readonly closed: Promise<CloseReason>;
  /**
   * Resolves once the system has the socket back, which is later than {@linkcode closed} where a write still waits for
   * the peer: Deno 2.8 does not cancel that write (denoland/deno#36369), so a peer that neither reads nor goes away
   * holds the socket. Whoever counts sockets counts until here.
   */
  readonly released: Promise<void>;
  /** Resolves once {@linkcode keep} was called. */
  readonly kept: Promise<void>;

  readonly #stream: ByteStream;
  readonly #decoder: FrameDecoder;
  readonly #queue: SendQueue;
  readonly #closeTimeoutMs: number;
  readonly #resolveClosed: (reason: CloseReason) => void;
  readonly #resolveKept: () => void;
  #buffer: Uint8Array<ArrayBuffer> = new Uint8Array(IDLE_READ_BYTES);
  #reading: Promise<number | null> | undefined; // set while a read waits on the socket
  #heardAt = performance.now();
  #turnBytes = 0; // read since this connection last let others have their turn
  #reason: CloseReason | undefined; // the first one given; from then on nothing more is read
  #isPeerDone = false; // the peer ended its half, or the socket broke
  #isClosing = false; // nothing more is sent
  #isSocketClosed = false;

  constructor(stream: ByteStream, options: ConnectionOptions = {}) {
    const address = options.remoteAddr ?? stream.remoteAddr;
    this.remoteAddress = hostOf(address);
    this.localAddress = hostOf(stream.localAddr);
    this.remotePort = address && "port" in address ? address.port : 0;
    this.#stream = stream;
    this.#decoder = new FrameDecoder(options.maxFrameBytes);
    this.#closeTimeoutMs = options.closeTimeoutMs ?? CLOSE_TIMEOUT_MS;
    const { promise, resolve } = Promise.withResolvers<CloseReason>();
    this.closed = promise;
    this.released = promise.then(async () => {
      await this.#queue.settled();
      await this.#reading?.catch(() => null);
    });
    this.#resolveClosed = resolve;
    ({ promise: this.kept, resolve: this.#resolveKept } = Promise.withResolvers<void>());
    this.#queue = new SendQueue((bytes) => stream.write(bytes), {
      backlogBytes: options.backlogBytes ?? BACKLOG_BYTES,
      maxBytes: options.maxQueuedBytes ?? MAX_QUEUED_BYTES,
      stallTimeoutMs: options.stallTimeoutMs ?? STALL_TIMEOUT_MS,
      onSlow: (message) => this.abort({ kind: "slow_consumer", message }),
      onError: (error) => this.#lose(error),
    });
  }

  /** Why this connection is ending or has ended; unset while it is open. */
  get closeReason(): CloseReason | undefined {
    return this.#reason;
  }

  /** When bytes last arrived, on the clock of `performance.now()`; at first, when the connection was made. */
  get heardAt(): number {
    return this.#heardAt;
  }

  /** Bytes waiting to be written, about: a queued string counts its UTF-16 units. */
  get queuedBytes(): number {
    return this.#queue.bytes;
  }

  /** True once nothing more is sent: this side is closing, or the socket is closed. */
  get isClosing(): boolean {
    return this.#isClosing;
  }

  /** Whether the peer reads more slowly than it is written to: stop producing, and wait for {@linkcode drained}. */
  get isBacklogged(): boolean {
    return this.#queue.isBacklogged;
  }

  /** Resolves once the queue is at most half of the backlog mark, or the connection is closed. */
  drained(): Promise<void> {
    return this.#queue.drained();
  }

  /**
   * Queues frames for the peer. They leave in the order of the calls, at the end of this turn of the event loop.
   * @param frame One or more whole frames with their line ends; bytes must not be changed afterwards.
   * @returns False when the connection is ending, and the frame will not be sent.
   */
  send(frame: string | Uint8Array): boolean {
    return !this.#isClosing && this.#queue.push(frame);
  }

  /**
   * Waits for the next complete lines. One caller at a time.
   * @returns All lines that one read brought, at least one, in order; null once no more will come. Lines that arrived
   *   before a fault or the end are still given. After null, {@linkcode closeReason} says why. The outgoing half may
   *   still be open then, for a last word: it is for the caller to {@linkcode close}.
   */
  async readLines(): Promise<readonly string[] | null> {
    for (;;) {
      if (this.#turnBytes >= TURN_BYTES) {
        this.#turnBytes = 0;
        await giveWay();
      }
      if (this.#reason) return null;
      const fault = this.#decoder.fault;
      if (fault) {
        this.#reason = { kind: "protocol", message: fault.message, error: fault };
        return null;
      }
      let count: number | null;
      const askedAt = performance.now();
      try {
        this.#reading = this.#stream.read(this.#buffer);
        count = await this.#reading;
      } catch (error) {
        this.#lose(error);
        return null;
      } finally {
        this.#reading = undefined;
      }
      if (this.#reason) return null;
      if (count === null) {
        this.#isPeerDone = true;
        this.#reason = this.#decoder.isMidFrame
          ? { kind: "cut", message: "the other end hung up in the middle of a frame" }
          : { kind: "ended", message: "the other end hung up" };
        return null;
      }
      this.#heardAt = performance.now();
      this.#turnBytes = this.#heardAt - askedAt < REST_MS ? this.#turnBytes + count : count;
      const lines = this.#decoder.push(this.#buffer.subarray(0, count));
      this.#resizeBuffer(count);
      if (lines.length > 0) return lines;
    }
  }

  /**
   * Parts in good order within `closeTimeoutMs`: what is queued is still written, then both halves end.
   * @param reason A plain string is of kind `closed`. The first reason given, or the peer's own end, stands.
   */
  close(reason: CloseReason | string = "closed by this side"): Promise<CloseReason> {
    if (!this.#isClosing) {
      this.#isClosing = true;
      this.#reason ??= toReason(reason);
      this.#queue.end();
      this.#part();
    }
    return this.closed;
  }

  /** Says that the peer is somebody, so that its place is not given to others: see `ListenerOptions.spareConnections`. */
  keep(): void {
    this.#resolveKept();
  }

  /** Closes the socket at once; what is queued is dropped. The first reason given stands. */
  abort(reason: CloseReason | string = "closed by this side"): void {
    this.#reason ??= toReason(reason);
    this.#isClosing = true;
    if (this.#isSocketClosed) return;
    this.#isSocketClosed = true;
    this.#queue.drop();
    closeQuietly(this.#stream);
    this.#releaseBuffer();
    this.#resolveClosed(this.#reason);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  /** Flush, end our half, wait for the peer to end its own, close; all within the time limit. */
  async #part(): Promise<void> {
    const timer = setTimeout(() => this.abort(), this.#closeTimeoutMs);
    try {
      await this.#queue.flushed();
      if (!this.#isSocketClosed) await this.#stream.closeWrite();
      // Closing a socket with unread bytes makes the kernel send RST, which can destroy our last frame on its way
      // (RFC 1122 §4.2.2.13): so what the peer still sends is read and thrown away until it has seen the end.
      while (!this.#isPeerDone && !this.#isSocketClosed) {
        this.#reading ??= this.#stream.read(this.#buffer);
        const count = await this.#reading;
        this.#reading = undefined;
        if (count === null) this.#isPeerDone = true;
      }
    } catch {
      // The peer was faster, or the network broke: there is nothing left to part from.
    } finally {
      clearTimeout(timer);
      this.abort();
    }
  }

  #lose(error: unknown): void {
    this.#isPeerDone = true;
    this.abort({ kind: "lost", message: describeLoss(error), error });
  }

  /** Large while the peer is busy, small while it is idle: an idle connection must cost little. */
  #resizeBuffer(count: number): void {
    if (this.#buffer.length === IDLE_READ_BYTES) {
      if (count === IDLE_READ_BYTES) this.#buffer = spareBuffers.pop() ?? new Uint8Array(BUSY_READ_BYTES);
    } else if (count <= IDLE_READ_BYTES) {
      this.#releaseBuffer();
      this.#buffer = new Uint8Array(IDLE_READ_BYTES);
    }
  }

  #releaseBuffer(): void {
    if (
      this.#buffer.length === BUSY_READ_BYTES && !this.#reading && spareBuffers.length < MAX_SPARE_BUFFERS
    ) {
      spareBuffers.push(this.#buffer);
    }
  }
}

function toReason(reason: CloseReason | string): CloseReason {
  return typeof reason === "string" ? { kind: "closed", message: reason } : reason;
}

function hostOf(address: Deno.Addr | undefined): string {
  return address && "hostname" in address ? normalizeAddress(address.hostname) : "";
}
