import assert from "node:assert/strict";
import { ConnectionError } from "../../lib/errors.ts";
import { connectToFirst, dial } from "../../lib/net/dial.ts";
import { testWith } from "../helpers/needs.ts";
import { runProgram } from "../helpers/program.ts";
import { waitUntil } from "../helpers/wait_until.ts";

/** When a test fails, in milliseconds; nothing below waits so long when all is well. */
const LIMIT_MS = 30_000;

/** What a caller meets at one address. */
type Manner =
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
class Addresses implements Disposable {
  readonly list: readonly string[];
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

for (
  const manners of [
    ["slow", "silent"],
    ["silent", "slow"],
    ["refuses", "slow", "silent"],
    ["refuses", "silent", "slow"],
  ] as const
) {
  testWith(["linux"], `connectToFirst() takes the address that answers: ${manners.join(", ")}`, async () => {
    using addresses = await Addresses.open(manners);
    const slow = addresses.list[(manners as readonly Manner[]).indexOf("slow")]!;
    const limit = AbortSignal.timeout(LIMIT_MS);
    const connecting = connectToFirst(addresses.list, addresses.port, limit);
    await addresses.waitForCalls(2);
    await addresses.drain(slow);
    using socket = await connecting;
    assert.equal(socket.remoteAddr.hostname, slow);
    assert.ok(!limit.aborted, "it waited for an address that is silent");
  });
}

testWith(["linux"], "connectToFirst() calls no further address once one has answered", async () => {
  using addresses = await Addresses.open(["silent", "answers", "silent"]);
  using socket = await connectToFirst(addresses.list, addresses.port, AbortSignal.timeout(LIMIT_MS));
  assert.equal(socket.remoteAddr.hostname, addresses.list[1]);
  await addresses.waitForCalls(0);
});

testWith(["linux"], "connectToFirst() tries every address, and says why the first one failed", async () => {
  using addresses = await Addresses.open(["refuses", "refuses"]);
  await assert.rejects(
    connectToFirst(addresses.list, addresses.port, AbortSignal.timeout(LIMIT_MS)),
    Deno.errors.ConnectionRefused,
  );
  using one = await Addresses.open(["refuses", "refuses", "answers"]);
  using socket = await connectToFirst(one.list, one.port, AbortSignal.timeout(LIMIT_MS));
  assert.equal(socket.remoteAddr.hostname, one.list[2]);
});

testWith(["linux"], "connectToFirst() stops at its signal while every address is silent", async () => {
  using addresses = await Addresses.open(["silent", "silent"]);
  const stop = new AbortController();
  const connecting = connectToFirst(addresses.list, addresses.port, stop.signal);
  stop.abort(new Error("changed my mind"));
  await assert.rejects(connecting, { message: "changed my mind" });
});

testWith(["linux"], "dial() says that a silent machine gave no answer, and when it gave up", async () => {
  using addresses = await Addresses.open(["silent"]);
  await assert.rejects(
    dial({ host: addresses.list[0]!, port: addresses.port, timeoutMs: 300 }),
    (error: unknown) => error instanceof ConnectionError && /no answer within 0\.3 s$/.test(error.message),
  );
});
