import { deepEqual, equal, ok, rejects, throws } from "node:assert/strict";
import { DatabaseSync } from "node:sqlite";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { UsageError } from "../../lib/errors.ts";
import { openLocalStore } from "../../lib/store/open.ts";
import { migrate, schemaVersion } from "../../lib/sqlite/migrations.ts";
import { openProfile, PROFILE_FILE } from "../../lib/profile/profile.ts";
import { tempFolder } from "../helpers/temp_folder.ts";
import { addPerson, newStore, readMailbox, refused, send } from "./store_helpers.ts";

const frozen = (name: string) => Deno.readTextFileSync(new URL(`./frozen/${name}`, import.meta.url));

Deno.test("a server database of the first version opens with everything that was in it", async () => {
  using folder = tempFolder();
  const path = join(folder.path, "server.db");
  const first = new DatabaseSync(path);
  first.exec(frozen("server_v1.sql"));
  first.close();

  await using store = await openLocalStore(path);
  deepEqual(await store.checkIntegrity(), []);
  deepEqual((await readMailbox(store, 2)).map((message) => [message.sequence, message.from, message.text]), [
    [1, "ana", "read"],
    [3, "ana", "waiting"],
  ]);
  equal((await store.findUser("ana", 2))?.unreadCount, 1);
  equal((await store.sendMessage({ senderId: 1, id: "m3", to: "bob", text: "waiting" })).isDuplicate, true);
  await refused(store.createAccount({ name: "eve", passwordHash: "x", joinCode: "spent" }), "forbidden");
  ok((await store.sendMessage({ senderId: 1, id: "m8", to: "bob", text: "new" })).sequence > 7);
});

Deno.test("a profile of the first version opens with everything that was in it", () => {
  using folder = tempFolder();
  const first = new DatabaseSync(join(folder.path, PROFILE_FILE));
  first.exec(frozen("profile_v1.sql"));
  first.close();

  using profile = openProfile(folder.path);
  const [server] = profile.listServers();
  equal(server?.host, "chat.example.org");
  const ana = { serverId: server!.serverId, name: "ana" };
  equal(profile.findLogin(ana)?.token, "secret");
  const records = profile.recordsOf(ana);
  equal(records.readCursor(), 42);
  equal(records.first()?.text, "waits");
  records.accepted(records.first()!.id);
  equal(records.first(), null);
});

Deno.test("migrate() undoes a step that fails, keeps the steps before it, and goes on from there", () => {
  using database = new DatabaseSync(":memory:");
  const steps = [
    { title: "first", sql: "CREATE TABLE one (id INTEGER) STRICT;" },
    { title: "second", sql: "CREATE TABLE two (id INTEGER) STRICT; INSERT INTO nowhere VALUES (1);" },
  ];
  throws(() => migrate(database, steps), /nowhere/);
  equal(schemaVersion(database), 1);
  const tables = () =>
    database.prepare("SELECT name FROM sqlite_schema ORDER BY name").all().map((row) => row["name"]);
  deepEqual(tables(), ["one"]);
  migrate(database, [steps[0]!, { title: "second", sql: "CREATE TABLE two (id INTEGER) STRICT;" }]);
  deepEqual(tables(), ["one", "two"]);
  throws(() => migrate(database, steps.slice(0, 1)), UsageError);
});

Deno.test("two processes share a database: each sees at once what the other has changed", async () => {
  await using s = await newStore();
  const ana = await addPerson(s.store, "ana");
  const bob = await addPerson(s.store, "bob");
  await send(s.store, ana, "bob", "1");
  const version = await s.store.dataVersion();
  await send(s.store, ana, "bob", "2");
  equal(await s.store.dataVersion(), version, "one's own changes do not count");

  const script = `
    import { openLocalStore } from ${JSON.stringify(import.meta.resolve("../../lib/store/open.ts"))};
    await using store = await openLocalStore(Deno.args[0]);
    await store.blockUser(${bob.accountId}, "ana");
    await store.setDisabled("bob", true);
    await store.sendMessage({ senderId: ${bob.accountId}, id: "other", to: "bob", text: "3" });
  `;
  const program = join(s.folder.path, "other.ts");
  await Deno.writeTextFile(program, script);
  const config = fileURLToPath(import.meta.resolve("../../deno.json"));
  const { success } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "--config", config, "--allow-read", "--allow-write", "--allow-env", program, s.path],
    stderr: "inherit",
  }).output();
  equal(success, true);

  equal(await s.store.dataVersion() !== version, true);
  deepEqual(await s.store.listEndedLogins([ana.tokenHash, bob.tokenHash]), [bob.tokenHash]);
  await refused(send(s.store, ana, "bob", "4"), "blocked");
  await send(s.store, bob, "bob", "5");
  deepEqual((await readMailbox(s.store, bob.accountId)).map((message) => message.text), ["1", "2", "3", "5"]);
  deepEqual(await s.store.checkIntegrity(), []);
});

Deno.test("a store waits for another process's transaction, and says so when that takes too long", async () => {
  await using s = await newStore();
  const ana = await addPerson(s.store, "ana");
  using other = new DatabaseSync(s.path);
  other.exec("BEGIN IMMEDIATE");
  await rejects(send(s.store, ana, "ana", "x"), /another program is using the database/);
  equal((await s.store.findCredentials("ana", null))?.name, "ana", "reading waits for nobody");
  other.exec("ROLLBACK");
  await send(s.store, ana, "ana", "x");
});
