/**
 * One side of a relay, in bytes.
 * @module
 */
import { type FuzzTarget, openTls } from "./hostile_connection.ts";

/** How long the other side's bytes may take, in milliseconds. */
const PATIENCE_MS = 20_000;

/** A connection that was turned into one half of a relay. */
export class RelaySide {
  readonly #socket: Deno.TlsConn;
  readonly #buffer = new Uint8Array(64 * 1024);
  #arrived: Uint8Array = new Uint8Array(); // not expected yet

  private constructor(socket: Deno.TlsConn) {
    this.#socket = socket;
  }

  /** Connects, and shows the ticket. */
  static async open(target: FuzzTarget, ticket: string): Promise<RelaySide> {
    const side = new RelaySide(await openTls(target, true));
    const request = { jsonrpc: "2.0", id: 1, method: "relay", params: { ticket } };
    await side.write(new TextEncoder().encode(JSON.stringify(request) + "\n"));
    return side;
  }

  /** Waits for the reply; all that follows it is from the other side. Throws when it is a refusal. */
  async begun(): Promise<void> {
    let end = -1;
    while ((end = this.#arrived.indexOf(0x0a)) < 0) await this.#readMore();
    const line = new TextDecoder().decode(this.#arrived.subarray(0, end));
    this.#arrived = this.#arrived.slice(end + 1);
    if (!JSON.parse(line).result) throw new Error(`The relay was refused: ${line}`);
  }

  /** Writes bytes for the other side. */
  async write(bytes: Uint8Array): Promise<void> {
    for (let sent = 0; sent < bytes.length;) sent += await this.#socket.write(bytes.subarray(sent));
  }

  /** Waits until these bytes have come, and throws when others have. */
  async expect(bytes: Uint8Array): Promise<void> {
    while (this.#arrived.length < bytes.length) await this.#readMore();
    if (!bytes.every((byte, index) => this.#arrived[index] === byte)) {
      throw new Error("The relay has changed what it copied");
    }
    this.#arrived = this.#arrived.slice(bytes.length);
  }

  /** Resolves with the number of bytes that came until the relay hung up. */
  async countToEnd(): Promise<number> {
    let count = this.#arrived.length;
    try {
      for (
        let more = await this.#socket.read(this.#buffer);
        more !== null;
        more = await this.#socket.read(this.#buffer)
      ) {
        count += more;
      }
    } catch {
      // Cut: that is an end too.
    }
    return count;
  }

  /** Cuts the connection. */
  close(): void {
    try {
      this.#socket.close();
    } catch {
      // Closed already.
    }
  }

  async #readMore(): Promise<void> {
    const timer = setTimeout(() => this.close(), PATIENCE_MS);
    const count = await this.#socket.read(this.#buffer).finally(() => clearTimeout(timer));
    if (count === null) throw new Error("The relay hung up");
    const joined = new Uint8Array(this.#arrived.length + count);
    joined.set(this.#arrived);
    joined.set(this.#buffer.subarray(0, count), this.#arrived.length);
    this.#arrived = joined;
  }
}
