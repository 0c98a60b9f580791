import { deepEqual, equal } from "node:assert/strict";
import { join } from "node:path";
import type { ServerStore } from "../../lib/chat/operator_store.ts";
import { openServerStore } from "../../lib/store/open.ts";
import { testWith } from "../helpers/needs.ts";
import { tempFolder } from "../helpers/temp_folder.ts";
import { addPerson, readMailbox, refused, send } from "./store_helpers.ts";

const NOT_THERE = /the database file is not where it was/;

type Displacement = (database: string) => Promise<void>;

const REMOVED_OR_REPLACED: Readonly<Record<string, Displacement>> = {
  "its database is removed": (database) => Deno.remove(database),
  "its log is removed": (database) => Deno.remove(`${database}-wal`),
  "the index of its log is removed": (database) => Deno.remove(`${database}-shm`),
  "its folder is removed": (database) => Deno.remove(join(database, ".."), { recursive: true }),
  "another database takes its place": async (database) => {
    await using _other = await openServerStore(`${database}.other`);
    await Deno.rename(`${database}.other`, database);
  },
};

for (const [name, displace] of Object.entries(REMOVED_OR_REPLACED)) {
  testWith(["unix"], `a store acknowledges nothing once ${name}, and goes on reading`, async () => {
    using folder = tempFolder();
    await Deno.mkdir(join(folder.path, "data"));
    const database = join(folder.path, "data", "server.db");
    await using store = await openServerStore(database);
    const { ana, bob, kept } = await twoPeople(store);
    await displace(database);
    await refused(send(store, ana, "bob", "into nothing"), "unavailable", NOT_THERE);
    const [sent, read] = await Promise.allSettled([
      send(store, ana, "bob", "again"),
      store.listUsers({ viewerId: bob.accountId, after: null, limit: 10 }),
    ]);
    await refused(Promise.reject((sent as PromiseRejectedResult).reason), "unavailable", NOT_THERE);
    equal(read.status, "fulfilled");
    equal((await readMailbox(store, bob.accountId))[0]!.id, kept.id);
  });
}

testWith(["unix"], "a store whose folder comes back goes on, and has each message once", async () => {
  using folder = tempFolder();
  const data = join(folder.path, "data");
  const aside = join(folder.path, "aside");
  await Deno.mkdir(data);
  await using store = await openServerStore(join(data, "server.db"));
  const { ana, bob, kept } = await twoPeople(store);
  await Deno.rename(data, aside);
  const first = crypto.randomUUID();
  const second = crypto.randomUUID();
  await refused(send(store, ana, "bob", "first", first), "unavailable", NOT_THERE);
  await refused(send(store, ana, "bob", "second", second), "unavailable", NOT_THERE);
  await refused(send(store, ana, "bob", "first", first), "unavailable", NOT_THERE);
  await Deno.rename(aside, data);
  await send(store, ana, "bob", "first", first);
  await send(store, ana, "bob", "second", second);
  const ids = (await readMailbox(store, bob.accountId)).map((message) => message.id);
  deepEqual(ids, [kept.id, first, second]);
});

async function twoPeople(store: ServerStore) {
  const ana = await addPerson(store, "ana");
  const bob = await addPerson(store, "bob");
  return { ana, bob, kept: await send(store, ana, "bob", "before") };
}
