// The port that callers come in by: open while they can be served. Where a shared database is away, an open port would keep
// callers here who could be served elsewhere.
import type { Log } from "../chat/services.ts";
import { messageOf } from "../errors.ts";
import { Listener, type ListenerOptions } from "../net/listener.ts";
import { sleep } from "../waiting.ts";

const TRY_AGAIN_MS = 1_000; // when the port cannot be had back at once

export class Door {
  readonly #options: ListenerOptions;
  readonly #log: Log;
  readonly #closed = new AbortController();
  #listener: Listener;
  #isWanted = true; // open, as far as this side is concerned
  #reopening: Promise<void> | null = null; // set while the port is to be had back

  /** Opens. @throws {UsageError} As `Listener.listen`. */
  constructor(options: ListenerOptions, log: Log) {
    this.#listener = Listener.listen(options);
    const { port } = this.#listener;
    const { onDelayed: _, ...again } = options; // told once
    this.#options = { ...again, port };
    this.#log = log;
  }

  get port(): number {
    return this.#listener.port;
  }

  get host(): string {
    return this.#listener.host;
  }

  /** Accepts nobody for a while; resolves when accepting has stopped. */
  async shut(): Promise<void> {
    this.#isWanted = false;
    this.#listener.close();
    await this.#listener.finished;
  }

  /** Accepts again; resolves once it does, or is no longer to. */
  async reopen(): Promise<void> {
    if (this.#isWanted) return;
    this.#isWanted = true;
    await (this.#reopening ??= this.#reopen());
  }

  async #reopen(): Promise<void> {
    try {
      await this.#listener.finished;
      while (this.#isWanted && !this.#closed.signal.aborted) {
        try {
          this.#listener = Listener.listen(this.#options);
          return;
        } catch (error) {
          this.#log.error("cannot listen again", { reason: messageOf(error) });
          await sleep(TRY_AGAIN_MS, this.#closed.signal).catch(() => {});
        }
      }
    } finally {
      this.#reopening = null; // in one go with the last look at what is wanted
    }
  }

  /** Shuts for good. */
  async close(): Promise<void> {
    this.#closed.abort();
    await this.shut();
  }
}
