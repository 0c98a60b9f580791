// What the operator has ordered for a while, as this server last read it: who is banned, and whether the server is locked.
// It is kept in memory, so that it costs a message nothing. Whoever changes it tells every server, and the upkeep looks as well.
import { addressGroup, Network, NetworkMap } from "../../addresses.ts";
import { ChatError } from "../../errors.ts";
import type { Hub } from "../hub.ts";
import type { AccountName, Ban, ChatStore, Lockdown, StandingOrders } from "../store.ts";

/** To tell a caller why costs a TLS handshake: so often, then callers from there are sent away at once, for the rest of a minute. */
const TOLD_PER_MINUTE = 10;
const TOLD_FOR_MS = 60_000;
const MAX_TOLD = 10_000; // addresses that are remembered

/** Somebody who is here, or wants to come in. */
export interface Visitor {
  readonly name?: string; // of the account; unset before anybody is signed in
  readonly address: string;
}

/** Somebody who is here without a session, such as one side of a relayed chat. */
export interface Guest extends Required<Visitor> {
  turnOut(): void;
}

/** A session that writes to others. */
export interface Writer {
  readonly identity: AccountName;
  /** Settles when the last thing that had to be asked about may go or was refused; null when there is none. */
  asking: Promise<void> | null;
}

type OrdersStore = Pick<ChatStore, "standingOrders" | "haveMet">;

export class HouseRules {
  readonly #store: OrdersStore;
  readonly #hub: Pick<Hub, "all">;
  #accounts: ReadonlyMap<string, Ban> = new Map(); // by name
  #networks = new NetworkMap<Ban>();
  #lockdown: Lockdown | null = null;
  readonly #guests = new Set<Guest>();
  readonly #told = new Map<string, number>(); // how often a banned address was told of its ban, since `#toldSince`
  #toldSince = 0;
  #reading: Promise<void> = Promise.resolve();

  constructor(store: OrdersStore, hub: Pick<Hub, "all">) {
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
    if (ban.kind === "network") this.#noteTold(visitor.address);
    const whom = ban.kind === "account" ? `as ${visitor.name}: the account is` : "from this address: it is";
    throw forbiddenUntil(
      `Cannot come in ${whom} banned by the server's operator until ${spokenTime(ban.endsAt)}`,
      ban.endsAt,
    );
  }

  /**
   * Lets in somebody who has no session, and whom a later ban turns out.
   * @returns What must be called when they leave. @throws {ChatError} `forbidden` – see `check`.
   */
  readonly admit = (guest: Guest): () => void => {
    this.check(guest);
    this.#guests.add(guest);
    return () => this.#guests.delete(guest);
  };

  /** Whether callers from a banned address are sent away without a word, as many were told why within this minute. */
  isShutOut(address: string): boolean {
    if (this.#networks.isEmpty || this.#told.get(addressGroup(address)) !== TOLD_PER_MINUTE) {
      return false;
    }
    return this.#isToldLately(Date.now()) && this.#banOf({ address }) !== null;
  }

  #noteTold(address: string): void {
    const now = Date.now();
    if (!this.#isToldLately(now) || this.#told.size > MAX_TOLD) {
      this.#told.clear();
      this.#toldSince = now;
    }
    const group = addressGroup(address);
    this.#told.set(group, Math.min(TOLD_PER_MINUTE, (this.#told.get(group) ?? 0) + 1));
  }

  /** Not so either where the clock was set back. */
  #isToldLately(now: number): boolean {
    return now >= this.#toldSince && now - this.#toldSince < TOLD_FOR_MS;
  }

  /** Refuses whoever wants to register while the server is locked. @throws {ChatError} `forbidden` – with the time. */
  checkRegistration(): void {
    const lockdown = this.#lockdownNow();
    if (lockdown !== null) throw lockedUntil("Cannot register now", lockdown);
  }

  /**
   * Lets a message, or an invitation to a direct chat, go to somebody: while the server is locked, only to those whom the writer
   * has met. What one session writes stays in its order. Rejects with a `ChatError` (`forbidden`, with the time).
   * @returns Null when it may go at once.
   */
  contact(writer: Writer, to: string): Promise<void> | null {
    if (this.#lockdown === null && writer.asking === null) return null;
    const asked = (writer.asking ?? Promise.resolve()).then(() => this.#checkContact(writer, to));
    const asking = asked.catch(() => {}).then(() => {
      if (writer.asking === asking) writer.asking = null;
    });
    writer.asking = asking;
    return asked;
  }

  async #checkContact({ identity: { accountId, name } }: Writer, to: string): Promise<void> {
    if (to === name || this.#lockdownNow() === null || await this.#store.haveMet(accountId, to)) return;
    const lockdown = this.#lockdownNow();
    if (lockdown !== null) throw lockedUntil(`Cannot write to ${to} for the first time now`, lockdown);
  }

  #lockdownNow(): Lockdown | null {
    const lockdown = this.#lockdown;
    return lockdown === null || lockdown.endsAt === null || lockdown.endsAt > Date.now() ? lockdown : null;
  }

  #banOf({ name, address }: Visitor): Ban | null {
    const ofAccount = name === undefined ? undefined : this.#accounts.get(name);
    if (ofAccount !== undefined && ofAccount.endsAt > Date.now()) return ofAccount;
    if (this.#networks.isEmpty) return null;
    const now = Date.now();
    return this.#networks.find(address, ({ endsAt }) => endsAt > now) ?? null;
  }

  #take({ bans, lockdown }: StandingOrders): void {
    this.#lockdown = lockdown;
    this.#accounts = new Map(
      bans.filter(({ kind }) => kind === "account").map((ban) => [ban.subject, ban]),
    );
    this.#networks = new NetworkMap();
    for (const ban of bans) {
      const network = ban.kind === "network" ? Network.parse(ban.subject) : null;
      if (network !== null) this.#networks.add(network, ban);
    }
    if (bans.length === 0) return;
    for (const session of [...this.#hub.all()]) {
      const { identity: { name }, remoteAddress: address } = session;
      if (this.#banOf({ name, address }) !== null) session.turnOut();
    }
    for (const guest of [...this.#guests]) if (this.#banOf(guest) !== null) guest.turnOut();
  }
}

function lockedUntil(words: string, { endsAt }: Lockdown): ChatError {
  const until = endsAt === null ? "for now" : `until ${spokenTime(endsAt)}`;
  return forbiddenUntil(`${words}: the server's operator has locked it against strangers ${until}`, endsAt);
}

function forbiddenUntil(words: string, endsAt: number | null): ChatError {
  const wait = endsAt === null ? {} : { retryAfterMs: Math.max(1, endsAt - Date.now()) };
  return new ChatError("forbidden", words, wait);
}

/** A time as people anywhere understand it: `2026-11-25 14:05 UTC`. */
function spokenTime(at: number): string {
  return `${new Date(at).toISOString().slice(0, 16).replace("T", " ")} UTC`;
}
