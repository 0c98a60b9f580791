// News between the servers of a community, by NOTIFY. Two costs of PostgreSQL shape it:
// - A transaction that notifies takes a lock of the whole cluster until its commit is on the disk. So NOTIFY has transactions
//   of its own, which write nothing and wait for no disk (what ends logins, or is the operator's, is so rare that it may be part of its verb's).
// - Each NOTIFY wakes every server, which grows with the square of their number. So what waits leaves together, and seldom.
import type { Bus, BusNews } from "../../chat/cluster.ts";
import { UsageError } from "../../errors.ts";
import { nextTurn, sleep, within } from "../../waiting.ts";
import type { Connection } from "./connection.ts";
import { type Lane, openLane } from "./lane.ts";
import type { StoreNews } from "../verbs/steps.ts";
import type { DatabaseUrl } from "./url.ts";

const CHANNEL = "mini_chat";

// A payload: `1 <sender> <JSON array of BusNews>`. Whoever does not know its format ignores it.
const FORMAT = "1";
const NOBODY = "-"; // the sender of what every server shall hear, the one that wrote it too
const CHECK = "check"; // in place of a format: only whoever sent it waits for it

/** PostgreSQL takes less than 8,000 bytes. */
const MAX_PAYLOAD_BYTES = 7_900;

/** News that is larger is lost. The largest event that is sent so, `chat_punch`, has 1,500. */
const MAX_NEWS_BYTES = 7_800;

/** Accounts that one payload wakes; with ids of 10 digits that is most of it. */
const MAX_WAKES = 600;

/** When more than this waits, the other servers look at everything instead. */
const MAX_WAITING_WAKES = 10_000;
const LOOK = { type: "look" } as const;

/** News that may wait while the database is away; older news is lost. */
const MAX_WAITING = 10_000;

/** Shortest time between two NOTIFYs, for up to 9 servers; never more than 40,000 servers are woken in a second. */
const LEAST_REST_MS = 2;
const WOKEN_PER_MS = 40;

const CHECK_DEADLINE_MS = 2_000;

/** How often the listening connection, on which nothing may come for hours, is asked whether it lives, and how long it has. */
const PING_EVERY_MS = 5_000;
const PING_DEADLINE_MS = 3_000;

/** What a verb notifies inside its transaction: if that commits, all servers hear it. */
export function noticeOf(news: StoreNews): { readonly channel: string; readonly payload: string } {
  return { channel: CHANNEL, payload: payloadOf(NOBODY, [JSON.stringify(news)]) };
}

const NOTIFY = "SELECT pg_notify($1, $2)";

/** How long the last news may take. */
const GOODBYE_MS = 1_000;

/** What hears the news. */
interface Listener {
  readonly hear: (news: BusNews) => void;
  readonly onGap: () => void;
}

/** Made by {@linkcode openBus}. */
export class PostgresBus implements Bus, AsyncDisposable {
  readonly server = crypto.randomUUID();
  readonly #countServers: () => number;
  readonly #listeners = new Set<Listener>();
  readonly #closing = new AbortController();
  #listening!: Lane;
  #notifying!: Lane;
  #wakes = new Set<number>();
  #news: string[] = []; // as JSON
  #everybodyLooks = false;
  #sending: Promise<void> | null = null;
  #pinging: Promise<void> | null = null;
  #check: (() => void) | null = null;

  constructor(countServers: () => number) {
    this.#countServers = countServers;
  }

