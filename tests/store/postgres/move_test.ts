import { deepEqual, equal, ok, rejects } from "node:assert/strict";
import { join } from "node:path";
import { UsageError } from "../../../lib/errors.ts";
import type { ServerStore } from "../../../lib/chat/operator_store.ts";
import { moveStore } from "../../../lib/store/move.ts";
import { openLocalStore, openSharedStore } from "../../../lib/store/open.ts";
import { testWith } from "../../helpers/needs.ts";
import { lookAt, newDatabase, POSTGRES } from "../../helpers/postgres.ts";
import { mountSmallDisk, SMALL_DISK } from "../../helpers/small_disk.ts";
import { tempFolder } from "../../helpers/temp_folder.ts";
import { addDevice, addPerson, newStore, readMailbox, send } from "../store_helpers.ts";

const FINGERPRINT = "of the tests";

function move(path: string, url: string, direction: "to_postgres" | "to_sqlite", fingerprint = FINGERPRINT) {
  return moveStore({ path, url, direction, fingerprint });
}

/** People of whom one is removed, with texts, cursors, blocks, devices and invites of every kind. */
async function fill(store: ServerStore) {
  const [ana, bob, eve] = [
    await addPerson(store, "ana"),
    await addPerson(store, "bob"),
    await addPerson(store, "eve"),
  ];
  await addDevice(store, bob, "telephone");
  const { sequence } = await send(store, ana, "bob", "\0first\0 and \u{1f600}\0\0last\0");
  for (let i = 0; i < 5; i++) await send(store, bob, "ana", `${i} "quoted" \\ ü \ufeff`);
  const { accountId, deviceId } = bob;
  await store.acknowledge({ accountId, deviceId, delivered: sequence, read: sequence });
  await store.blockUser(ana.accountId, "eve");
  await store.createInvite({ code: "for all", maxUses: null, expiresAt: null, note: "" });
  await store.createInvite({ code: "ended", maxUses: 3, expiresAt: 7, note: "it's over" });
  // The highest numbers are of what is there no more: they must not be drawn again.
  const { sequence: last } = await send(store, ana, "eve", "for nobody");
  const endsAt = 4_000_000_000_000;
  await store.ban({ kind: "network", subject: "192.0.2.0/24", endsAt, reason: 'it\'s "spam"' });
  await store.lockDown(endsAt);
  const report = { reporterId: ana.accountId, name: "bob", why: "\0", sequences: [] };
  await store.reportUser(report);
  await store.closeReport((await store.reportUser(report)).reportId);
  await store.operate({ actor: "root", act: "user remove", subject: "eve" }, "removeAccount", ["eve", true]);
  return { ana, bob, eve, last };
}

async function contentOf(store: ServerStore, people: readonly { readonly accountId: number }[]) {
  const { databaseBytes: _, ...counts } = await store.counts();
  return {
    counts,
    invites: await store.listInvites(),
    accounts: await store.listAccounts({ after: null, limit: 100 }),
    mailboxes: await Promise.all(people.map(({ accountId }) => readMailbox(store, accountId))),
    problems: await store.checkIntegrity(),
    orders: await store.standingOrders(),
    reports: await store.listReports({ after: 0, limit: 9 }),
    audit: await store.listAudit({ from: 0, after: 0, limit: 9 }),
  };
}

testWith(POSTGRES, "moveStore() takes everything to PostgreSQL and back, and numbers go on", async () => {
  const url = await newDatabase();
  using folder = tempFolder();
  const backPath = join(folder.path, "back.db");
  await using from = await newStore();
  const { ana, bob, eve, last } = await fill(from.store);
  const people = [ana, bob, eve];
  const content = await contentOf(from.store, people);
  deepEqual(content.problems, []);
  await from.store[Symbol.asyncDispose]();

  const moved = await move(from.path, url, "to_postgres");
  deepEqual([moved.get("accounts"), moved.get("messages"), moved.get("devices")], [3, 6, 3]);
  {
    await using shared = await openSharedStore(url, { fingerprint: FINGERPRINT, now: from.clock.now });
    deepEqual(await contentOf(shared, people), content);
    equal((await shared.findLogin(bob.tokenHash))?.accountId, bob.accountId, "an old token resumes");
  }
  await move(backPath, url, "to_sqlite");
  await using back = await openLocalStore(backPath, { now: from.clock.now });
  deepEqual(await contentOf(back, people), content);
  ok((await send(back, ana, "bob", "news")).sequence > last);
  ok((await addPerson(back, "new")).accountId > eve.accountId);
});

