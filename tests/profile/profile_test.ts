import { deepEqual, equal, notEqual } from "node:assert/strict";
import { join } from "node:path";
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
  profile.outbox.enqueueMessage(ana, { to: "bob", text: "x" });
  profile.saveReadSequence(ana, 5);
  profile.saveDraft(ana, "bob", "x");
  profile.forgetServer(serverId);
  deepEqual([profile.listLogins(serverId), profile.outbox.listOutbox(ana), profile.findReadSequence(ana)], [
    [],
    [],
    null,
  ]);
});

Deno.test("a profile's read cursor never goes back", () => {
  using folder = tempFolder();
  using profile = openProfile(folder.path);
  const ana = { serverId: profile.saveServer(SERVER).serverId, name: "ana" };
  equal(profile.findReadSequence(ana), null);
  for (const [given, kept] of [[5, 5], [3, 5], [9, 9]] as const) {
    profile.saveReadSequence(ana, given);
    equal(profile.findReadSequence(ana), kept);
  }
});

Deno.test("the outbox keeps order and every character, and a refused message until it was shown", () => {
  using folder = tempFolder();
  using profile = openProfile(folder.path);
  const { serverId } = profile.saveServer(SERVER);
  const ana = { serverId, name: "ana" };
  const texts = ["first", "a\0b \u{1f44b}\r\n\"'", "third"];
  const queued = texts.map((text) => profile.outbox.enqueueMessage(ana, { to: "bob", text }));
  profile.outbox.enqueueMessage({ serverId, name: "eve" }, { to: "bob", text: "another's" });
  equal(new Set(queued.map((message) => message.id)).size, 3);

  // Another program of the same person, or this one after a crash.
  using second = openProfile(folder.path);
  deepEqual(second.outbox.listOutbox(ana), queued);
  second.outbox.markAccepted(queued[0]!.id);
  second.outbox.markRejected(queued[1]!.id, { code: "blocked", reason: "no" });
  deepEqual(profile.outbox.listOutbox(ana), [queued[2]]);
  deepEqual(profile.outbox.listRejected(ana), [{ ...queued[1], code: "blocked", reason: "no" }]);
  profile.outbox.dismissRejected(queued[2]!.id);
  profile.outbox.dismissRejected(queued[1]!.id);
  deepEqual(profile.outbox.listRejected(ana), []);
  deepEqual(profile.outbox.listOutbox(ana), [queued[2]], "one that waits is not dismissed");
});

Deno.test("a profile keeps the last thousand lines, choices and drafts", () => {
  using folder = tempFolder();
  using profile = openProfile(folder.path);
  const ana = { serverId: profile.saveServer(SERVER).serverId, name: "ana" };
  profile.database.transaction(() => {
    const lines = Array.from({ length: 1_000 }, (_, index) => ({ line: `old ${index}` }));
    for (const line of lines) {
      profile.database.run(profile.database.tables.insertInto("command_history").values(line));
    }
  });
  profile.addHistory("new");
  const lines = profile.listHistory();
  deepEqual([lines.length, lines[0], lines.at(-1)], [1_000, "old 1", "new"]);

  profile.saveSetting("bell", "on");
  profile.saveSetting("bell", "off");
  equal(profile.findSetting("bell"), "off");
  profile.saveSetting("bell", null);
  equal(profile.findSetting("bell"), null);

  profile.saveDraft(ana, "bob", "Dear");
  profile.saveDraft(ana, "bob", "Dear Bob");
  equal(profile.findDraft(ana, "bob"), "Dear Bob");
  equal(profile.findDraft(ana, ""), null);
  profile.saveDraft(ana, "bob", "");
  equal(profile.findDraft(ana, "bob"), null);
  notEqual(profile.listServers().length, 0);
});
