// Mailboxes in which no history could make way a moment ago, as a device lags: whoever floods one of them would else have each
// message looked at in a transaction of its own, with all other senders behind it.

/** For how long; also what a sender may be refused too long when another server makes room. */
const ROOMLESS_MS = 1_000;

export class Roomless {
  readonly #untilByAccount = new Map<number, number>(); // epoch milliseconds; those noted first come first

  note(accountId: number, now: number): void {
    for (const [noted, until] of this.#untilByAccount) {
      if (until > now) break;
      this.#untilByAccount.delete(noted);
    }
    this.#untilByAccount.delete(accountId);
    this.#untilByAccount.set(accountId, now + ROOMLESS_MS);
  }

  has(accountId: number, now: number): boolean {
    return (this.#untilByAccount.get(accountId) ?? 0) > now;
  }

  /** One of its devices has read. */
  forget(accountId: number): void {
    this.#untilByAccount.delete(accountId);
  }
}
