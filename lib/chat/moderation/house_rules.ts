// What the operator has ordered for a while, as this server last read it: who is banned, and whether the server is locked.
// It is kept in memory, so that it costs a message nothing. Whoever changes it tells every server, and the upkeep looks as well.
import { Network } from "../../addresses.ts";
import { ChatError } from "../../errors.ts";
import type { Hub } from "../hub.ts";
import type { Ban, ChatStore, Lockdown, StandingOrders } from "../store.ts";

/** Somebody who is here, or wants to come in. */
export interface Visitor {
  readonly name?: string; // of the account; unset before anybody is signed in
  readonly address: string;
}

export class HouseRules {
  readonly #store: Pick<ChatStore, "standingOrders">;
  readonly #hub: Pick<Hub, "all">;
  #accounts: ReadonlyMap<string, Ban> = new Map(); // by name
  #networks: readonly { readonly network: Network; readonly ban: Ban }[] = [];
  #lockdown: Lockdown | null = null;
  #reading: Promise<void> = Promise.resolve();

  constructor(store: Pick<ChatStore, "standingOrders">, hub: Pick<Hub, "all">) {
    this.#store = store;
    this.#hub = hub;
  }

  /** Reads what is ordered now, and turns out whom a ban shuts out: their clients learn why when they come back. */
  async refresh(): Promise<void> {
    // One after the other, so that what was read first is not what stays.
    const reading = this.#reading.then(async () => this.#take(await this.#store.standingOrders()));
    this.#reading = reading.catch(() => {});
    await reading;
  }

  /** Refuses a visitor whom a ban shuts out. @throws {ChatError} `forbidden` – with the time at which the ban ends. */
  check(visitor: Visitor): void {
    const ban = this.#banOf(visitor);
    if (ban === null) return;
    const whom = ban.kind === "account" ? `as ${visitor.name}: the account is` : "from this address: it is";
    throw forbiddenUntil(
      `Cannot come in ${whom} banned by the server's operator until ${spokenTime(ban.endsAt)}`,
      ban.endsAt,
    );
  }

  /** The lockdown that is on; null for none. */
  get lockdown(): Lockdown | null {
    const { endsAt = 0 } = this.#lockdown ?? {};
    return endsAt === null || endsAt > Date.now() ? this.#lockdown : null;
  }

  #banOf({ name, address }: Visitor): Ban | null {
    const ofAccount = name === undefined ? undefined : this.#accounts.get(name);
    if (ofAccount !== undefined && ofAccount.endsAt > Date.now()) return ofAccount;
    if (this.#networks.length === 0) return null;
    const now = Date.now();
    return this.#networks.find(({ network, ban }) => ban.endsAt > now && network.includes(address))?.ban ??
      null;
  }

  #take({ bans, lockdown }: StandingOrders): void {
    this.#lockdown = lockdown;
    this.#accounts = new Map(
      bans.filter(({ kind }) => kind === "account").map((ban) => [ban.subject, ban]),
    );
    this.#networks = bans.filter(({ kind }) => kind === "network").flatMap((ban) => {
      const network = Network.parse(ban.subject);
      return network === null ? [] : [{ network, ban }];
    });
    if (bans.length === 0) return;
    for (const session of [...this.#hub.all()]) {
      const { identity: { name }, remoteAddress: address } = session;
      if (this.#banOf({ name, address }) !== null) session.turnOut();
    }
  }
}

export function forbiddenUntil(words: string, endsAt: number | null): ChatError {
  const wait = endsAt === null ? {} : { retryAfterMs: Math.max(1, endsAt - Date.now()) };
  return new ChatError("forbidden", words, wait);
}

/** A time as people anywhere understand it: `2026-11-25 14:05 UTC`. */
export function spokenTime(at: number): string {
  return `${new Date(at).toISOString().slice(0, 16).replace("T", " ")} UTC`;
}
