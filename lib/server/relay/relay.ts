// The relay: joins two connections of one direct chat and copies bytes, which it cannot read.
// Limits hold for each account, since the operator pays for the traffic.
import { countsInMemory, type RelayUse } from "../../chat/counts.ts";
import type { RelayHalf } from "../../chat/direct_chats.ts";
import type { Log } from "../../chat/services.ts";
import { ChatError } from "../../errors.ts";
import { type ByteStream, closeQuietly } from "../../net/byte_stream.ts";
import { Places } from "../../net/slots.ts";
import { joinStreams, watched } from "../../net/streams.ts";
import { DEFAULT_RELAY_LIMITS, type RelayLimits } from "./limits.ts";

export interface RelayTerms {
  readonly maxBytes: number; // both ways together
  readonly maxMs: number; // longest life
}

export interface RelayOptions {
  readonly log: Log;
  readonly limits?: RelayLimits; // DEFAULT_RELAY_LIMITS by default
  readonly use?: RelayUse; // in memory by default
  readonly waitMs?: number; // WAIT_MS by default
  readonly idleMs?: number; // IDLE_MS by default
}

const WAIT_MS = 15_000; // of one side for the other
/**
 * How long a relay may stand still: the two ping each other after 2.5 s of silence, and give a link up after 8 s. A side that a network
 * has dropped in silence holds one of its account's few places until then, while the chat asks for the next relay.
 */
const IDLE_MS = 20_000;

interface Side {
  readonly half: RelayHalf;
  readonly stream: ByteStream;
  readonly begin: (terms: RelayTerms) => Promise<void>; // says that all that follows is from the other side
}

interface WaitingSide extends Side {
  readonly leave: () => void; // ends the wait: the other side has come
  readonly finish: (error?: ChatError) => void; // ends its stay: its relay is over, nobody came, or it hung up
}

interface CopyOptions {
  readonly between: readonly string[]; // names, for the log
  readonly maxMs: number;
  readonly maxBytes?: number; // both ways together; no limit by default
  readonly begin?: () => Promise<void>; // before the first byte
  readonly onBytes?: (count: number) => void;
}

export class Relay implements Disposable {
  readonly #options: RelayOptions;
  readonly #limits: RelayLimits;
  readonly #waiting = new Map<string, WaitingSide>();
  readonly #places = new Places<number>(); // of accounts: sides under way, waiting or not
  readonly #use: RelayUse;
  #copiedBytes = 0;

  constructor(options: RelayOptions) {
    this.#options = options;
    this.#limits = options.limits ?? DEFAULT_RELAY_LIMITS;
    this.#use = options.use ?? countsInMemory().relayUse;
  }

  /** Bytes copied since this server started. */
  get copiedBytes(): number {
    return this.#copiedBytes;
  }

  /** Sides under way now, waiting ones included. */
  get count(): number {
    return this.#places.count;
  }

  /** Serves one side to the end of its relay, and closes its stream; `begin` sends what comes before the other's first byte. */
  async serve(half: RelayHalf, stream: ByteStream, begin: Side["begin"]): Promise<void> {
    const release = this.#takeSlot(half.accountId);
    try {
      await this.#leftToday(half.accountId);
      await this.#meet({ half, stream, begin });
    } finally {
      release();
    }
  }

