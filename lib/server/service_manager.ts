// Tells the service manager that started this server how it goes: the protocol of sd_notify(3), one datagram to the Unix socket
// that NOTIFY_SOCKET names for each piece of news.
import type { Log } from "../chat/services.ts";
import { type NotifySocket, openNotifySocket } from "../net/notify_socket.ts";
import { sleep } from "../waiting.ts";

/** What the manager says in our variables: NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID. */
export interface ManagerVariables {
  readonly socket: string; // path, or a name without a file, which begins with "@"
  readonly watchdogUsec: string | undefined; // how long the silence may be, in microseconds; unset: nobody minds
  readonly watchdogPid: string | undefined; // whom that is meant for; unset: us
}

const SHARE_OF_SILENCE = 2; // sd_watchdog_enabled(3): news is due after half the time

export class ServiceManager implements Disposable {
  readonly #socket: NotifySocket | undefined; // none: it cannot be told anything
  readonly #log: Log;
  readonly #watchdogMs: number | null; // null: nobody watches
  readonly #disposed = new AbortController();

  /** To be made before the server listens: then it gives up what the socket is made with. */
  constructor({ socket, watchdogUsec, watchdogPid }: ManagerVariables, log: Log) {
    this.#log = log;
    try {
      this.#socket = openNotifySocket(socket);
    } catch (error) {
      log.warn("cannot tell the service manager anything", { error });
    }
    const isMeant = watchdogPid === undefined || Number(watchdogPid) === Deno.pid;
    const watchdogMs = Number(watchdogUsec) / 1000;
    this.#watchdogMs = isMeant && watchdogMs > 0 ? watchdogMs : null;
  }

  /**
   * The server accepts. From now on, where a manager watches, it hears of us as long as questions are answered: a server that
   * stands still says nothing, and is started anew.
   * @param ask Settles once the store has been reached, whatever it says.
   */
  async ready(status: string, ask: () => Promise<unknown>): Promise<void> {
    await this.#tell(`READY=1\nSTATUS=${status}`);
    if (this.#watchdogMs !== null) {
      this.#keepTelling(this.#watchdogMs / SHARE_OF_SILENCE, ask).catch(() => {});
    }
  }

  /** The server has been asked to stop: it goes on until those who are connected know. */
  async stopping(): Promise<void> {
    await this.#tell("STOPPING=1\nSTATUS=Stopping");
  }

  [Symbol.dispose](): void {
    this.#disposed.abort();
  }

  /** Rejects when this is disposed of, in its sleep. */
  async #keepTelling(everyMs: number, ask: () => Promise<unknown>): Promise<never> {
    for (;;) {
      await sleep(everyMs, this.#disposed.signal);
      await ask().catch(() => {});
      await this.#tell("WATCHDOG=1");
    }
  }

  /** A manager that cannot be told is no reason not to serve. */
  async #tell(news: string): Promise<void> {
    try {
      await this.#socket?.send(news);
    } catch (error) {
      this.#log.warn("could not tell the service manager", { news, error });
    }
  }
}
