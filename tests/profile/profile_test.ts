import { deepEqual, equal } from "node:assert/strict";
import { join } from "node:path";
import { newMessageId } from "../../lib/protocol/fields.ts";
import { openProfile, PROFILE_FILE } from "../../lib/profile/profile.ts";
import { testWith } from "../helpers/needs.ts";
import { tempFolder } from "../helpers/temp_folder.ts";

const SERVER = { host: "chat.example.org", port: 7667, certificate: "-----BEGIN…", fingerprint: "AB:CD" };

testWith(["unix"], "openProfile() makes a folder and files that only their owner can read", () => {
  using folder = tempFolder();
  const path = join(folder.path, "state", "mini-chat");
  using profile = openProfile(path);
  profile.saveServer(SERVER);
  equal(Deno.statSync(path).mode! & 0o777, 0o700);
  for (const entry of Deno.readDirSync(path)) {
    equal(Deno.statSync(join(path, entry.name)).mode! & 0o777, 0o600, entry.name);
  }
  Deno.chmodSync(join(path, PROFILE_FILE), 0o644);
  openProfile(path)[Symbol.dispose]();
  equal(Deno.statSync(join(path, PROFILE_FILE)).mode! & 0o777, 0o600);
});

Deno.test("a profile remembers servers by last use, with the newest pin of each", () => {
  using folder = tempFolder();
  let now = 1_000;
  using profile = openProfile(folder.path, { now: () => now++ });
  const first = profile.saveServer(SERVER);
  const other = profile.saveServer({ ...SERVER, port: 1, certificate: null, fingerprint: null });
  deepEqual(profile.listServers().map((server) => server.serverId), [other.serverId, first.serverId]);
  equal(profile.saveServer({ ...SERVER, fingerprint: "EF" }).serverId, first.serverId);
  equal(profile.findServer(SERVER.host, SERVER.port)?.fingerprint, "EF");
  equal(profile.listServers()[0]!.serverId, first.serverId);
  profile.markServerUsed(other.serverId);
  equal(profile.listServers()[0]!.serverId, other.serverId);
  equal(profile.findServer("elsewhere", 1), null);
});

Deno.test("a profile keeps a login's device when its token goes, and everything of a server goes with it", () => {
  using folder = tempFolder();
  using profile = openProfile(folder.path);
  const { serverId } = profile.saveServer(SERVER);
  const ana = { serverId, name: "ana" };
  equal(profile.findLogin(ana), null);
  profile.saveLogin(ana, { token: "secret", deviceId: "d1" });
  profile.saveLogin({ serverId, name: "bob" }, { token: "other", deviceId: "d2" });
  profile.dropToken(ana);
  deepEqual([profile.findLogin(ana)?.token, profile.findLogin(ana)?.deviceId], [null, "d1"]);
  const records = profile.recordsOf(ana);
  records.add({ id: newMessageId(), to: "bob", text: "x" });
  records.saveReadCursor(5);
  profile.forgetServer(serverId);
  deepEqual([profile.listLogins(serverId), records.first(), records.readCursor()], [[], null, 0]);
});

Deno.test("a profile's read cursor never goes back", () => {
  using folder = tempFolder();
  using profile = openProfile(folder.path);
  const records = profile.recordsOf({ serverId: profile.saveServer(SERVER).serverId, name: "ana" });
  equal(records.readCursor(), 0);
  for (const [given, kept] of [[5, 5], [3, 5], [9, 9]] as const) {
    records.saveReadCursor(given);
    equal(records.readCursor(), kept);
  }
});

Deno.test("the outbox keeps order and every character, and a refused message until it was shown", () => {
  using folder = tempFolder();
  const profile = openProfile(folder.path);
  const { serverId } = profile.saveServer(SERVER);
  const ana = { serverId, name: "ana" };
  const texts = ["first", "a\0b \u{1f44b}\r\n\"'", "third"];
  const queued = texts.map((text) => ({ id: newMessageId(), to: "bob", text }));
  const records = profile.recordsOf(ana);
  deepEqual(
    queued.map((message) => records.add(message)),
    [true, false, false],
    "alone in the outbox, or not",
  );
  profile.recordsOf({ serverId, name: "eve" }).add({ id: newMessageId(), to: "bob", text: "another's" });
  deepEqual(records.first(), queued[0]);

  // Another program of the same person, once this one has ended.
  profile[Symbol.dispose]();
  using second = openProfile(folder.path);
  const kept = second.recordsOf(ana);
  deepEqual(kept.first(), queued[0]);
  kept.accepted(queued[0]!.id);
  deepEqual(kept.first(), queued[1]);
  kept.refused(queued[1]!.id, { code: "blocked", message: "no" });
  deepEqual(kept.first(), queued[2]);
  deepEqual(kept.listRefused(), [{ ...queued[1], reason: "no" }]);
  kept.dismissRefused(queued[2]!.id);
  kept.dismissRefused(queued[1]!.id);
  deepEqual(kept.listRefused(), []);
  deepEqual(kept.first(), queued[2], "one that waits is not dismissed");
});

Deno.test("a profile keeps the last thousand lines", () => {
  using folder = tempFolder();
  using profile = openProfile(folder.path);
  profile.database.transaction(() => {
    const lines = Array.from({ length: 1_000 }, (_, index) => ({ line: `old ${index}` }));
    for (const line of lines) {
      profile.database.run(profile.database.tables.insertInto("command_history").values(line));
    }
  });
  profile.addHistory("new");
  const lines = profile.listHistory();
  deepEqual([lines.length, lines[0], lines.at(-1)], [1_000, "old 1", "new"]);
});

Deno.test("a profile keeps a thousand people of an account: those met before those listed, the last met first", () => {
  using folder = tempFolder();
  let now = Date.UTC(2026, 0);
  using profile = openProfile(folder.path, { now: () => now });
  const server = profile.saveServer({
    host: "a.example.org",
    port: 7667,
    certificate: null,
    fingerprint: null,
  });
  const people = profile.peopleOf({ ...server, name: "ana" });
  const listed = Array.from({ length: 1_200 }, (_, index) => [`listed${index}`, "listed"] as const);
  people.keep(new Map(listed));
  equal(people.list().size, 1_000);
  people.keep(new Map([["zoe", "met"]]));
  now += 1;
  people.keep(new Map([["bob", "met"], ["zoe", "listed"]]));
  const names = [...people.list().keys()];
  equal(names.length, 1_000);
  deepEqual(names.slice(0, 2), ["bob", "zoe"]);
  deepEqual([people.list().get("bob"), people.list().get("listed1")], ["met", "listed"]);
  now += 25 * 3_600_000;
  equal(people.list().get("bob"), "listed", "the next meeting is to be noted again");
  equal(profile.peopleOf({ ...server, name: "eve" }).list().size, 0);
  profile.forgetServer(server.serverId);
  equal(people.list().size, 0);
});
