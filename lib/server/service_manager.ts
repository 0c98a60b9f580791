// Tells the service manager that started this server how it goes: the protocol of sd_notify(3), one datagram on the Unix socket
// that NOTIFY_SOCKET names for each piece of news. Needs `--unstable-net`, with which Deno has datagrams on Unix sockets.
import type { Log } from "../chat/services.ts";
import { sleep } from "../waiting.ts";

/** What the manager says in our variables: NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID. */
export interface ManagerVariables {
  readonly socket: string; // path, or a name without a file, which begins with "@"
  readonly watchdogUsec: string | undefined; // how long the silence may be, in microseconds; unset: nobody minds
  readonly watchdogPid: string | undefined; // whom that is meant for; unset: us
}

const SHARE_OF_SILENCE = 2; // sd_watchdog_enabled(3): news is due after half the time

export class ServiceManager implements Disposable {
  readonly #path: string;
  readonly #log: Log;
  readonly #watchdogMs: number | null; // null: nobody watches
  readonly #disposed = new AbortController();

  constructor({ socket, watchdogUsec, watchdogPid }: ManagerVariables, log: Log) {
    this.#path = withoutFile(socket);
    this.#log = log;
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
      // Bound to a name without a file: nothing is left behind, and no folder has to be writable.
      const own = withoutFile(`@mini-chat-${crypto.randomUUID()}`);
      const socket = Deno.listenDatagram({ transport: "unixpacket", path: own });
      await socket.send(new TextEncoder().encode(news), { transport: "unixpacket", path: this.#path })
        .finally(() => socket.close());
    } catch (error) {
      this.#log.warn("could not tell the service manager", { news, error });
    }
  }
}

/** unix(7): names that begin with a zero byte are not in the file system; they are written with "@". */
function withoutFile(name: string): string {
  return name.replace(/^@/, "\0");
}
