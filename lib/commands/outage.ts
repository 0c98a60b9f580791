// What a person is told of a break in the connection: one line when it begins and one when it is over, however many attempts
// it takes; of a restart of the server one line in all, once it is over, unless that takes long.
import type { LinkState } from "../client/server_link.ts";

/** How long a server that said it stops may take to be back before it counts as gone. */
const RESTARTS_WITHIN_MS = 3_000;

export interface OutageTeller {
  /** The server said that it stops, and is expected back at once. */
  restarting(): void;
  disconnected(reason: string): void;
  /** @param hasRestarted Nothing was said of it but that the server restarts. */
  reconnected(hasRestarted: boolean): void;
  /** Nobody tries to connect any more. */
  stopped(): void;
}

export function connectedAgain(hasRestarted: boolean): string {
  return hasRestarted ? "The server has restarted. Connected again." : "Connected again.";
}

export class Outage implements Disposable {
  readonly #teller: OutageTeller;
  #isOn = false;
  #untilGone: ReturnType<typeof setTimeout> | undefined; // set while the server is expected back at once

  constructor(teller: OutageTeller) {
    this.#teller = teller;
  }

  /** @param wasOnline Whether there was a connection before: else the person knows that there is none. */
  goesOn({ reason, isAnnounced }: Extract<LinkState, { kind: "waiting" }>, wasOnline: boolean): void {
    const isNew = !this.#isOn && wasOnline;
    this.#isOn = true;
    if (!isNew) return;
    if (!isAnnounced) return this.#teller.disconnected(reason);
    this.#teller.restarting();
    this.#untilGone = setTimeout(() => {
      this.#untilGone = undefined;
      this.#teller.disconnected("the server has stopped");
    }, RESTARTS_WITHIN_MS);
  }

  isOver(): void {
    if (!this.#isOn) return;
    this.#isOn = false;
    const hasRestarted = this.#untilGone !== undefined;
    this.#expectNoMore();
    this.#teller.reconnected(hasRestarted);
  }

  [Symbol.dispose](): void {
    this.#expectNoMore();
    this.#teller.stopped();
  }

  #expectNoMore(): void {
    clearTimeout(this.#untilGone);
    this.#untilGone = undefined;
  }
}
