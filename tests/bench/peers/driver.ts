/**
 * The load that every chat server gets in the comparison: the same connections, messages in flight and text over TLS.
 *
 * A dialect knows one protocol; the driver knows none.
 * @module
 */
import { writeAll } from "../../../lib/net/byte_stream.ts";
import { sleep, within } from "../../../lib/waiting.ts";
import { connectTls, type Target } from "../load.ts";

/** One connection, signed in. */
export interface DialectConnection {
  /** Bytes of a message to somebody, which the server is to acknowledge. */
  message(to: string, text: string): Uint8Array;
  /** Reads what came. Tells of what the server acknowledged and of messages that arrived; answers go out by `write`. */
  take(bytes: Uint8Array, tell: { acknowledged(count: number): void; arrived(count: number): void }): void;
}

/** How to sign in to one kind of server. */
export interface Dialect {
  /**
   * Signs in.
   *
   * @param stream Connected with TLS; nothing was said on it yet.
   * @param isRecipient Whether messages are to come, those from before included; they are kept while nobody is connected.
   */
  signIn(stream: Wire, name: string, isRecipient: boolean): Promise<DialectConnection>;
}

/** A TLS connection. Writes of one turn of the event loop leave in one. */
export class Wire {
  readonly #socket: Deno.TlsConn;
  readonly #buffer = new Uint8Array(256 * 1024);
  #queued: Uint8Array[] = [];
  #isWriting = false;
  /** Whether this side has closed it. */
  isClosed = false;

  private constructor(socket: Deno.TlsConn) {
    this.#socket = socket;
  }

  static async open(target: Target): Promise<Wire> {
    return new Wire(await connectTls(target));
  }

  write(bytes: Uint8Array): void {
    this.#queued.push(bytes);
    if (!this.#isWriting) this.#flush().catch((error) => this.isClosed || Promise.reject(error));
  }

  /** The next bytes, which the next read overwrites. Throws when the server has closed the connection. */
  async read(): Promise<Uint8Array> {
    const size = await this.#socket.read(this.#buffer);
    if (size === null) throw new Error("The server closed the connection");
    return this.#buffer.subarray(0, size);
  }

  close(): void {
    this.isClosed = true;
    this.#socket.close();
  }

  async #flush(): Promise<void> {
    this.#isWriting = true;
    await Promise.resolve();
    while (this.#queued.length > 0) {
      const pieces = this.#queued.splice(0);
      const bytes = new Uint8Array(pieces.reduce((size, piece) => size + piece.length, 0));
      let at = 0;
      for (const piece of pieces) {
        bytes.set(piece, at);
        at += piece.length;
      }
      await writeAll(this.#socket, bytes);
    }
    this.#isWriting = false;
  }
}

/** What one server is measured at. */
export interface Load {
  readonly target: Target;
  readonly dialect: Dialect;
  /** Their accounts are there. As many recipients as senders. */
  readonly senders: readonly string[];
  readonly recipients: readonly string[];
  /** Messages that each sender has under way. */
  readonly depth: number;
  /** Whether the recipients are connected. */
  readonly isLive: boolean;
  /** Measured window in milliseconds, after a third of it to warm up. */
  readonly durationMs: number;
  readonly text: string;
}

/** What came of it, each a second. */
export interface Rates {
  readonly acknowledged: number;
  /** 0 where nobody is there to receive. */
  readonly arrived: number;
}

/** How long a server may take with what is still under way at the end, in milliseconds. */
const ENDS_WITHIN_MS = 60_000;

/** What a recipient has just confirmed is on its way for so long, in milliseconds. */
const SETTLES_MS = 100;

/**
 * Keeps `depth` messages of each sender under way, and counts what comes back. A message is under way until the server has
 * acknowledged it or, where the recipients are connected, until it has arrived: some servers acknowledge long before.
 */
export async function drive(load: Load): Promise<Rates> {
  const { target, dialect, isLive, depth, text } = load;
  const open = async (name: string, isRecipient: boolean) => {
    const wire = await Wire.open(target);
    return { wire, connection: await dialect.signIn(wire, name, isRecipient) };
  };
  const sending = await Promise.all(load.senders.map((name) => open(name, false)));
  const receiving = isLive ? await Promise.all(load.recipients.map((name) => open(name, true))) : [];
  const startsAt = performance.now() + load.durationMs / 3;
  const endsAt = startsAt + load.durationMs;
  const counted = { acknowledged: 0, arrived: 0 };
  const failed = Promise.withResolvers<never>();

  const lanes = sending.map(({ wire, connection }, index) => {
    const to = load.recipients[index]!;
    const ended = Promise.withResolvers<void>();
    let underWay = 0;
    const came = (what: keyof Rates, amount: number) => {
      const now = performance.now();
      if (now >= startsAt && now < endsAt) counted[what] += amount;
      if (isLive === (what === "arrived")) underWay -= amount;
      for (; underWay < depth && now < endsAt; underWay++) wire.write(connection.message(to, text));
      if (underWay === 0) ended.resolve();
    };
    return { came, ended: ended.promise };
  });
  const tellOf = (came: (what: keyof Rates, amount: number) => void) => ({
    acknowledged: (amount: number) => came("acknowledged", amount),
    arrived: (amount: number) => came("arrived", amount),
  });
  for (const ends of [sending, receiving]) {
    for (const [index, { wire, connection }] of ends.entries()) {
      const tell = tellOf(lanes[index]!.came);
      (async () => {
        for (;;) connection.take(await wire.read(), tell);
      })().catch((error) => wire.isClosed || failed.reject(error));
    }
  }
  for (const { came } of lanes) came("acknowledged", 0);
  try {
    const allEnded = Promise.all(lanes.map(({ ended }) => ended));
    const leftMs = endsAt + ENDS_WITHIN_MS - performance.now();
    if (await within(leftMs, Promise.race([allEnded, failed.promise])) === undefined) {
      throw new Error(`Messages did not come back within ${ENDS_WITHIN_MS / 1000} s`);
    }
    await sleep(SETTLES_MS);
  } finally {
    for (const { wire } of [...receiving, ...sending]) wire.close();
  }
  const perSecond = 1000 / load.durationMs;
  return { acknowledged: counted.acknowledged * perSecond, arrived: counted.arrived * perSecond };
}
