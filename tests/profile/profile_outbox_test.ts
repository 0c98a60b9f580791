import { deepEqual, equal } from "node:assert/strict";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { OutboxSender } from "../../lib/client/outbox_sender.ts";
import { newMessageId } from "../../lib/protocol/fields.ts";
import { openProfile, type Profile } from "../../lib/profile/profile.ts";
import { Program } from "../helpers/program.ts";
import { tempFolder } from "../helpers/temp_folder.ts";

const WRITER = fileURLToPath(new URL("../helpers/outbox_writer_program.ts", import.meta.url));
const PERMISSIONS = ["--allow-read", "--allow-write", "--allow-env", "--allow-sys"];

/** Ana's account on a server that the profile knows. */
function accountIn(profile: Profile) {
  const { serverId } = profile.saveServer({
    host: "chat.example.org",
    port: 7667,
    certificate: null,
    fingerprint: null,
  });
  return { serverId, name: "ana" };
}

/** Has a program put a message of ana's into the outbox. */
function write(profile: Profile, text: string) {
  const message = { id: newMessageId(), to: "bob", text };
  profile.recordsOf(accountIn(profile)).add(message);
  return message;
}

/** Names of the marks in a profile. */
function marksIn(folder: string): string[] {
  return [...Deno.readDirSync(join(folder, "senders"))].map(({ name }) => name);
}

Deno.test("first() gives each program what it wrote, and what a program that has ended had still to send", () => {
  using folder = tempFolder();
  const one = openProfile(folder.path);
  using two = openProfile(folder.path);
  const ana = accountIn(one);
  const texts = () => [one, two].map((profile) => profile.recordsOf(ana).first()?.text);
  write(one, "first, by one");
  deepEqual(texts(), ["first, by one", undefined], "two would send what one is sending");
  const second = write(two, "second, by two");
  write(one, "third, by one");
  deepEqual(texts(), ["first, by one", "second, by two"]);
  two.recordsOf(ana).accepted(second.id);
  deepEqual(texts(), ["first, by one", undefined]);

  one[Symbol.dispose]();
  const left: string[] = [];
  for (let found = two.recordsOf(ana).first(); found; found = two.recordsOf(ana).first()) {
    left.push(found.text);
    two.recordsOf(ana).accepted(found.id);
  }
  deepEqual(left, ["first, by one", "third, by one"]);
});

Deno.test("what another program left behind once went out after a newer message", async () => {
  using folder = tempFolder();
  const one = openProfile(folder.path);
  using two = openProfile(folder.path);
  const records = two.recordsOf(accountIn(one));
  const sent: string[] = [];
  const both = Promise.withResolvers<void>();
  using sender = new OutboxSender({
    outbox: records,
    send: ({ id, text }) => {
      if (sent.push(text) === 2) both.resolve();
      return Promise.resolve({ id, sequence: sent.length, storedAt: 1, duplicate: false });
    },
    onOutcome: ({ id }) => records.accepted(id),
    onFault: both.reject,
  });
  write(one, "older");
  sender.resume(); // finds nothing, as one is still running
  await new Promise((resolve) => setTimeout(resolve, 0));
  one[Symbol.dispose]();
  const newer = { id: newMessageId(), to: "bob", text: "newer" };
  sender.wake(records.add(newer) ? newer : undefined);
  await both.promise;
  deepEqual(sent, ["older", "newer"]);
});

Deno.test("first() gives a message of before there were claims to the first program that asks", () => {
  using folder = tempFolder();
  using one = openProfile(folder.path);
  using two = openProfile(folder.path);
  const ana = accountIn(one);
  write(one, "old");
  one.database.run(one.database.tables.updateTable("outbox").set({ claimed_by: null }));
  equal(two.recordsOf(ana).first()?.text, "old");
  equal(one.recordsOf(ana).first(), null);
});

Deno.test("first() gives the messages of a killed program to another one, and none before", async () => {
  using folder = tempFolder();
  using profile = openProfile(folder.path);
  const ana = accountIn(profile);
  await using writer = new Program(
    Deno.execPath(),
    ["run", "-q", ...PERMISSIONS, WRITER, folder.path, String(ana.serverId), "waits"],
    { name: "writer" },
  );
  await writer.waitForLine(/written/);
  equal(profile.recordsOf(ana).first(), null);
  equal(marksIn(folder.path).length, 2);
  await writer.kill();
  equal(profile.recordsOf(ana).first()?.text, "waits");
  equal(marksIn(folder.path).length, 1, "the mark of a killed program is taken away");
});

Deno.test("a profile sweeps away old marks of killed programs, and leaves none of its own", () => {
  using folder = tempFolder();
  const first = openProfile(folder.path);
  write(first, "x");
  const [mark = ""] = marksIn(folder.path);
  const old = Date.now() / 1000 - 24 * 60 * 60;
  for (const name of ["killed", mark]) {
    const path = join(folder.path, "senders", name);
    Deno.openSync(path, { create: true, write: true }).close();
    Deno.utimeSync(path, old, old);
  }
  Deno.openSync(join(folder.path, "senders", "just-begun"), { createNew: true, write: true }).close();
  const second = openProfile(folder.path);
  write(second, "y");
  const left = marksIn(folder.path);
  deepEqual([left.length, left.includes(mark), left.includes("killed")], [3, true, false]);
  first[Symbol.dispose]();
  second[Symbol.dispose]();
  deepEqual(marksIn(folder.path), ["just-begun"]);
});
