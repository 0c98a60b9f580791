import { deepEqual, equal, ok, rejects, throws } from "node:assert/strict";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { UsageError } from "../../lib/errors.ts";
import { openLocalStore, openServerStore } from "../../lib/store/open.ts";
import { peekIntoBackup, readBackup, unpackBackup, writeBackup } from "../../lib/store/backup.ts";
import { tempFolder } from "../helpers/temp_folder.ts";
import { addPerson, newStore, type Person, readMailbox, refused, send, storeTest } from "./store_helpers.ts";

const KEY = { fingerprint: "SHA256:x", privateKeyPem: "the key", certificatePem: "the certificate" };
const ACT = { actor: "root", act: "restore", subject: "copy.backup" };
const FACTS = { madeAt: 1_000, version: "1.0.0", key: KEY };

Deno.test("writeBackup() writes a whole copy while messages come in, and never over a file", async () => {
  using folder = tempFolder();
  const path = join(folder.path, "server.db");
  const target = join(folder.path, "copy.backup");
  await using store = await openServerStore(path);
  const ana = await addPerson(store, "ana");
  await Promise.all(Array.from({ length: 200 }, () => send(store, ana, "ana", "before")));
  const copying = writeBackup(path, target, FACTS);
  await Promise.all(Array.from({ length: 200 }, () => send(store, ana, "ana", "meanwhile")));
  await copying;
  deepEqual({ ...readBackup(target), messages: 0 }, { ...FACTS, accounts: 1, messages: 0 });
  equal(peekIntoBackup(target), KEY.fingerprint);
  deepEqual(
    (await Array.fromAsync(Deno.readDir(folder.path))).map(({ name }) => name).sort(),
    ["copy.backup", "server.db", "server.db-shm", "server.db-wal"],
    "one file, and nothing beside it",
  );

  const restored = join(folder.path, "restored.db");
  await unpackBackup(target, restored, ACT);
  await using copy = await openServerStore(restored);
  const texts = (await readMailbox(copy, ana.accountId)).map((message) => message.text);
  equal(texts.filter((text) => text === "before").length, 200);
  await refused(writeBackup(path, target, FACTS), "conflict", /exists/);
  await refused(writeBackup(path, join(folder.path, "no", "folder"), FACTS), "unavailable");
});

Deno.test("writeBackup() once named the backup when the database itself was damaged", async () => {
  await using it = await newStore();
  const ana = await addPerson(it.store, "ana");
  for (let index = 0; index < 100; index++) await send(it.store, ana, "ana", "x".repeat(500));
  await it.store[Symbol.asyncDispose]();
  const bytes = await Deno.readFile(it.path);
  const target = join(it.folder.path, "copy.backup");
  for (const [from, to] of [[0, 100], [bytes.length / 2, bytes.length / 2 + 8192], [4096, 8192]] as const) {
    await Deno.writeFile(it.path, bytes.slice().fill(0xff, from, to));
    const error = await writeBackup(it.path, target, FACTS).then(() => null, (error) => error);
    ok(error instanceof UsageError, String(error));
    ok(error.message.startsWith(`Cannot use ${it.path} as it is damaged`), error.message);
  }
  const names = await Array.fromAsync(Deno.readDir(it.folder.path), ({ name }) => name);
  deepEqual(names.filter((name) => name.startsWith("copy")), []);
});

Deno.test("a backup is no store: a server refuses to open it, and says what to do", async () => {
  await using it = await newStore();
  const target = join(it.folder.path, "copy.backup");
  await writeBackup(it.path, target, FACTS);
  await rejects(openLocalStore(target), /it is a backup: bring it in with mini-chat-server restore/);
  ok(readBackup(target), "and it is as it was");
});

Deno.test("readBackup() refuses what is damaged, of a newer program, or no backup at all", async () => {
  await using it = await newStore();
  const ana = await addPerson(it.store, "ana");
  for (let index = 0; index < 100; index++) await send(it.store, ana, "ana", "x".repeat(500));
  const refuses = (path: string, words: RegExp) =>
    throws(() => readBackup(path), (error) => error instanceof UsageError && words.test(error.message));
  const copy = async (name: string) => {
    const path = join(it.folder.path, name);
    await writeBackup(it.path, path, FACTS);
    return path;
  };

  const newer = await copy("newer");
  const database = new DatabaseSync(newer);
  database.exec("PRAGMA user_version = 99");
  database.close();
  refuses(newer, /newer version of Mini-Chat made it: its schema is 99/);

  const damaged = await copy("damaged");
  const bytes = await Deno.readFile(damaged);
  bytes.fill(0xff, bytes.length / 2, bytes.length / 2 + 8192);
  await Deno.writeFile(damaged, bytes);
  refuses(damaged, /damaged/);

  const cut = await copy("cut");
  await Deno.truncate(cut, bytes.length / 2);
  refuses(cut, /damaged/);

  const words = join(it.folder.path, "words");
  await Deno.writeTextFile(words, "words and words and words, but no database");
  refuses(words, /damaged, or no database/);
  await Deno.writeTextFile(words, "");
  refuses(words, /no database of a Mini-Chat server/);
  refuses(join(it.folder.path, "missing"), /Cannot read .*missing/);
  for (const path of [damaged, words]) await rejects(unpackBackup(path, join(it.folder.path, "new"), ACT));
});

Deno.test("unpackBackup() gives new messages sequences that nobody has seen, however often one backup is restored", async () => {
  await using it = await newStore();
  const ana = await addPerson(it.store, "ana");
  await send(it.store, ana, "ana", "kept");
  const backup = join(it.folder.path, "copy.backup");
  await writeBackup(it.path, backup, FACTS);
  const seen = [(await send(it.store, ana, "ana", "lost")).sequence];
  for (const name of ["once", "again"]) {
    const path = join(it.folder.path, name);
    await unpackBackup(backup, path, ACT);
    await using store = await openLocalStore(path);
    for (let index = 0; index < 3; index++) {
      const { sequence } = await send(store, ana, "ana", "new");
      ok(sequence > seen.at(-1)!, `${sequence} after ${seen}`);
      ok(Number.isSafeInteger(sequence * 2));
      seen.push(sequence);
    }
    deepEqual(await store.checkIntegrity(), []);
  }
});

storeTest(
  "leapAhead() lets a client whose cursor is ahead of the store get all that is new",
  async (newStore) => {
    await using it = await newStore();
    const { store } = it;
    const ana = await addPerson(store, "ana");
    const first = await send(store, ana, "ana", "kept");
    const cursor = first.sequence + 1_000; // shown by ana's client before the store was lost
    await store.leapAhead();
    await acknowledge(ana, cursor);
    const second = await send(store, ana, "ana", "new");
    ok(second.sequence > cursor);
    deepEqual(
      (await readMailbox(store, ana.accountId, cursor)).map(({ sequence, text }) => ({ sequence, text })),
      [{ sequence: second.sequence, text: "new" }],
    );
    equal(
      (await store.findUser("ana", ana.accountId))?.unreadCount,
      1,
      "what was seen is read, what is new is not",
    );
    await acknowledge(ana, second.sequence);
    equal((await store.findUser("ana", ana.accountId))?.unreadCount, 0);
    await store.leapAhead();
    ok(
      (await send(store, ana, "ana", "newer")).sequence > second.sequence + 1_000,
      "also when the clock stands still",
    );
    deepEqual(await store.checkIntegrity(), []);

    async function acknowledge({ accountId, deviceId }: Person, upTo: number): Promise<void> {
      await store.acknowledge({ accountId, deviceId, delivered: upTo, read: upTo });
    }
  },
);
