/**
 * The protocol spoken by hand: frames as they are, nothing hidden, nothing repaired. Only the server's pings are answered by
 * themselves, since a test on a busy machine may be silent for longer than the server lets anybody be.
 *
 * For tests that send what our own client never would. Follows `lib/protocol/README.md` and imports none of `lib/`.
 * @module
 */
import { connect, type TLSSocket } from "node:tls";

/** How long a reply or an event may take before the test fails, in milliseconds. */
const WAIT_DEADLINE_MS = 60_000;

/** A frame as it came, parsed as JSON. */
export type Frame = Record<string, unknown>;

/** What a request was answered with. */
export interface Reply {
  readonly result?: Record<string, unknown>;
  readonly error?: {
    readonly code: number;
    readonly message: string;
    readonly data: { readonly code: string };
  };
}

/** One TLS connection to a server, whose key is not checked. Cut when its scope ends. */
export class Wire implements AsyncDisposable {
  /** Settles once the connection is gone, for whatever reason. */
  readonly closed: Promise<void>;
  /** The server's answer to `hello`; empty before. */
  greeting: Record<string, unknown> = {};
  readonly #socket: TLSSocket;
  readonly #frames: Frame[] = []; // arrived, and not asked for yet
  readonly #waiters = new Set<() => void>();
  #rest = "";
  #nextId = 1;
  #isClosed = false;

  private constructor(socket: TLSSocket) {
    this.#socket = socket;
    this.closed = new Promise((resolve) => {
      socket.on("close", () => {
        this.#isClosed = true;
        this.#tellWaiters();
        resolve();
      });
    });
    const decoder = new TextDecoder();
    socket.on("data", (bytes: Uint8Array) => {
      const lines = (this.#rest + decoder.decode(bytes, { stream: true })).split("\n");
      this.#rest = lines.pop() ?? "";
      for (const line of lines) this.#take(JSON.parse(line));
      this.#tellWaiters();
    });
    socket.on("error", () => {}); // "close" follows
  }

  /** Opens a connection and finishes the TLS handshake, no more. */
  static connect(port: number, hostname = "127.0.0.1", localAddress?: string): Promise<Wire> {
    return new Promise((resolve, reject) => {
      const socket = connect({
        host: hostname,
        port,
        ...(localAddress === undefined ? {} : { localAddress }),
        servername: "mini-chat.internal",
        rejectUnauthorized: false,
      });
      socket.once("error", reject);
      socket.once("secureConnect", () => {
        socket.off("error", reject);
        resolve(new Wire(socket));
      });
    });
  }

  /** Opens a connection and says hello. */
  static async greet(port: number, hostname?: string, localAddress?: string): Promise<Wire> {
    const wire = await Wire.connect(port, hostname, localAddress);
    wire.greeting = await wire.ask("hello", { protocol: 1, client: { name: "wire", version: "0" } });
    return wire;
  }

  /** Writes text or bytes exactly as they are; ends the line only if they do. */
  send(data: string | Uint8Array): void {
    this.#socket.write(data);
  }

  /** Sends a request and waits for its reply, whichever it is. */
  async request(method: string, params: unknown): Promise<Reply> {
    const id = this.#nextId++;
    this.send(JSON.stringify({ jsonrpc: "2.0", id, method, params }) + "\n");
    return await this.next(
      (frame) => frame.id === id && !("method" in frame),
      `a reply to ${method}`,
    ) as Reply;
  }

  /** Sends a request that has to succeed, and returns its result. */
  async ask(method: string, params: unknown): Promise<Record<string, unknown>> {
    const { result, error } = await this.request(method, params);
    if (!result) throw new Error(`${method} was refused: ${JSON.stringify(error)}`);
    return result;
  }

  /** Sends a request that has to be refused, and returns the stable code. */
  async refused(method: string, params: unknown): Promise<string> {
    const { error, result } = await this.request(method, params);
    if (!error) throw new Error(`${method} was not refused: ${JSON.stringify(result)}`);
    return error.data.code;
  }

  /** Waits for an event of this kind, and returns its params; other frames stay for others. */
  async event(method: string): Promise<Record<string, unknown>> {
    const frame = await this.next((frame) => frame.method === method, `the event ${method}`);
    return frame.params as Record<string, unknown>;
  }

  /**
   * Takes the first frame that fits, waiting for it if need be.
   *
   * @param fits Which frame is wanted.
   * @param what Its name in the failure's message.
   * @throws {Error} the connection closed, or the deadline passed, before it came.
   */
  next(fits: (frame: Frame) => boolean = () => true, what = "a frame"): Promise<Frame> {
    return new Promise((resolve, reject) => {
      const settle = (action: () => void) => {
        clearTimeout(timer);
        this.#waiters.delete(look);
        action();
      };
      const look = () => {
        const index = this.#frames.findIndex(fits);
        const [frame] = index < 0 ? [] : this.#frames.splice(index, 1);
        if (frame) settle(() => resolve(frame));
        else if (this.#isClosed) settle(() => reject(new Error(`The connection closed before ${what} came`)));
      };
      const timer = setTimeout(
        () => settle(() => reject(new Error(`No sign of ${what} in ${WAIT_DEADLINE_MS} ms`))),
        WAIT_DEADLINE_MS,
      );
      this.#waiters.add(look);
      look();
    });
  }

  /** Cuts the connection without a goodbye. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#socket.destroy();
    await this.closed;
  }

  #take(frame: Frame): void {
    if (frame.method === "ping") {
      this.send(JSON.stringify({ jsonrpc: "2.0", id: frame.id, result: {} }) + "\n");
    } else this.#frames.push(frame);
  }

  #tellWaiters(): void {
    for (const waiter of [...this.#waiters]) waiter();
  }
}
