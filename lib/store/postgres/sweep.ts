// Makes lost wake-ups good: every few seconds, and at once when news may have been missed, it is read from the store how far the
// mailboxes of those present here have come. It is the only rule of recovery for messages: a server's death, a lost NOTIFY, a
// failover and a full queue all end here.
import { Limit, sleep } from "../../waiting.ts";
import type { Lane } from "./lane.ts";

export interface SweepOptions {
  /** Accounts that are present at this server. */
  present(): readonly number[];
  /** Hears the newest sequence that each of them has ever received. */
  hear(highest: ReadonlyMap<number, number>): void;
  readonly everyMs?: number; // SWEEP_EVERY_MS by default
}

const SWEEP_EVERY_MS = 5_000;

const HIGHEST = "SELECT account_id, highest_sequence FROM mailboxes WHERE account_id = ANY($1::bigint[])";

export class Sweep implements AsyncDisposable {
  readonly #lane: Pick<Lane, "run">;
  readonly #options: SweepOptions;
  readonly #closing = new AbortController();
  readonly #sweeping: Promise<void>;
  #rest: Limit | null = null; // until the next one

  constructor(lane: Pick<Lane, "run">, options: SweepOptions) {
    this.#lane = lane;
    this.#options = options;
    this.#sweeping = this.#keepSweeping();
  }

  /** News may have been missed. */
  sweepNow(): void {
    this.#rest?.abort();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closing.abort(new Error("the sweep was closed"));
    await this.#sweeping;
  }

  async #keepSweeping(): Promise<void> {
    const { signal } = this.#closing;
    const { everyMs = SWEEP_EVERY_MS } = this.#options;
    while (!signal.aborted) {
      using rest = this.#rest = new Limit(Infinity, signal);
      await sleep(everyMs, rest.signal).catch(() => {});
      await this.#sweep().catch(() => {}); // the database is away: next time
    }
  }

  async #sweep(): Promise<void> {
    const present = this.#options.present();
    if (present.length === 0) return;
    type Row = { account_id: number; highest_sequence: number };
    const rows = await this.#lane.run((connection) => connection.rows<Row>(HIGHEST, [present]));
    this.#options.hear(new Map(rows.map((row) => [row.account_id, row.highest_sequence])));
  }
}
