// What a person is told of a break in the connection: one line when it begins and one when it is over, however many attempts
// it takes; of a restart of the server one line in all, once it is over, unless that takes long.
import type { Announcement, LinkState } from "../client/server_link.ts";

/** How long a break may take before it is told where it may be over at once. */
const OVER_WITHIN_MS = 3_000;

export interface OutageTeller {
  /** The server said why it lets nobody stay, and is expected back at once. */
  announced(why: Announcement): void;
  disconnected(reason: string): void;
  /** @param why Nothing was said of it but what the server had announced; null where more was. */
  reconnected(why: Announcement | null): void;
  /** Nobody tries to connect any more. */
  stopped(): void;
  /** The server delivers no messages over the connection; it is asked again. */
  undelivered(reason: string): void;
  /** It does again. */
  delivered(): void;
}

/** What an announced break is called: while it may be over at once, once it is not, and when it is over. */
export const ANNOUNCED: Record<
  Announcement,
  { readonly first: string; readonly then: string; readonly over: string }
> = {
  restart: {
    first: "The server restarts…",
    then: "the server has stopped",
    over: "The server has restarted. Connected again.",
  },
  no_database: {
    first: "The server has lost its database…",
    then: "the server has lost its database",
    over: "The server had lost its database. Connected again.",
  },
};

export function connectedAgain(why: Announcement | null): string {
  return why === null ? "Connected again." : ANNOUNCED[why].over;
}

export class Outage implements Disposable {
  readonly #teller: OutageTeller;
  readonly #isPatient: boolean;
  #isOn = false;
  #expected:
    | { readonly announced: Announcement | null; readonly timer: ReturnType<typeof setTimeout> }
    | null = null; // back at once

  /** @param isPatient Of a break without a word of the server nothing is told while it is short. */
  constructor(teller: OutageTeller, isPatient = false) {
    this.#teller = teller;
    this.#isPatient = isPatient;
  }

  /** @param wasOnline Whether there was a connection before: else the person knows that there is none. */
  goesOn({ reason, announced }: Extract<LinkState, { kind: "waiting" }>, wasOnline: boolean): void {
    const isNew = !this.#isOn && wasOnline;
    this.#isOn = true;
    if (!isNew) return;
    if (announced === null && !this.#isPatient) return this.#teller.disconnected(reason);
    if (announced !== null) this.#teller.announced(announced);
    const timer = setTimeout(() => {
      this.#expected = null;
      this.#teller.disconnected(announced === null ? reason : ANNOUNCED[announced].then);
    }, OVER_WITHIN_MS);
    this.#expected = { announced, timer };
  }

  isOver(): void {
    if (!this.#isOn) return;
    this.#isOn = false;
    const expected = this.#expected;
    this.#expectNoMore();
    if (expected === null || expected.announced !== null) {
      this.#teller.reconnected(expected?.announced ?? null);
    }
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
