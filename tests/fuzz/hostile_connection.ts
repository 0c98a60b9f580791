/**
 * A connection that sends whatever bytes it is given, and watches how the server takes it.
 * @module
 */
import { CERTIFICATE_NAME } from "../../lib/net/identity.ts";
import { SIDE_ALPN } from "../../lib/protocol/limits.ts";

/** Where the server is. */
export interface FuzzTarget {
  readonly port: number;
  readonly certificatePem: string;
}

/** How long a server may take for anything before that is a fault of its own, in milliseconds. */
const PATIENCE_MS = 20_000;

/** Error codes that the protocol knows (its README, section 4), but the one that means a fault of the server. */
const KNOWN_CODES: ReadonlySet<string> = new Set([
  "invalid",
  "unsupported_version",
  "unauthenticated",
  "forbidden",
  "not_found",
  "conflict",
  "blocked",
  "mailbox_full",
  "too_large",
  "rate_limited",
  "timeout",
  "unavailable",
]);

/** One TLS connection, spoken to in bytes. */
export class HostileConnection {
  readonly #socket: Deno.TlsConn;
  readonly #decoder = new TextDecoder();
  #rest = "";
  #isClosed = false;
  #isDeaf = false;
  #held = false; // a write waits for the server to read
  readonly #waiting = new Set<() => void>();
  readonly #events = new Map<string, (params: Record<string, unknown>) => void>(); // events that are waited for
  #fault: Error | undefined; // set by a reply that no server of ours may give
  readonly #seen = new Set<string>(); // ids of barriers that were answered
  readonly #results = new Map<string, Record<string, unknown>>();
  /** Resolves when the server has hung up, or nothing more is read. */
  readonly closed: Promise<void>;

  private constructor(socket: Deno.TlsConn) {
    this.#socket = socket;
    this.closed = this.#read();
  }

  /** Connects; `isSide` takes the way of the direct chat's side connections. */
  static async open(target: FuzzTarget, isSide = false): Promise<HostileConnection> {
    return new HostileConnection(await openTls(target, isSide));
  }

  /** Signs in, and reads nothing of what comes then. */
  static async openDeaf(target: FuzzTarget, token: string): Promise<HostileConnection> {
    const connection = await HostileConnection.open(target);
    await connection.ask("hello", { protocol: 1, client: { name: "deaf", version: "0" } });
    await connection.ask("resume", { token });
    connection.#isDeaf = true; // after the read that waits now
    return connection;
  }

  /** Whether the server has hung up. */
  get isClosed(): boolean {
    return this.#isClosed;
  }

  /** Writes bytes; false when the server has hung up. */
  async write(bytes: Uint8Array): Promise<boolean> {
    try {
      for (let sent = 0; sent < bytes.length;) sent += await this.#socket.write(bytes.subarray(sent));
      return true;
    } catch {
      return false;
    }
  }

  /** Asks something and returns its result; throws when that is refused or the server hangs up. */
  async ask(method: string, params: unknown): Promise<Record<string, unknown>> {
    const id = `a${crypto.randomUUID()}`;
    await this.write(new TextEncoder().encode(JSON.stringify({ jsonrpc: "2.0", id, method, params }) + "\n"));
    await this.#until(() => this.#results.has(id), `the reply to ${method}`);
    const reply = this.#results.get(id);
    this.#results.delete(id);
    if (!reply?.result) throw new Error(`${method} was refused: ${JSON.stringify(reply)}`);
    return reply.result as Record<string, unknown>;
  }

