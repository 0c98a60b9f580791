/**
 * Addresses of one name that answer, answer late, refuse or stay silent, on Linux.
 * @module
 */
import { runProgram } from "./program.ts";
import { waitUntil } from "./wait_until.ts";

/** What a caller meets at one address. */
export type Manner =
  | "silent" // never answers: a firewall that drops, a machine that is off
  | "slow" // answers after a second
  | "refuses" // nothing listens there
  | "answers";

/**
 * Addresses of one name, all of this machine, each with a manner of its own.
 *
 * Linux drops the first packet of a call while a listener's queue is full, and the caller repeats it after a second:
 * a queue that stays full is a silent address, one that is emptied meanwhile a slow one.
 */
export class Addresses implements Disposable {
  /** The addresses, one for each manner. */
  readonly list: readonly string[];
  /** The port that all of them are called on. */
  readonly port: number;
  readonly #open: { close(): void }[] = [];
  readonly #queues = new Map<Deno.TcpListener, number>();

  private constructor(manners: readonly Manner[]) {
    this.list = manners.map((_, index) => `127.0.0.${index + 2}`);
    const first = this.#listen(this.list[0]!, 0);
    this.port = first.addr.port;
    for (const [index, hostname] of this.list.entries()) {
      const listener = index === 0 ? first : this.#listen(hostname, this.port);
      if (manners[index] === "refuses") listener.close();
    }
  }

  /** Opens an address for each manner; "slow" ones answer once they are drained. */
  static async open(manners: readonly Manner[]): Promise<Addresses> {
    const addresses = new Addresses(manners);
    for (const [index, manner] of manners.entries()) {
      if (manner === "silent" || manner === "slow") await addresses.#fill(index);
    }
    return addresses;
  }

  /** Waits until so many addresses have been called that do not answer yet. */
  async waitForCalls(count: number): Promise<void> {
    // "address in hexadecimal:port state", where 02 is a call without an answer.
    const call = new RegExp(`:${this.port.toString(16).toUpperCase().padStart(4, "0")} 02 `, "g");
    await waitUntil(
      `${count} calls without an answer`,
      async () =>
        (await runProgram("cat", ["/proc/net/tcp"])).stdout.matchAll(call).toArray().length === count,
    );
  }

  /** Empties the queue of an address, so that it answers at the caller's next packet. */
  async drain(hostname: string): Promise<void> {
    const listener = [...this.#queues.keys()].find(({ addr }) => addr.hostname === hostname)!;
    for (let waiting = this.#queues.get(listener)!; waiting > 0; waiting--) {
      this.#open.push(await listener.accept());
    }
  }

  [Symbol.dispose](): void {
    for (const socket of this.#open) {
      try {
        socket.close();
      } catch { /* one that refuses is closed already */ }
    }
  }

  #listen(hostname: string, port: number): Deno.TcpListener {
    const listener = Deno.listen({ hostname, port, tcpBacklog: 1 });
    this.#open.push(listener);
    this.#queues.set(listener, 0);
    return listener;
  }

  async #fill(index: number): Promise<void> {
    const hostname = this.list[index]!;
    const listener = [...this.#queues.keys()][index]!;
    // A queue of 1 holds 2 on Linux; the third is turned away.
    for (let count = 1; count <= 2; count++) {
      this.#open.push(await Deno.connect({ hostname, port: this.port }));
      this.#queues.set(listener, count);
    }
  }
}
