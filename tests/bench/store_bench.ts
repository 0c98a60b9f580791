/**
 * Measures the store against raw `node:sqlite` in the same run: `deno run --allow-read --allow-write --allow-env
 * tests/bench/store_bench.ts [--messages N] [--grow N]`. Every figure is also a ratio, since times alone mean nothing on
 * a noisy machine.
 * @module
 */
// deno-lint-ignore-file no-console -- its output is its purpose
import { DatabaseSync } from "node:sqlite";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { SERVER_MIGRATIONS } from "../../lib/store/sqlite/migrations.ts";
import type { ServerStore } from "../../lib/chat/operator_store.ts";
import { openServerStore } from "../../lib/store/open.ts";
import { newMessageId } from "../../lib/protocol/fields.ts";

const { values: flags } = parseArgs({
  options: {
    messages: { type: "string", default: "40000" },
    /** Messages stored before growth is measured; 0 leaves it out. */
    grow: { type: "string", default: "0" },
    rounds: { type: "string", default: "3" },
  },
});
const MESSAGES = Number(flags.messages);
const GROW = Number(flags.grow);
const ROUNDS = Number(flags.rounds);
const PAIRS = 64;
const TEXT = "x".repeat(200);

const folder = await Deno.makeTempDir({ prefix: "mini-chat-store-bench-" });
try {
  await main();
} finally {
  await Deno.remove(folder, { recursive: true });
}

async function main(): Promise<void> {
  const raw = bestOf(() =>
    rawInserts("with the store's indexes", SERVER_MIGRATIONS.map((step) => step.sql).join("\n"))
  );
  const bare = bestOf(() =>
    rawInserts(
      "unique (sender, id) only",
      `CREATE TABLE messages (sequence INTEGER PRIMARY KEY, id TEXT, sender_id INTEGER, recipient_id INTEGER, text TEXT,
       stored_at INTEGER, UNIQUE (sender_id, id)); CREATE TABLE accounts (name TEXT, password_hash TEXT, created_at INTEGER)`,
    )
  );
  const groupOf64 = bestOf(() =>
    rawInserts("groups of 64", SERVER_MIGRATIONS.map((step) => step.sql).join("\n"), 64)
  );
  const single = bestOf(() =>
    rawInserts("one a commit", SERVER_MIGRATIONS.map((step) => step.sql).join("\n"), 1)
  );
  report("raw, the store's tables, groups of 256", raw, raw);
  report("raw, bare table, groups of 256", bare, raw);
  report("raw, the store's tables, groups of 64", groupOf64, raw);
  report("raw, one a commit", single, raw);
  for (const inFlight of [1, 64, 256, 1024, 3200]) {
    let best = 0;
    for (let round = 0; round < ROUNDS; round++) best = Math.max(best, await storeSends(inFlight));
    report(
      `store, ${inFlight} in flight`,
      best,
      inFlight === 1 ? single : raw,
      inFlight === 1 ? "single" : "group 256",
    );
  }
  if (GROW > 0) await growth();
}

function bestOf(measure: () => number): number {
  return Math.max(...Array.from({ length: ROUNDS }, measure));
}

function newFile(): string {
  return join(folder, `${crypto.randomUUID()}.db`);
}

function rawInserts(_title: string, schema: string, group = 256): number {
  const database = new DatabaseSync(newFile());
  database.exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;");
  database.exec(schema);
  for (let account = 1; account <= PAIRS * 2; account++) {
    database.exec(`INSERT INTO accounts (name, password_hash, created_at) VALUES ('user${account}', '', 0)`);
  }
  const insert = database.prepare(
    "INSERT INTO messages (id, sender_id, recipient_id, text, stored_at) VALUES (?, ?, ?, ?, ?)",
  );
  const amount = group === 1 ? Math.ceil(MESSAGES / 20) : MESSAGES;
  const ids = Array.from({ length: amount }, (_, index) => newMessageId(Date.now() + index));
  const startedAt = performance.now();
  for (let sent = 0; sent < amount;) {
    database.exec("BEGIN");
    for (let index = 0; index < group && sent < amount; index++, sent++) {
      insert.run(ids[sent]!, 1 + sent % PAIRS, 1 + PAIRS + sent % PAIRS, TEXT, Date.now());
    }
    database.exec("COMMIT");
  }
  const perSecond = amount / (performance.now() - startedAt) * 1000;
  database.close();
  return perSecond;
}

