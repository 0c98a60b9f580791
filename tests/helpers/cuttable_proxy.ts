/**
 * A cable between two friends that a test can cut, clog, or make narrow.
 * @module
 */

/** Copies bytes between whoever calls it and one target. */
export class CuttableProxy implements AsyncDisposable {
  /** Port on 127.0.0.1. */
  readonly port: number;
  /** Calls so far. */
  calls = 0;
  /** Bytes copied so far, both ways. */
  bytes = 0;
  readonly #listener: Deno.TcpListener;
  readonly #pairs = new Set<[Deno.TcpConn, Deno.TcpConn]>();
  readonly #copying = new Set<Promise<void>>();
  readonly #accepting: Promise<void>;
  #target: number | null;
  #clogged: PromiseWithResolvers<void> | undefined;

  /** Leads to a port on this machine; null refuses callers. */
  constructor(target: number | null) {
    this.#target = target;
    this.#listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    this.port = this.#listener.addr.port;
    this.#accepting = this.#accept();
  }

  /** Leads somewhere else from now on; null refuses callers. */
  leadTo(target: number | null): void {
    this.#target = target;
  }

  /** Breaks what is connected now. */
  cut(): void {
    this.unclog();
    for (const pair of this.#pairs) for (const end of pair) hangUp(end);
  }

  /**
   * Most bytes that come through at once; a direction that meets more stands still from then on, as where a network drops
   * large packets and does not say so. Everything comes through by default.
   */
  narrowTo = Infinity;

  /** Copies nothing, but hangs up on nobody. */
  clog(): void {
    this.#clogged ??= Promise.withResolvers<void>();
  }

  /** Copies again. */
  unclog(): void {
    this.#clogged?.resolve();
    this.#clogged = undefined;
  }

  /** Says something of its own to both ends of what is connected now. */
  async interfere(bytes: Uint8Array): Promise<void> {
    for (const pair of this.#pairs) await Promise.all(pair.map((end) => end.write(bytes)));
  }

  /** Cuts, and listens no more. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#listener.close();
    this.cut();
    await this.#accepting;
    await Promise.all(this.#copying);
  }

  async #accept(): Promise<void> {
    for await (const caller of this.#listener) {
      this.calls += 1;
      if (this.#target === null) {
        hangUp(caller);
        continue;
      }
      try {
        const target = await Deno.connect({ hostname: "127.0.0.1", port: this.#target });
        const pair: [Deno.TcpConn, Deno.TcpConn] = [caller, target];
        this.#pairs.add(pair);
        const copying = Promise.all([this.#copy(caller, target), this.#copy(target, caller)]).then(() => {
          this.#pairs.delete(pair);
          this.#copying.delete(copying);
          for (const end of pair) hangUp(end);
        });
        this.#copying.add(copying);
      } catch {
        hangUp(caller);
      }
    }
  }

  async #copy(from: Deno.TcpConn, to: Deno.TcpConn): Promise<void> {
    const buffer = new Uint8Array(64 * 1024);
    try {
      for (let count = await from.read(buffer); count !== null; count = await from.read(buffer)) {
        await this.#clogged?.promise;
        if (count > this.narrowTo) return;
        this.bytes += count;
        for (let sent = 0; sent < count;) sent += await to.write(buffer.subarray(sent, count));
      }
      await to.closeWrite();
    } catch {
      hangUp(to);
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