  /**
   * Sends a request and waits for nothing but that its bytes leave.
   *
   * @param withinMs How long they may take; a server that reads no further holds them.
   * @returns Whether they left.
   */
  async tell(method: string, params: unknown, withinMs = PATIENCE_MS): Promise<boolean> {
    const id = `t${crypto.randomUUID()}`;
    const bytes = new TextEncoder().encode(JSON.stringify({ jsonrpc: "2.0", id, method, params }) + "\n");
    if (this.#held) return false;
    const writing = this.write(bytes);
    let timer: ReturnType<typeof setTimeout> | undefined;
    const late = new Promise<boolean>((resolve) => timer = setTimeout(() => resolve(false), withinMs));
    const hasLeft = await Promise.race([writing, late]);
    clearTimeout(timer);
    this.#held = !hasLeft;
    return hasLeft;
  }

  /** Waits for the next event of this kind; throws when the server hangs up first. */
  async event(method: string): Promise<Record<string, unknown>> {
    let params: Record<string, unknown> | undefined;
    this.#events.set(method, (content) => params = content);
    await this.#until(() => params !== undefined, `the event ${method}`);
    if (!params) throw new Error(`The server hung up before the event ${method}`);
    return params;
  }

  /** Waits until the server has taken what was written: it answers a ping, or hangs up. Throws when it does neither. */
  async settle(what: string): Promise<void> {
    const id = `b${crypto.randomUUID()}`;
    await this.write(new TextEncoder().encode(`{"jsonrpc":"2.0","id":"${id}","method":"ping"}\n`));
    await this.#until(() => this.#seen.has(id), what);
    this.#seen.delete(id);
  }

  /** Waits until the server hangs up. Throws when it does not. */
  async settleClosed(what: string): Promise<void> {
    await this.#until(() => false, what);
  }

  /** Cuts the connection. */
  close(): void {
    try {
      this.#socket.close();
    } catch {
      // Closed already.
    }
  }

  async #until(isDone: () => boolean, what: string): Promise<void> {
    let isLate = false;
    const timer = setTimeout(() => {
      isLate = true;
      this.#wake();
    }, PATIENCE_MS);
    while (!isDone() && !this.#isClosed && !isLate) {
      await new Promise<void>((resolve) => this.#waiting.add(resolve));
    }
    clearTimeout(timer);
    if (isLate) throw new Error(`The server did not take within ${PATIENCE_MS} ms: ${what}`);
    if (this.#fault) throw this.#fault;
  }

  async #read(): Promise<void> {
    const buffer = new Uint8Array(64 * 1024);
    try {
      for (
        let count = await this.#socket.read(buffer);
        count !== null;
        count = await this.#socket.read(buffer)
      ) {
        const lines = (this.#rest + this.#decoder.decode(buffer.subarray(0, count), { stream: true })).split(
          "\n",
        );
        this.#rest = lines.pop() ?? "";
        for (const line of lines) this.#take(line);
        this.#wake();
        if (this.#isDeaf) return;
      }
    } catch {
      // Reset: the server had read enough.
    }
    this.#isClosed = true;
    this.close();
    this.#wake();
  }

  #wake(): void {
    const waiting = [...this.#waiting];
    this.#waiting.clear();
    for (const wake of waiting) wake();
  }

  #take(line: string): void {
    const { id, method, error, ...rest } = JSON.parse(line);
    if (typeof method === "string") {
      this.#events.get(method)?.(rest.params);
      return void this.#events.delete(method);
    }
    const code = error?.data?.code;
    if (error && !KNOWN_CODES.has(code)) this.#fault ??= new Error(`The server is at fault: ${line}`);
    if (typeof id !== "string") return;
    if (id.startsWith("b")) this.#seen.add(id);
    else if (id.startsWith("a")) this.#results.set(id, { ...rest, error });
  }
}

/** Connects and finishes the handshake. */
export async function openTls(target: FuzzTarget, isSide: boolean): Promise<Deno.TlsConn> {
  const tcp = await Deno.connect({ hostname: "127.0.0.1", port: target.port });
  tcp.setNoDelay(true);
  const socket = await Deno.startTls(tcp, {
    hostname: CERTIFICATE_NAME,
    caCerts: [target.certificatePem],
    ...(isSide ? { alpnProtocols: [SIDE_ALPN] } : {}),
  });
  await socket.handshake();
  return socket;
}