async function makePairs(store: ServerStore): Promise<void> {
  await Promise.all(
    Array.from(
      { length: PAIRS * 2 },
      (_, index) => store.createAccount({ name: `user${index + 1}`, passwordHash: "", joinCode: null }),
    ),
  );
}

async function storeSends(inFlight: number): Promise<number> {
  await using store = await openServerStore(newFile(), { limits: { mailboxMessages: Infinity } });
  await makePairs(store);
  return await sendAll(store, inFlight, inFlight === 1 ? Math.ceil(MESSAGES / 20) : MESSAGES);
}

async function sendAll(store: ServerStore, inFlight: number, amount: number): Promise<number> {
  const ids = Array.from({ length: amount }, (_, index) => newMessageId(Date.now() + index));
  let sent = 0;
  const startedAt = performance.now();
  const lane = async () => {
    while (sent < amount) {
      const index = sent++;
      const to = `user${1 + PAIRS + index % PAIRS}`;
      await store.sendMessage({ senderId: 1 + index % PAIRS, id: ids[index]!, to, text: TEXT });
    }
  };
  await Promise.all(Array.from({ length: inFlight }, lane));
  return amount / (performance.now() - startedAt) * 1000;
}

async function growth(): Promise<void> {
  await using store = await openServerStore(newFile(), {
    limits: { mailboxMessages: Infinity, mailboxBytes: Infinity },
  });
  await makePairs(store);
  for (let stored = 0; stored < GROW;) {
    const step = Math.min(stored === 0 ? 1_000 : stored * 9, GROW - stored);
    await sendAll(store, 1024, step);
    stored += step;
    const perSecond = await sendAll(store, 400, 10_000);
    stored += 10_000;
    const drainMs = await drain(store, 1 + PAIRS, stored);
    console.log(
      `stored ${stored}: send ${Math.round(perSecond)}/s, 100 mailbox pages of 100 ${drainMs.toFixed(1)} ms`,
    );
  }
  let made = PAIRS * 2;
  for (const users of [1_000, 100_000]) {
    while (made < users) {
      const step = Math.min(5_000, users - made);
      await Promise.all(
        Array.from(
          { length: step },
          (_, index) =>
            store.createAccount({ name: `guest${made + index}`, passwordHash: "", joinCode: null }),
        ),
      );
      made += step;
    }
    const startedAt = performance.now();
    for (let call = 0; call < 100; call++) {
      await store.listUsers({ viewerId: 1 + PAIRS, after: "guest5", limit: 100 });
    }
    console.log(`${users} users: a page of 100 in ${((performance.now() - startedAt) / 100).toFixed(2)} ms`);
  }
}

/** Reads the end of a mailbox: as many messages whatever its size. */
async function drain(store: ServerStore, accountId: number, stored: number): Promise<number> {
  const startedAt = performance.now();
  for (let page = 0; page < 100; page++) {
    await store.listMailbox({ accountId, after: Math.max(0, stored - 7_000), limit: 100, maxBytes: 1 << 20 });
  }
  return performance.now() - startedAt;
}

function report(title: string, perSecond: number, limit: number, limitName = "group 256"): void {
  console.log(
    `${title.padEnd(44)} ${String(Math.round(perSecond)).padStart(8)}/s  ${
      (perSecond / limit).toFixed(2)
    } × ${limitName}`,
  );
}
