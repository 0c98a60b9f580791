/**
 * Two programs write into the same few mailboxes while somebody reads these by cursor: what did the reader never see?
 * @module
 */
import { fileURLToPath } from "node:url";
import { TEST_PERMISSIONS } from "../../../build/permissions.ts";
import type { ServerStore } from "../../../lib/chat/operator_store.ts";
import { openSharedStore } from "../../../lib/store/open.ts";
import { lookAt } from "../../helpers/postgres.ts";
import { runProgram } from "../../helpers/program.ts";
import { addPerson } from "../store_helpers.ts";

const WRITER = fileURLToPath(import.meta.resolve("./order_writer_program.ts"));
const WRITERS = 2;

/** How the community's store is opened, by everybody. */
export const COMMUNITY = {
  fingerprint: "of the order test",
  limits: { mailboxMessages: Number.MAX_SAFE_INTEGER, mailboxBytes: Number.MAX_SAFE_INTEGER },
};

/** How a run is made. */
export interface OrderOptions {
  /** URL of an empty database. */
  readonly url: string;
  /** Messages that are written in all. */
  readonly messages: number;
  /** Time over which they are spread, in milliseconds. */
  readonly forMs: number;
  readonly mailboxes: number;
  /** Whether a mailbox is locked before its numbers are drawn, as the store does. */
  readonly isLocked: boolean;
}

/** What one of the writing programs is told, as JSON in its only argument. */
export interface WriterTask extends OrderOptions {
  readonly accountId: number;
  /** Names of the recipients. */
  readonly to: readonly string[];
}

/** What came of a run. */
export interface OrderResult {
  /** Messages in the database. */
  readonly stored: number;
  /** Messages that the reader's cursor has passed by. */
  readonly missed: number;
  /** Messages that lie behind a later one of the same writer. */
  readonly outOfOrder: number;
  /** Mailboxes whose totals are not those of their messages. */
  readonly wrongTotals: number;
}

/** Makes a run. Throws when a writer's message is not confirmed. */
export async function runOrder(options: OrderOptions): Promise<OrderResult> {
  await using store = await openSharedStore(options.url, COMMUNITY);
  const add = (kind: string, amount: number) =>
    Promise.all(Array.from({ length: amount }, (_, index) => addPerson(store, `${kind}${index}`)));
  const readers = await add("reader", options.mailboxes);
  const writers = await add("writer", WRITERS);
  const to = readers.map(({ name }) => name);
  const writing = Promise.all(
    writers.map(({ accountId }) =>
      write({ ...options, messages: options.messages / WRITERS, accountId, to })
    ),
  );
  const isOver = writing.then(() => {});
  const seen = await Promise.all(readers.map(({ accountId }) => readWhile(store, accountId, isOver)));
  await isOver;
  return await judge(options.url, new Set(seen.flat()));
}

/** Runs a writer to its end. */
async function write(task: WriterTask): Promise<void> {
  const { code, stderr } = await runProgram(
    Deno.execPath(),
    ["run", "-q", ...TEST_PERMISSIONS, WRITER, JSON.stringify(task)],
    { timeoutMs: task.forMs * 3 + 20_000 },
  );
  if (code !== 0) throw new Error(`A writer failed:\n${stderr}`);
}

/** Numbers of all messages that a reader sees who goes on from the last one seen, until all is over and nothing is left. */
async function readWhile(store: ServerStore, accountId: number, over: Promise<void>): Promise<number[]> {
  const seen: number[] = [];
  let isOver = false;
  const end = () => {
    isOver = true;
  };
  over.then(end, end);
  for (;;) {
    const isLast = isOver;
    const page = { accountId, after: seen.at(-1) ?? 0, limit: 1_000, maxBytes: 1e6 };
    const { messages } = await store.listMailbox(page);
    seen.push(...messages.map(({ sequence }) => sequence));
    if (isLast && messages.length === 0) return seen;
    await new Promise((resolve) => setTimeout(resolve, Math.random() * 3));
  }
}

async function judge(url: string, seen: ReadonlySet<number>): Promise<OrderResult> {
  const connection = await lookAt(url);
  const count = async (sql: string) =>
    (await connection.rows<{ amount: number }>(`SELECT count(*) AS amount FROM ${sql}`))[0]!.amount;
  try {
    const stored = await connection.rows<{ sequence: number }>("SELECT sequence FROM messages");
    return {
      stored: stored.length,
      missed: stored.filter(({ sequence }) => !seen.has(sequence)).length,
      outOfOrder: await count(`(
        SELECT text::int AS number, lag(text::int) OVER (PARTITION BY sender_id ORDER BY sequence) AS before
        FROM messages) AS numbered WHERE number < before`),
      wrongTotals: await count(`mailboxes, LATERAL (
        SELECT count(*) AS messages, coalesce(sum(bytes), 0) AS bytes, coalesce(max(sequence), 0) AS highest
        FROM messages WHERE recipient_id = account_id) AS truth
        WHERE (unread_messages, unread_bytes, kept_bytes, highest_sequence) <> (messages, truth.bytes, truth.bytes, highest)`),
    };
  } finally {
    await connection.close();
  }
}
