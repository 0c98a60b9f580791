// What a server does with what the others of its community tell it.
// News may be lost or late, so none of it is believed where it matters: messages and ended logins are looked up in the store.
import type { BusNews } from "./cluster.ts";
import type { Hub, PresentSession } from "./hub.ts";
import type { ServerStore } from "./operator_store.ts";
import type { Log, Services } from "./services.ts";

type LoginsStore = Pick<ServerStore, "settled" | "listEndedLogins">;

interface Refreshable {
  refresh(): Promise<void>;
}

/** Hears until it is disposed of. */
export class Hearing implements Disposable {
  readonly #store: LoginsStore;
  readonly #hub: Hub;
  readonly #rules: Refreshable;
  readonly #log: Log;
  readonly #listening: Disposable;

  constructor(
    store: LoginsStore,
    { cluster, hub, rules, log }: Pick<Services, "cluster" | "hub" | "log"> & { readonly rules: Refreshable },
  ) {
    this.#store = store;
    this.#hub = hub;
    this.#rules = rules;
    this.#log = log;
    this.#listening = cluster.bus.listen(
      (news) => this.#hear(news),
      () => {
        this.#endLost(() => hub.all(), "revoked");
        this.#readOrders();
      },
    );
  }

  [Symbol.dispose](): void {
    this.#listening[Symbol.dispose]();
  }

  #hear(news: BusNews): void {
    if (news.type === "orders_changed") return this.#readOrders();
    if (news.type !== "logins_ended") return this.#hub.hear(news);
    const { accountId, reason } = news;
    this.#endLost(() => this.#hub.of(accountId), reason);
  }

  #readOrders(): void {
    this.#rules.refresh()
      .catch((error) => this.#log.warn("could not read what the operator has ordered", { error }));
  }

  /** What fails here is made good by the next look of the upkeep. */
  #endLost(sessions: () => Iterable<PresentSession>, reason: EndReason): void {
    endLost(this.#store, sessions, reason)
      .catch((error) => this.#log.warn("could not look for logins that were ended elsewhere", { error }));
  }
}

type EndReason = Parameters<PresentSession["end"]>[0];

/**
 * Ends those of the sessions whose login has ended in the store. Logins that are under way have become sessions by the time
 * the sessions are listed, so none of them slips through.
 */
export async function endLost(
  store: LoginsStore,
  sessions: () => Iterable<PresentSession>,
  reason: EndReason,
): Promise<void> {
  await store.settled();
  const asked = [...sessions()];
  if (asked.length === 0) return;
  const ended = new Set(await store.listEndedLogins(asked.map(({ identity }) => identity.tokenHash)));
  for (const session of asked) if (ended.has(session.identity.tokenHash)) session.end(reason);
}
