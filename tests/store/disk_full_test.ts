import { deepEqual, equal } from "node:assert/strict";
import { join } from "node:path";
import { openServerStore } from "../../lib/store/open.ts";
import { testWith } from "../helpers/needs.ts";
import { mountSmallDisk, SMALL_DISK } from "../helpers/small_disk.ts";
import { tempFolder } from "../helpers/temp_folder.ts";
import { addPerson, readMailbox, refused, send } from "./store_helpers.ts";

/** Room for a small database; the write-ahead log alone would grow beyond it. */
const DISK_BYTES = 3 * 1024 * 1024;

testWith(
  SMALL_DISK,
  "a store on a full disk says so, goes on reading, and stores again once there is room",
  async () => {
    using folder = tempFolder();
    using _disk = mountSmallDisk(folder.path, DISK_BYTES);
    await using store = await openServerStore(join(folder.path, "server.db"));
    const ana = await addPerson(store, "ana");
    const bob = await addPerson(store, "bob");
    const kept = await send(store, ana, "bob", "before");
    const ballast = join(folder.path, "ballast");
    fillDisk(ballast);

    const text = "x".repeat(16_000);
    const acknowledged: string[] = [kept.id];
    const results = await Promise.allSettled([
      ...Array.from({ length: 200 }, () => send(store, ana, "bob", text)),
      store.listUsers({ viewerId: bob.accountId, after: null, limit: 10 }),
    ]);
    equal(results.at(-1)?.status, "fulfilled", "what only reads is answered");
    for (const result of results.slice(0, -1)) {
      equal(result.status, "rejected");
      await refused(Promise.reject((result as PromiseRejectedResult).reason), "unavailable", /disk is full/);
    }
    await refused(send(store, ana, "bob", text), "unavailable", /disk is full/);
    deepEqual((await readMailbox(store, bob.accountId)).map((message) => message.id), acknowledged);

    await Deno.remove(ballast);
    acknowledged.push((await send(store, ana, "bob", text)).id);
    deepEqual((await readMailbox(store, bob.accountId)).map((message) => message.id), acknowledged);
    deepEqual(await store.checkIntegrity(), []);
  },
);

function fillDisk(path: string): void {
  using file = Deno.openSync(path, { create: true, write: true });
  const page = new Uint8Array(4096);
  try {
    for (;;) file.writeSync(page);
  } catch {
    // No space left: as it should be.
  }
}
