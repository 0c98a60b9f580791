/**
 * A program that writes numbered messages to random recipients, many at once, and ends when all are confirmed.
 *
 * `deno run … order_writer_program.ts TASK`: a `WriterTask` of `order_run.ts` as JSON.
 * @module
 */
// @ts-types="../../../lib/store/postgres/driver/pg.d.ts"
import pg from "pg";
import { openSharedStore } from "../../../lib/store/open.ts";
import { COMMUNITY, type WriterTask } from "./order_run.ts";

/** Most messages that are sent in one moment. */
const MOST_AT_ONCE = 200;

const { url, accountId, to, messages, forMs, isLocked }: WriterTask = JSON.parse(Deno.args[0]!);
if (!isLocked) takeOutTheLock();
await using store = await openSharedStore(url, COMMUNITY);
const confirmed: Promise<unknown>[] = [];
const startedAt = performance.now();
while (confirmed.length < messages) {
  const amount = Math.min(Math.ceil(Math.random() * MOST_AT_ONCE), messages - confirmed.length);
  for (let index = 0; index < amount; index++) {
    const recipient = to[Math.floor(Math.random() * to.length)]!;
    const text = String(confirmed.length);
    confirmed.push(store.sendMessage({ senderId: accountId, id: crypto.randomUUID(), to: recipient, text }));
  }
  const dueMs = confirmed.length / messages * forMs;
  const restMs = startedAt + dueMs * (0.9 + Math.random() * 0.1) - performance.now();
  await new Promise((resolve) => setTimeout(resolve, Math.max(0, restMs)));
}
await Promise.all(confirmed);

/** From now on, rows of mailboxes are read as they are, whoever changes them. */
function takeOutTheLock(): void {
  const { prototype } = pg.Client;
  const query = prototype.query;
  let isFound = false;
  prototype.query = function (config, callback) {
    const isLock = /FROM mailboxes .* FOR NO KEY UPDATE/.test(config.text);
    isFound ||= isLock;
    const text = isLock ? config.text.replace("FOR NO KEY UPDATE", "") : config.text;
    return query.call(this, { ...config, text }, callback);
  };
  addEventListener("unload", () => {
    if (!isFound) throw new Error("No statement that locks mailboxes was found");
  });
}
