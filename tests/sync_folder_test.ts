import assert from "node:assert/strict";
import { join } from "node:path";
import { Readable } from "node:stream";
import { MailSpool } from "../lib/mail/outbox/spool.ts";
import { loadOrCreateIdentity } from "../lib/net/identity.ts";
import { placeFile } from "../lib/peer/files/file_names.ts";
import { renameAndSync, syncFolder } from "../lib/sync_folder.ts";
import { tempFolder } from "./helpers/temp_folder.ts";

const MAIL = new TextEncoder().encode("Subject: x\r\n\r\n");
const ignore = Deno.build.os === "windows"; // it has no call for it

/** Notes what names a folder holds each time that it is synced, as they are then on disk. */
function watchSyncs(folder: string): { readonly onDisk: string[][] } & Disposable {
  const onDisk: string[][] = [];
  const sync = Deno.FsFile.prototype.sync;
  Deno.FsFile.prototype.sync = async function (this: Deno.FsFile) {
    const [synced, watched] = await Promise.all([this.stat(), Deno.stat(folder)]);
    const isWatched = synced.isDirectory && synced.ino === watched.ino && synced.dev === watched.dev;
    const names = isWatched ? (await Array.fromAsync(Deno.readDir(folder))).map((item) => item.name) : [];
    await sync.call(this);
    if (isWatched) onDisk.push(names.toSorted());
  };
  return { onDisk, [Symbol.dispose]: () => void (Deno.FsFile.prototype.sync = sync) };
}

const WRITERS: readonly [name: string, write: (folder: string) => Promise<unknown>, names: string[]][] = [
  ["MailSpool.write()", (folder) => new MailSpool(folder).write("a", Readable.from([MAIL])), ["a.eml"]],
  ["loadOrCreateIdentity()", loadOrCreateIdentity, ["server.crt", "server.key"]],
  ["placeFile()", (folder) => placePart(folder), ["photo"]],
  ["placeFile() where files have no second name", (folder) => withoutLinks(() => placePart(folder)), [
    "photo",
  ]],
];

async function placePart(folder: string): Promise<void> {
  const part = join(folder, "part");
  await Deno.writeTextFile(part, "photo");
  await placeFile(part, folder, "photo");
}

/** As on exFAT. */
async function withoutLinks(run: () => Promise<void>): Promise<void> {
  const link = Deno.link;
  Deno.link = () => Promise.reject(new Deno.errors.NotSupported());
  try {
    await run();
  } finally {
    Deno.link = link;
  }
}

for (const [name, write, names] of WRITERS) {
  Deno.test({
    name: `${name} has the names of its files on disk when it returns`,
    ignore,
    async fn() {
      using folder = tempFolder();
      using watched = watchSyncs(folder.path);
      await write(folder.path);
      assert.deepEqual(watched.onDisk.at(-1), names);
    },
  });
}

Deno.test({
  name: "MailSpool.write() has the name of a new spool on disk too",
  ignore,
  async fn() {
    using folder = tempFolder();
    using watched = watchSyncs(folder.path);
    await new MailSpool(join(folder.path, "spool")).write("a", Readable.from([MAIL]));
    assert.deepEqual(watched.onDisk, [["spool"]]);
  },
});

Deno.test("renameAndSync() renames, and says so when it cannot", async () => {
  using folder = tempFolder();
  const [from, to] = [join(folder.path, "from"), join(folder.path, "to")];
  await Deno.writeTextFile(from, "text");
  await renameAndSync(from, to);
  assert.equal(await Deno.readTextFile(to), "text");
  await assert.rejects(renameAndSync(from, to), Deno.errors.NotFound);
});

Deno.test({
  name: "syncFolder() leaves it to a file system that syncs no folders, and tells of a disk that fails",
  ignore,
  async fn() {
    using folder = tempFolder();
    const sync = Deno.FsFile.prototype.sync;
    const failWith = (code: string) => {
      Deno.FsFile.prototype.sync = () => Promise.reject(Object.assign(new Error(code), { code }));
    };
    try {
      failWith("EINVAL"); // as for /proc on Linux
      await syncFolder(folder.path);
      failWith("EIO");
      await assert.rejects(syncFolder(folder.path), /EIO/);
    } finally {
      Deno.FsFile.prototype.sync = sync;
    }
    await assert.rejects(syncFolder(join(folder.path, "none")), Deno.errors.NotFound);
  },
});
