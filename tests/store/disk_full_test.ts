import { deepEqual, equal } from "node:assert/strict";
import { join } from "node:path";
import { openServerStore } from "../../lib/store/open.ts";
import { testWith, whyNot } from "../helpers/needs.ts";
import { tempFolder } from "../helpers/temp_folder.ts";
import { addPerson, readMailbox, refused, send } from "./store_helpers.ts";

/** Room for a small database; the write-ahead log alone would grow beyond it. */
const DISK_BYTES = 3 * 1024 * 1024;

/** A small disk of its own, gone at the end of the scope; null where mounting is not permitted. */
function mountSmallDisk(path: string): Disposable | null {
  const run = (command: string, ...args: string[]) =>
    new Deno.Command(command, { args, stdout: "null", stderr: "null" }).outputSync().success;
  if (!run("mount", "-t", "tmpfs", "-o", `size=${DISK_BYTES}`, "tmpfs", path)) return null;
  return { [Symbol.dispose]: () => void run("umount", path) };
}

function canMount(): boolean {
  if (whyNot("linux", "root", { command: "mount" }) !== undefined) return false;
  using folder = tempFolder();
  using disk = mountSmallDisk(folder.path);
  return disk !== null;
}

const reason = canMount() ? [] : [{ because: "needs root on Linux, and the right to mount a tmpfs" }];

testWith(
  reason,
  "a store on a full disk says so, goes on reading, and stores again once there is room",
  async () => {
    using folder = tempFolder();
    using _disk = mountSmallDisk(folder.path);
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
