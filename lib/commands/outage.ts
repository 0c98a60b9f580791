// What a person is told of a break in the connection: one line once it has lasted for 3 s and one when it is over, however many
// attempts it takes; of a restart of the server one line in all, once it is over, unless that takes long. Of other breaks that are
// over at once nothing is told, or a network that cuts every quiet connection would fill the screen.
import type { Announcement, LinkState } from "../client/server_link.ts";
import { safeText } from "../terminal/safe_text.ts";

/** How long a break may take before it is told, in milliseconds. */
const OVER_WITHIN_MS = 3_000;

export interface OutageTeller {
  /** The server said why it lets nobody stay, and is expected back at once. */
  announced(why: Announcement): void;
  /** @param reason One sentence without its period. */
  disconnected(reason: string): void;
  /** @param why Nothing was said of it but what the server had announced; null where more was. */
  reconnected(why: Announcement | null): void;
  /** Nobody tries to connect any more, or it is told elsewhere that there is a connection. */
  stopped(): void;
  /** The server delivers no messages over the connection; it is asked again. */
  undelivered(reason: string): void;
  /** It does again. */
  delivered(): void;
}

/** Tells of breaks beside the output of a subcommand, a line each. */
export function tellBeside(warn: (line: string) => void): OutageTeller {
  return {
    announced: () => {},
    disconnected: (reason) => warn(`${safeText(reason)}. Reconnecting.`),
    reconnected: (why) => warn(connectedAgain(why)),
    stopped: () => {},
    undelivered: (reason) => warn(`Messages do not arrive: ${safeText(reason)}. Trying again.`),
    delivered: () => warn("Messages arrive again."),
  };
}

/** What an announced break is called: while it may be over at once, once it is not, and when it is over. */
export const ANNOUNCED: Record<
  Announcement,
  { readonly first: string; readonly then: string; readonly over: string }
> = {
  restart: {
    first: "The server restarts…",
    then: "The server has stopped",
    over: "The server has restarted. Connected again.",
  },
  no_database: {
    first: "The server has lost its database…",
    then: "The server has lost its database",
    over: "The server had lost its database. Connected again.",
  },
};

export function connectedAgain(why: Announcement | null): string {
  return why === null ? "Connected again." : ANNOUNCED[why].over;
}

export class Outage implements Disposable {
  readonly #teller: OutageTeller;
  readonly #overWithinMs: number;
  #isOn = false;
  #expected:
    | { readonly announced: Announcement | null; readonly timer: ReturnType<typeof setTimeout> }
    | null = null; // back at once

  constructor(teller: OutageTeller, overWithinMs: number = OVER_WITHIN_MS) {
    this.#teller = teller;
    this.#overWithinMs = overWithinMs;
  }

  /** @param wasOnline Whether there was a connection before: else the person knows that there is none. */
  goesOn({ reason, announced }: Extract<LinkState, { kind: "waiting" }>, wasOnline: boolean): void {
    const isNew = !this.#isOn && wasOnline;
    this.#isOn = true;
    if (!isNew) return;
    if (announced !== null) this.#teller.announced(announced);
    const timer = setTimeout(() => {
      this.#expected = null;
      this.#teller.disconnected(announced === null ? reason : ANNOUNCED[announced].then);
    }, this.#overWithinMs);
    this.#expected = { announced, timer };
  }

  isOver(isToldElsewhere = false): void {
    if (!this.#isOn) return;
    this.#isOn = false;
    const expected = this.#expected;
    this.#expectNoMore();
    if (isToldElsewhere) return this.#teller.stopped();
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