testWith(
  POSTGRES,
  "moveStore() refuses what holds something, what servers use, and another key",
  async () => {
    const url = await newDatabase();
    await using from = await newStore();
    await fill(from.store);
    await from.store[Symbol.asyncDispose]();
    await move(from.path, url, "to_postgres");
    const refused = (moving: Promise<unknown>, words: RegExp) =>
      rejects(moving, (error) => error instanceof UsageError && words.test(error.message));
    await refused(move(from.path, url, "to_postgres"), /holds 3 accounts already/);
    await refused(move(from.path, url, "to_sqlite"), /holds 3 accounts already/);
    await refused(move(from.path, url, "to_sqlite", "another"), /another key/);
    const admin = await lookAt(url);
    await admin.query({
      sql:
        "INSERT INTO servers (id, version, beat_at) VALUES ('a', '1', (extract(epoch FROM now()) * 1000)::bigint)",
    });
    await admin.close();
    await refused(move(from.path, url, "to_sqlite"), /while servers use/);
  },
);

testWith(
  POSTGRES,
  "a move to a file gives it its name once all is in it, and takes away what one that was killed has left",
  async () => {
    const url = await newDatabase();
    await using from = await newStore();
    await fill(from.store);
    await from.store[Symbol.asyncDispose]();
    await move(from.path, url, "to_postgres");
    using folder = tempFolder();
    const path = join(folder.path, "back.db");
    const names = () => [...Deno.readDirSync(folder.path)].map(({ name }) => name).sort();
    const moveAnd = (onProgress: () => void) =>
      moveStore({ path, url, direction: "to_sqlite", fingerprint: FINGERPRINT }, onProgress);

    let half: Uint8Array[] = [];
    const seen = new Set<string>();
    const look = () => {
      for (const name of names()) seen.add(name);
      half = names().map((name) => Deno.readFileSync(join(folder.path, name)));
    };
    await rejects(moveAnd(() => fail(look)), /as if the disk failed/);
    deepEqual(names(), [], "what fails leaves nothing");
    // As a kill leaves it, with a database without people, as a server has made it since.
    for (const [index, name] of [...seen].sort().entries()) {
      await Deno.writeFile(join(folder.path, name), half[index]!);
    }
    await (await openLocalStore(path))[Symbol.asyncDispose]();
    const moved = await moveAnd(look);
    deepEqual([...seen].sort(), ["back.db", "back.db.partial", "back.db.partial-journal"]);
    deepEqual(names(), ["back.db"]);
    await using back = await openLocalStore(path);
    equal((await back.counts()).messages, moved.get("messages"));
    deepEqual(await back.checkIntegrity(), []);
  },
);

testWith(POSTGRES, "a move that PostgreSQL refuses, as on a full disk, is told in its words", async () => {
  const url = await newDatabase();
  await (await openSharedStore(url, { fingerprint: FINGERPRINT }))[Symbol.asyncDispose]();
  const admin = await lookAt(url);
  await admin.query({ sql: "ALTER TABLE accounts ADD CONSTRAINT no_room CHECK (id < 0)" });
  await admin.close();
  await using from = await newStore();
  await fill(from.store);
  await from.store[Symbol.asyncDispose]();
  await rejects(move(from.path, url, "to_postgres"), {
    name: "UsageError",
    message: /^Cannot move, as \S+ refuses: new row .* violates check constraint "no_room"$/,
  });
});

testWith(
  [...POSTGRES, ...SMALL_DISK],
  "a move to a disk that is too small says so, and leaves nothing",
  async () => {
    const url = await newDatabase();
    {
      await using store = await openSharedStore(url, { fingerprint: FINGERPRINT });
      const ana = await addPerson(store, "ana");
      await Promise.all(Array.from({ length: 40 }, () => send(store, ana, "ana", "x".repeat(10_000))));
    }
    using folder = tempFolder();
    using _disk = mountSmallDisk(folder.path, 256 * 1024);
    await rejects(move(join(folder.path, "full.db"), url, "to_sqlite"), {
      name: "ChatError",
      message: /full\.db\.partial now: the disk is full$/,
    });
    deepEqual(await Array.fromAsync(Deno.readDir(folder.path)), []);
  },
);

function fail(first: () => void): never {
  first();
  throw new Error("as if the disk failed");
}
