// The bounded queue between those who send and a socket that takes bytes in its own time.
// Everything queued in one turn of the event loop, and everything queued while a write is under way, leaves in one
// write of up to 64 KiB: that, not the number of frames, is what a socket costs.
export interface SendQueueOptions {
  readonly backlogBytes: number; // above it the queue counts as backlogged
  readonly maxBytes: number; // more is too much
  readonly stallTimeoutMs: number; // how long a write may wait without one byte taken
  readonly onSlow: (message: string) => void; // called once when the peer reads too slowly; the text says how slowly
  readonly onError: (error: unknown) => void;
}

const MAX_WRITE_BYTES = 64 * 1024;

const encoder = new TextEncoder();

export class SendQueue {
  readonly #write: (bytes: Uint8Array) => Promise<number>;
  readonly #options: SendQueueOptions;
  #queue: (string | Uint8Array)[] = [];
  #bytes = 0;
  #isWriting = false;
  #isOpen = true; // false: nothing more is taken; what is queued may still leave
  #progressAt = 0; // when the socket last took bytes
  #stallTimer: ReturnType<typeof setTimeout> | undefined; // runs at most one at a time, and only after a write
  #drained: PromiseWithResolvers<void> | undefined; // set while somebody waits for it
  #flushed: PromiseWithResolvers<void> | undefined;
  #running: Promise<void> | undefined; // the latest run, which may outlast the queue where a write is stuck

  constructor(write: (bytes: Uint8Array) => Promise<number>, options: SendQueueOptions) {
    this.#write = write;
    this.#options = options;
  }

  /** Bytes queued or being written, about: a string counts its UTF-16 units, which is what it holds in memory. */
  get bytes(): number {
    return this.#bytes;
  }

  get isBacklogged(): boolean {
    return this.#bytes > this.#options.backlogBytes;
  }

  /** Queues frames; false when the queue has ended, or ends here because it holds too much. */
  push(frame: string | Uint8Array): boolean {
    if (!this.#isOpen) return false;
    this.#queue.push(frame);
    this.#bytes += frame.length;
    if (this.#bytes > this.#options.maxBytes) {
      this.#options.onSlow(`the other end reads too slowly: ${this.#bytes} bytes wait for it`);
      return false;
    }
    if (!this.#isWriting) {
      this.#isWriting = true;
      queueMicrotask(() => this.#running = this.#run());
    }
    return true;
  }

  /** Resolves once at most half of the backlog mark waits, or the queue is dropped. */
  drained(): Promise<void> {
    if (!this.#isOpen || this.#bytes <= this.#options.backlogBytes / 2) return Promise.resolve();
    return (this.#drained ??= Promise.withResolvers()).promise;
  }

  /** Resolves once everything is written, or the queue is dropped. */
  flushed(): Promise<void> {
    if (!this.#isWriting) return Promise.resolve();
    return (this.#flushed ??= Promise.withResolvers()).promise;
  }

  /** Resolves once no write is under way, even after {@linkcode drop}. */
  async settled(): Promise<void> {
    await this.#running;
  }

  /** Takes nothing more; what is queued still leaves. */
  end(): void {
    this.#isOpen = false;
  }

  /** Forgets what is queued, and lets everyone go who waits. */
  drop(): void {
    this.#isOpen = false;
    this.#queue = [];
    this.#bytes = 0;
    clearTimeout(this.#stallTimer);
    this.#stallTimer = undefined;
    this.#release();
  }

  async #run(): Promise<void> {
    try {
      while (this.#queue.length > 0) {
        const [chunk, weight] = this.#takeChunk();
        this.#watch();
        for (let sent = 0; sent < chunk.length;) {
          sent += await this.#write(sent === 0 ? chunk : chunk.subarray(sent));
          this.#progressAt = performance.now();
        }
        this.#bytes = Math.max(0, this.#bytes - weight);
        if (this.#bytes <= this.#options.backlogBytes / 2) this.#wakeDrained();
      }
      this.#isWriting = false;
      this.#release();
    } catch (error) {
      this.#isWriting = false;
      this.drop();
      this.#options.onError(error);
    }
  }

  /** The next bytes to write, and what they counted in the queue. */
  #takeChunk(): [chunk: Uint8Array, weight: number] {
    const first = this.#queue[0]!;
    if (typeof first !== "string") {
      this.#queue.shift();
      return [first, first.length];
    }
    let count = 0;
    let weight = 0;
    for (const frame of this.#queue) {
      if (typeof frame !== "string" || (count > 0 && weight + frame.length > MAX_WRITE_BYTES)) break;
      weight += frame.length;
      count += 1;
    }
    const taken = count === this.#queue.length ? this.#queue : this.#queue.splice(0, count);
    if (taken === this.#queue) this.#queue = [];
    return [encoder.encode(count === 1 ? first : taken.join("")), weight];
  }

  /** One timer for any number of writes: it looks back when it fires, so that a busy queue does not pay for it. */
  #watch(): void {
    this.#progressAt = performance.now();
    this.#stallTimer ??= setTimeout(() => this.#check(), this.#options.stallTimeoutMs);
  }

  #check(): void {
    this.#stallTimer = undefined;
    if (!this.#isWriting) return;
    const stalledMs = performance.now() - this.#progressAt;
    if (stalledMs < this.#options.stallTimeoutMs) {
      this.#stallTimer = setTimeout(() => this.#check(), this.#options.stallTimeoutMs - stalledMs);
    } else {
      this.#options.onSlow(`the other end has read nothing for ${Math.round(stalledMs / 1000)} s`);
    }
  }

  #wakeDrained(): void {
    this.#drained?.resolve();
    this.#drained = undefined;
  }

  #release(): void {
    this.#flushed?.resolve();
    this.#flushed = undefined;
    this.#wakeDrained();
  }
}
