// What a person is told of a break in the connection: one line when it begins and one when it is over, however many attempts
// it takes; of a restart of the server one line in all, once it is over, unless that takes long.
import type { LinkState } from "../client/server_link.ts";

/** How long a break may take before it is told where it may be over at once. */
const OVER_WITHIN_MS = 3_000;

export interface OutageTeller {
  /** The server said that it stops, and is expected back at once. */
  restarting(): void;
  disconnected(reason: string): void;
  /** @param hasRestarted Nothing was said of it but that the server restarts. */
  reconnected(hasRestarted: boolean): void;
  /** Nobody tries to connect any more. */
  stopped(): void;
  /** The server delivers no messages over the connection; it is asked again. */
  undelivered(reason: string): void;
  /** It does again. */
  delivered(): void;
}

export function connectedAgain(hasRestarted: boolean): string {
  return hasRestarted ? "The server has restarted. Connected again." : "Connected again.";
}

export class Outage implements Disposable {
  readonly #teller: OutageTeller;
  readonly #isPatient: boolean;
  #isOn = false;
  #expected: { readonly isRestart: boolean; readonly timer: ReturnType<typeof setTimeout> } | null = null; // back at once

  /** @param isPatient Of a break without a word of the server nothing is told while it is short. */
  constructor(teller: OutageTeller, isPatient = false) {
    this.#teller = teller;
    this.#isPatient = isPatient;
  }

  /** @param wasOnline Whether there was a connection before: else the person knows that there is none. */
  goesOn({ reason, isAnnounced }: Extract<LinkState, { kind: "waiting" }>, wasOnline: boolean): void {
    const isNew = !this.#isOn && wasOnline;
    this.#isOn = true;
    if (!isNew) return;
    if (!isAnnounced && !this.#isPatient) return this.#teller.disconnected(reason);
    if (isAnnounced) this.#teller.restarting();
    const timer = setTimeout(() => {
      this.#expected = null;
      this.#teller.disconnected(isAnnounced ? "the server has stopped" : reason);
    }, OVER_WITHIN_MS);
    this.#expected = { isRestart: isAnnounced, timer };
  }

  isOver(): void {
    if (!this.#isOn) return;
    this.#isOn = false;
    const expected = this.#expected;
    this.#expectNoMore();
    if (expected === null || expected.isRestart) this.#teller.reconnected(expected !== null);
  }

  [Symbol.dispose](): void {
    this.#expectNoMore();
    this.#teller.stopped();
  }

  #expectNoMore(): void {
    clearTimeout(this.#expected?.timer);
    this.#expected = null;
  }
}
