/**
 * A network between one client and the servers that can be made slow, silent, or broken.
 * @module
 */
import { within } from "../../lib/waiting.ts";

/** What is wrong with the network now. */
export interface LinkFaults {
  /** Every piece takes this much longer, in milliseconds. */
  readonly delayMs: number;
  /** Most bytes a second, each way; Infinity for no limit. */
  readonly bytesPerSecond: number;
  /** Nothing passes, and nobody hangs up. */
  readonly isStalled: boolean;
}

const SOUND: LinkFaults = { delayMs: 0, bytesPerSecond: Infinity, isStalled: false };

/** How often a stalled network looks whether it passes again, in milliseconds. */
const STALL_STEP_MS = 20;

/** How long those who were hung up on may take to hang up too, in milliseconds. */
const PART_WITHIN_MS = 10_000;

/** Copies bytes between each caller and one of these ports on this machine: any one at which somebody listens. */
export class FaultProxy implements AsyncDisposable {
  readonly #listener: Deno.TcpListener;
  readonly #targetPorts: readonly number[];
  readonly #isFair: boolean; // each target is as likely as the others
  readonly #pairs = new Set<{ readonly client: Deno.TcpConn; readonly server: Deno.TcpConn }>();
  readonly #copying = new Set<Promise<void>>();
  #faults: LinkFaults = SOUND;
  #isClosed = false;

  private constructor(targetPorts: readonly number[], isFair: boolean) {
    this.#targetPorts = targetPorts;
    this.#isFair = isFair;
    this.#listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    this.#accept();
  }

  /** A sound network in front of these ports. */
  static listen(...targetPorts: readonly number[]): FaultProxy {
    return new FaultProxy(targetPorts, true);
  }

  /** The same, but of the ports at which somebody listens it takes the first. */
  static listenPreferring(...targetPorts: readonly number[]): FaultProxy {
    return new FaultProxy(targetPorts, false);
  }

  /** Port that clients call. */
  get port(): number {
    return this.#listener.addr.port;
  }

  /** Makes it faulty from now on, or sound again. */
  set(faults: Partial<LinkFaults>): void {
    this.#faults = { ...SOUND, ...faults };
  }

  /** Hangs up on both ends of every connection, in the middle of whatever passes. */
  cut(): void {
    for (const { client, server } of this.#pairs) {
      hangUp(client);
      hangUp(server);
    }
  }

  /** Hangs up on one end only: the other one holds a connection to nobody, as after a power cut. */
  cutHalf(end: "client" | "server"): void {
    for (const pair of this.#pairs) {
      this.#orphans.push(end === "client" ? pair.server : pair.client);
      hangUp(pair[end]);
    }
  }

  readonly #orphans: Deno.TcpConn[] = []; // ends that are left open on purpose

  /** Closes all. Throws where somebody holds an end that nobody answers at any more. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#isClosed = true;
    this.#listener.close();
    this.cut();
    this.dropOrphans();
    if (await within(PART_WITHIN_MS, Promise.all(this.#copying))) return;
    throw new Error(
      `${this.#copying.size} connections are held open by callers or servers that were hung up on`,
    );
  }

  /** Hangs up on the ends that were left open: the machine that had vanished is back, and knows nothing of them. */
  dropOrphans(): void {
    for (const end of this.#orphans.splice(0)) hangUp(end);
  }

  async #accept(): Promise<void> {
    try {
      for await (const client of this.#listener) this.#connect(client);
    } catch {
      // Closed.
    }
  }

  async #connect(client: Deno.TcpConn): Promise<void> {
    const server = await this.#reachServer();
    if (!server) return hangUp(client);
    client.setNoDelay(true);
    server.setNoDelay(true);
    const pair = { client, server };
    this.#pairs.add(pair);
    const copying = Promise.all([this.#copy(client, server), this.#copy(server, client)]).then(() => {
      this.#pairs.delete(pair);
      this.#copying.delete(copying);
      for (const end of [client, server]) if (!this.#orphans.includes(end)) hangUp(end);
    });
    this.#copying.add(copying);
  }

  async #reachServer(): Promise<Deno.TcpConn | undefined> {
    const first = this.#isFair ? Math.floor(Math.random() * this.#targetPorts.length) : 0;
    for (const port of [...this.#targetPorts.slice(first), ...this.#targetPorts.slice(0, first)]) {
      try {
        return await Deno.connect({ hostname: "127.0.0.1", port });
      } catch {
        // Nobody listens: the next one.
      }
    }
  }

  async #copy(from: Deno.TcpConn, to: Deno.TcpConn): Promise<void> {
    const buffer = new Uint8Array(16 * 1024);
    try {
      for (let count = await from.read(buffer); count !== null; count = await from.read(buffer)) {
        const { delayMs, bytesPerSecond } = this.#faults;
        const holdMs = delayMs + count / bytesPerSecond * 1000;
        if (holdMs > 0) await pause(holdMs);
        while (this.#faults.isStalled && !this.#isClosed) await pause(STALL_STEP_MS);
        for (let sent = 0; sent < count;) sent += await to.write(buffer.subarray(sent, count));
      }
      if (!this.#orphans.includes(to)) await to.closeWrite();
    } catch {
      if (!this.#orphans.includes(to)) hangUp(to);
    }
  }
}

function hangUp(end: Deno.TcpConn): void {
  // A read that waits keeps the socket open in Deno 2.8, whatever close() says: the peer has to see an end first.
  end.closeWrite().catch(() => {});
  try {
    end.close();
  } catch {
    // Closed already.
  }
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
