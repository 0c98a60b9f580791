// Makes lost wake-ups good: every few seconds it is read from the store how far the mailboxes of those present here have come,
// and who has got something since the last time is woken. It is the only rule of recovery for messages: a server's death, a lost
// NOTIFY, a failover and a full queue all end here.
import { sleep } from "../../waiting.ts";
import type { Lane } from "./lane.ts";

export interface SweepOptions {
  /** Accounts that are present at this server. */
  present(): readonly number[];
  /** Lets the deliveries of these accounts look. */
  wake(accountIds: readonly number[]): void;
  readonly everyMs?: number; // SWEEP_EVERY_MS by default
}

const SWEEP_EVERY_MS = 5_000;

const HIGHEST = "SELECT account_id, highest_sequence FROM mailboxes WHERE account_id = ANY($1::bigint[])";

export class Sweep implements AsyncDisposable {
  readonly #lane: Lane;
  readonly #options: SweepOptions;
  readonly #closing = new AbortController();
  readonly #sweeping: Promise<void>;
  #known: ReadonlyMap<number, number> = new Map(); // newest sequence of each account, as of the last sweep

  constructor(lane: Lane, options: SweepOptions) {
    this.#lane = lane;
    this.#options = options;
    this.#sweeping = this.#keepSweeping();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closing.abort(new Error("the sweep was closed"));
    await this.#sweeping;
  }

  async #keepSweeping(): Promise<void> {
    const { signal } = this.#closing;
    while (!signal.aborted) {
      await sleep(this.#options.everyMs ?? SWEEP_EVERY_MS, signal).catch(() => {});
      await this.#sweep().catch(() => {}); // the database is away: next time
    }
  }

  async #sweep(): Promise<void> {
    const present = this.#options.present();
    if (present.length === 0) return;
    type Row = { account_id: number; highest_sequence: number };
    const rows = await this.#lane.run((connection) => connection.rows<Row>(HIGHEST, [present]));
    const highest = new Map(rows.map((row) => [row.account_id, row.highest_sequence]));
    const behind = [...highest].filter(([id, sequence]) => this.#known.get(id) !== sequence);
    this.#known = highest;
    if (behind.length > 0) this.#options.wake(behind.map(([id]) => id));
  }
}