  publish(news: BusNews): void {
    if (news.type === "wake") { for (const id of news.accountIds) this.#wakes.add(id); }
    else this.#queue(JSON.stringify(news));
    if (this.#wakes.size > MAX_WAITING_WAKES) this.#everybodyLooks = true;
    if (this.#everybodyLooks) this.#wakes.clear();
    this.#sending ??= this.#send();
  }

  listen(hear: (news: BusNews) => void, onGap: () => void): Disposable {
    const listener: Listener = { hear, onGap };
    this.#listeners.add(listener);
    return { [Symbol.dispose]: () => this.#listeners.delete(listener) };
  }

  /** As if another server had told it. */
  hear(news: BusNews): void {
    for (const { hear } of this.#listeners) hear(news);
  }

  /** For {@linkcode openBus}. */
  async open(url: DatabaseUrl): Promise<void> {
    this.#listening = await openLane(url, {
      name: "listen",
      prepare: (connection) => this.#listen(connection),
    });
    this.#notifying = await openLane(url, { name: "notify", loseable: true });
    await this.#checkPooler();
    this.#pinging = this.#keepPinging();
  }

  /** Sends what waits, and ends the connections. */
  async [Symbol.asyncDispose](): Promise<void> {
    await within(GOODBYE_MS, this.#sending ?? Promise.resolve());
    this.#closing.abort(new Error("the bus was closed"));
    await this.#pinging;
    await this.#listening?.[Symbol.asyncDispose]();
    await this.#notifying?.[Symbol.asyncDispose]();
  }

  async #listen(connection: Connection): Promise<void> {
    let isGapTold = false;
    const tellGap = () => {
      if (!isGapTold) this.#gap(); // nobody listens yet to the first connection
      isGapTold = true;
    };
    // What is notified at once can be here before the answer to LISTEN is; the gap lies before it.
    await connection.listen(CHANNEL, (payload) => {
      tellGap();
      this.#receive(payload);
    });
    tellGap();
  }

  /** A pooler that gives each transaction another connection takes LISTEN without a word, and nothing ever comes. */
  async #checkPooler(): Promise<void> {
    const { promise: came, resolve } = Promise.withResolvers<true>();
    this.#check = () => resolve(true);
    const notified = this.#notifying.run((connection) =>
      connection.query({ sql: `NOTIFY ${CHANNEL}, '${CHECK} ${this.server}'` }) // without values nothing is prepared
    );
    if (await within(CHECK_DEADLINE_MS, notified.then(() => came))) return;
    throw new UsageError(
      "Cannot serve through this address of the database, as notifications do not come through: is it a pooler in " +
        "transaction mode? Give PostgreSQL's own address",
    );
  }

  #queue(news: string): void {
    if (utf8Bytes(news) > MAX_NEWS_BYTES) return;
    this.#news.push(news);
    if (this.#news.length > MAX_WAITING) this.#news.shift();
  }

  async #send(): Promise<void> {
    await nextTurn(); // what the same turn publishes comes along
    try {
      while (this.#wakes.size > 0 || this.#news.length > 0 || this.#everybodyLooks) {
        const payload = this.#takePayload();
        try {
          await this.#notifying.run((connection) => connection.rows(NOTIFY, [CHANNEL, payload]));
        } catch {
          if (this.#closing.signal.aborted) return;
          // It may have been told or not; an event must not come twice, and to look twice does no harm.
          this.#everybodyLooks = true;
        }
        await sleep(Math.max(LEAST_REST_MS, this.#countServers() ** 2 / WOKEN_PER_MS));
      }
    } finally {
      this.#sending = null; // in one go with the last look for news, so that none falls between
    }
  }

  /** All that waits, as far as it fits. */
  #takePayload(): string {
    const accountIds = [...this.#wakes].slice(0, MAX_WAKES);
    for (const id of accountIds) this.#wakes.delete(id);
    const items: string[] = [];
    if (this.#everybodyLooks) items.push(JSON.stringify(LOOK));
    if (accountIds.length > 0) items.push(JSON.stringify({ type: "wake", accountIds } satisfies BusNews));
    this.#everybodyLooks = false;
    let bytes = utf8Bytes(payloadOf(this.server, items));
    while (this.#news.length > 0) {
      bytes += utf8Bytes(this.#news[0]!) + ",".length;
      if (bytes > MAX_PAYLOAD_BYTES) break;
      items.push(this.#news.shift()!);
    }
    return payloadOf(this.server, items);
  }

  #receive(payload: string): void {
    if (payload === `${CHECK} ${this.server}`) this.#check?.();
    for (const item of itemsFor(this.server, payload)) {
      if (item.type === LOOK.type) this.#gap();
      else this.hear(item);
    }
  }

  #gap(): void {
    for (const { onGap } of this.#listeners) onGap();
  }

  /** A connection that is cut off without a word is found out, and made again. */
  async #keepPinging(): Promise<void> {
    const { signal } = this.#closing;
    while (!signal.aborted) {
      await this.#listening.run((connection) => connection.rows("SELECT 1", [], PING_DEADLINE_MS)).catch(
        () => {},
      );
      await sleep(PING_EVERY_MS, signal).catch(() => {});
    }
  }
}

/** What a payload tells this server; nothing where it is of another format. */
function itemsFor(server: string, payload: string): readonly (BusNews | typeof LOOK)[] {
  const [, format, sender, json = ""] = /^(\S+) (\S+) (.*)$/s.exec(payload) ?? [];
  if (format !== FORMAT || sender === server) return [];
  try {
    return JSON.parse(json);
  } catch {
    return []; // somebody else notifies on our channel
  }
}

function payloadOf(sender: string, items: readonly string[]): string {
  return `${FORMAT} ${sender} [${items.join(",")}]`;
}

function utf8Bytes(text: string): number {
  return new TextEncoder().encode(text).length;
}

/**
 * Opens the bus of one server. It needs no tables.
 * @param countServers How many servers there are, this one with them.
 * @throws {UsageError} Notifications do not come through.
 */
export async function openBus(url: DatabaseUrl, countServers: () => number): Promise<PostgresBus> {
  const bus = new PostgresBus(countServers);
  try {
    await bus.open(url);
    return bus;
  } catch (error) {
    await bus[Symbol.asyncDispose]();
    throw error;
  }
}