  /**
   * Serves one side whose relay is at another server, to which `reach` makes a connection that has shown the side's ticket.
   * That server answers it, counts its bytes, and ends it.
   */
  async carry(half: RelayHalf, stream: ByteStream, reach: () => Promise<ByteStream>): Promise<void> {
    const release = this.#takeSlot(half.accountId);
    try {
      await this.#leftToday(half.accountId);
      const owner = await reach();
      await this.#copy([stream, owner], {
        between: [half.name, "another server"],
        maxMs: this.#limits.maxMs,
      });
    } finally {
      release();
    }
  }

  /** Ends the sides that are waiting; joined sides end when the caller closes their streams. */
  [Symbol.dispose](): void {
    for (const side of [...this.#waiting.values()]) side.finish();
  }

  #takeSlot(accountId: number): () => void {
    if (this.#places.heldBy(accountId) >= this.#limits.perAccount) {
      throw new ChatError("rate_limited", `Cannot relay more than ${this.#limits.perAccount} chats at once`);
    }
    if (this.#places.count >= this.#limits.total * 2) {
      throw new ChatError("unavailable", "Cannot relay: the server has reached its limit of relayed chats");
    }
    return this.#places.take(accountId);
  }

  /** Bytes that an account may still have relayed today; throws when there are none. */
  async #leftToday(accountId: number): Promise<number> {
    const { bytesPerDay } = this.#limits;
    if (bytesPerDay === 0) throw new ChatError("forbidden", "Cannot relay: the server's relay is off");
    const { bytes, until } = await this.#use.today(accountId);
    if (bytes < bytesPerDay) return bytesPerDay - bytes;
    const words = `Cannot relay more than ${Math.ceil(bytesPerDay / 1024 / 1024)} MiB a day`;
    throw new ChatError("rate_limited", words, { retryAfterMs: until - Date.now() });
  }

  /** Joins the side that waits, or waits for it; resolves when the relay is over. */
  async #meet(side: Side): Promise<void> {
    const { pair } = side.half;
    const other = this.#waiting.get(pair);
    if (other) {
      other.leave();
      return await this.#join(side, other).finally(() => other.finish());
    }
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const leave = () => {
      clearTimeout(timer);
      this.#waiting.delete(pair);
    };
    const finish = (error?: ChatError) => {
      leave();
      if (error) reject(error);
      else resolve();
    };
    const nobody = new ChatError("timeout", "Cannot relay: the other side did not connect in time");
    const timer = setTimeout(() => finish(nobody), this.#options.waitMs ?? WAIT_MS);
    // Whoever found another way hangs up, and its slot is free again.
    const stream = watched(side.stream, () => finish());
    this.#waiting.set(pair, { ...side, stream, leave, finish });
    await promise;
  }

  async #join(a: Side, b: WaitingSide): Promise<void> {
    const accountIds = [a.half.accountId, b.half.accountId];
    const left = await Promise.all(accountIds.map((id) => this.#leftToday(id)));
    const terms: RelayTerms = { maxBytes: Math.min(...left), maxMs: this.#limits.maxMs };
    await this.#copy([a.stream, b.stream], {
      between: [a.half.name, b.half.name],
      ...terms,
      begin: async () => {
        await b.begin(terms);
        await a.begin(terms);
      },
      onBytes: (count) => {
        for (const id of accountIds) this.#use.add(id, count);
      },
    });
  }

  /** Copies both ways until a side hangs up or a limit is reached, and closes both. Never rejects. */
  async #copy([a, b]: [ByteStream, ByteStream], options: CopyOptions): Promise<void> {
    const { log, idleMs = IDLE_MS } = this.#options;
    const { between, maxMs, maxBytes = Infinity } = options;
    const startedAt = performance.now();
    let [bytes, movedAt, end] = [0, startedAt, "a side hung up"];
    const cut = (reason: string) => {
      end = reason;
      closeQuietly(a);
      closeQuietly(b);
    };
    const onBytes = (count: number) => {
      bytes += count;
      this.#copiedBytes += count;
      movedAt = performance.now();
      options.onBytes?.(count);
      if (bytes > maxBytes) cut("the limit on bytes was reached");
    };
    const lifetime = setTimeout(() => cut("the limit on time was reached"), maxMs);
    const watch = setInterval(() => {
      if (performance.now() - movedAt > idleMs) cut("nothing was sent for too long");
    }, Math.ceil(idleMs / 4));
    try {
      await options.begin?.();
      log.info("relaying", { between });
      await joinStreams(a, b, onBytes);
    } catch {
      // One side is gone already: both are closed below, and the two look for another way.
    } finally {
      clearTimeout(lifetime);
      clearInterval(watch);
      cut(end);
      log.info("relayed", { between, bytes, ms: Math.round(performance.now() - startedAt), end });
    }
  }
}
