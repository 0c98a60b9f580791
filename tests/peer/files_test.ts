import assert from "node:assert/strict";
import { join } from "node:path";
import { UsageError } from "../../lib/errors.ts";
import type { Recorder } from "../helpers/chat_pair.ts";
import { ChatPair } from "../helpers/chat_pair.ts";
import { testWith } from "../helpers/needs.ts";
import { mountSmallDisk, SMALL_DISK } from "../helpers/small_disk.ts";
import { tempFolder } from "../helpers/temp_folder.ts";

async function makeFile(
  folder: string,
  name: string,
  size: number,
): Promise<{ path: string; bytes: Uint8Array }> {
  const bytes = new Uint8Array(size);
  for (let start = 0; start < size; start += 65_536) {
    crypto.getRandomValues(bytes.subarray(start, start + 65_536));
  }
  const path = join(folder, name);
  await Deno.writeFile(path, bytes);
  return { path, bytes };
}

async function namesIn(folder: string): Promise<string[]> {
  try {
    return (await Array.fromAsync(Deno.readDir(folder))).map(({ name }) => name).sort();
  } catch {
    return [];
  }
}

/** Highest progress that somebody saw. */
function progressOf(recorder: Recorder): number {
  return Math.max(0, ...recorder.shown.map((one) => one.kind === "progress" ? one.doneBytes : 0));
}

Deno.test("FileTransfers ask first, carry a file whole both ways, and show progress on both sides", async () => {
  using folder = tempFolder();
  await using pair = await ChatPair.link();
  const { chat } = pair.joined;
  for (
    const [from, to, atFrom, atTo, name] of [
      [pair.hosted.chat, chat, pair.atAna, pair.atBob, "to-bob.bin"],
      [chat, pair.hosted.chat, pair.atBob, pair.atAna, "to-ana.bin"],
    ] as const
  ) {
    atFrom.shown.length = 0;
    atTo.shown.length = 0;
    const { path, bytes } = await makeFile(folder.path, name, 1_000_003);
    await from.files.offer(path);
    assert.deepEqual((await atTo.until("offered")).totalBytes, bytes.length);
    await from.say("this goes on meanwhile");
    await to.files.accept();
    const done = await atTo.until("done");
    assert.equal((await atFrom.until("done")).name, name);
    assert.deepEqual(await Deno.readFile(done.path!), bytes);
    assert.equal(progressOf(atFrom), bytes.length);
    assert.equal(progressOf(atTo), bytes.length);
    assert.equal(from.tally.filesSent, 1);
    assert.equal(to.tally.filesReceived, 1);
  }
  assert.deepEqual(await namesIn(pair.folderOf("bob")), ["to-bob.bin"]);
});

Deno.test("FileTransfers carry an empty file", async () => {
  using folder = tempFolder();
  await using pair = await ChatPair.link();
  const { path } = await makeFile(folder.path, "empty", 0);
  await pair.joined.chat.files.offer(path);
  await pair.atAna.until("offered");
  await pair.hosted.chat.files.accept();
  assert.equal((await Deno.readFile((await pair.atAna.until("done")).path!)).length, 0);
});

Deno.test("FileTransfers refuse and cancel, from either side, and leave nothing behind", async () => {
  using folder = tempFolder();
  await using pair = await ChatPair.link({ isCuttable: true });
  const [ana, bob] = [pair.hosted.chat, pair.joined.chat];
  const { path } = await makeFile(folder.path, "big.bin", 3_000_000);
  await ana.files.offer(path);
  await pair.atBob.until("offered");
  bob.files.refuse();
  assert.equal((await pair.atAna.until("failed", ({ isOurs }) => !isOurs)).reason, "refused");
  for (const canceller of [ana, bob]) {
    pair.atAna.shown.length = 0;
    pair.atBob.shown.length = 0;
    await ana.files.offer(path);
    await pair.atBob.until("offered");
    await bob.files.accept();
    pair.cable.clog();
    canceller.files.cancel();
    pair.cable.unclog();
    assert.equal((await pair.atAna.until("failed")).reason, "cancelled");
    assert.equal((await pair.atBob.until("failed")).reason, "cancelled");
  }
  await bob.say("all is well");
  await ana.files.offer(path);
  await pair.atBob.until("offered");
  assert.throws(() => bob.files.cancel(), UsageError);
  await assert.rejects(ana.files.offer(path), /on its way/);
  await ana.bye();
  await bob.ended;
  assert.deepEqual(await namesIn(pair.folderOf("bob")), []);
});

Deno.test("FileTransfers say what is wrong with a file that cannot be sent", async () => {
  using folder = tempFolder();
  await using pair = await ChatPair.link();
  const { files } = pair.joined.chat;
  await assert.rejects(files.offer(join(folder.path, "none")), /Cannot send .*none: there is no such file/);
  await assert.rejects(files.offer(folder.path), /it is not a file/);
  await assert.rejects(files.accept(), /no file is offered/);
  assert.throws(() => files.refuse(), /no file is offered/);
});

Deno.test("FileTransfers go on after cuts in the middle, with nothing twice", async () => {
  using folder = tempFolder();
  await using pair = await ChatPair.link({ isCuttable: true });
  const { path, bytes } = await makeFile(folder.path, "long.bin", 6_000_000);
  await pair.hosted.chat.files.offer(path);
  await pair.atBob.until("offered");
  await pair.joined.chat.files.accept();
  for (const share of [0.2, 0.5, 0.8]) {
    await pair.atBob.until("progress", ({ doneBytes }) => doneBytes > bytes.length * share);
    pair.cable.cut();
  }
  assert.deepEqual(await Deno.readFile((await pair.atBob.until("done")).path!), bytes);
  assert.ok(pair.cable.calls > 1);
});

Deno.test("FileTransfers go on in a new chat where the last one broke off", async () => {
  using folder = tempFolder();
  using downloads = tempFolder();
  const { path, bytes } = await makeFile(folder.path, "resumed.bin", 4_000_000);
  {
    await using pair = await ChatPair.link({ isCuttable: true, joiner: { downloadFolder: downloads.path } });
    await pair.hosted.chat.files.offer(path);
    await pair.atBob.until("offered");
    await pair.joined.chat.files.accept();
    await pair.atBob.until("progress", ({ doneBytes }) => doneBytes > 1_000_000);
    pair.cable.leadTo(null);
    pair.cable.cut();
    await pair.joined.chat.bye();
    assert.equal((await pair.atBob.until("failed")).reason, "ended");
    await pair.hosted.close();
    assert.equal((await pair.atAna.until("failed")).reason, "ended");
    assert.deepEqual([pair.hosted.chat.tally.filesUnsent, pair.joined.chat.tally.filesUnsent], [1, 0]);
  }
  const [part = ""] = await namesIn(downloads.path);
  assert.match(part, /^\.resumed\.bin\..*\.part$/);
  await using pair = await ChatPair.link({ joiner: { downloadFolder: downloads.path } });
  await pair.hosted.chat.files.offer(path);
  await pair.atBob.until("offered");
  await pair.joined.chat.files.accept();
  const done = await pair.atBob.until("done");
  const first = await pair.atBob.until("progress");
  assert.ok(first.resumedBytes > 1_000_000, `${first.resumedBytes} bytes were there`);
  assert.deepEqual(await Deno.readFile(done.path!), bytes);
  assert.deepEqual(await namesIn(downloads.path), ["resumed.bin"]);
});

Deno.test("FileTransfers throw away what arrives with the wrong SHA-256", async () => {
  using folder = tempFolder();
  await using pair = await ChatPair.link();
  const { path } = await makeFile(folder.path, "changing.bin", 500_000);
  await pair.hosted.chat.files.offer(path);
  await pair.atBob.until("offered");
  const file = await Deno.open(path, { write: true });
  await file.write(new TextEncoder().encode("changed meanwhile"));
  file.close();
  await pair.joined.chat.files.accept();
  assert.equal((await pair.atBob.until("failed")).reason, "damaged");
  assert.equal((await pair.atAna.until("failed")).isOurs, false);
  assert.deepEqual(await namesIn(pair.folderOf("bob")), []);
});

Deno.test("FileTransfers save no file outside the download folder, hidden, or over another", async () => {
  using folder = tempFolder();
  await using pair = await ChatPair.link();
  const { channel } = pair.hosted.chat;
  const sha256 = "47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU"; // of nothing
  const names = [
    "../../.bashrc",
    "/etc/passwd",
    "C:\\evil.exe",
    "..",
    ".hidden",
    "con.txt",
    "a\u202Egnp.exe",
    "twice",
    "twice",
  ];
  for (const [index, name] of names.entries()) {
    channel.send("file_offer", { file: `f${index}`, name, bytes: 0, sha256 });
    await pair.atBob.until(
      "offered",
      () => pair.atBob.shown.filter(({ kind }) => kind === "offered").length > index,
    );
    await pair.joined.chat.files.accept();
  }
  assert.deepEqual(await namesIn(pair.folderOf("bob")), [
    "_con.txt",
    "agnp.exe",
    "bashrc",
    "evil.exe",
    "file",
    "hidden",
    "passwd",
    "twice",
    "twice (2)",
  ]);
  assert.deepEqual(await namesIn(folder.path), []);
});

Deno.test("FileTransfers refuse a second file at once, and more bytes than were offered", async () => {
  await using pair = await ChatPair.link();
  const { channel } = pair.hosted.chat;
  const sha256 = "A".repeat(43);
  await channel.send("file_offer", { file: "one", name: "one", bytes: 3, sha256 });
  await channel.send("file_offer", { file: "two", name: "two", bytes: 3, sha256 });
  assert.equal(pair.atBob.shown.filter(({ kind }) => kind === "offered").length, 1);
  await pair.joined.chat.files.accept();
  channel.send("file_chunk", { file: "one", data: btoa("four") }).catch(() => {});
  const end = await pair.joined.chat.ended;
  assert.equal(end.kind, "protocol");
  assert.match(end.message, /more of a file than it said/);
});

Deno.test("FileTransfers take no answer to a file that was withdrawn for one that stands in its place", async () => {
  await using pair = await ChatPair.link();
  const { channel } = pair.hosted.chat;
  const { files } = pair.joined.chat;
  const sha256 = "47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU"; // of nothing
  await channel.send("file_offer", { file: "one", name: "photo.jpg", bytes: 0, sha256 });
  await channel.send("file_failed", { file: "one", reason: "cancelled" });
  await channel.send("file_offer", { file: "two", name: "evil.exe", bytes: 0, sha256 });
  await assert.rejects(files.accept(), /no file is offered/);
  const { number } = await pair.atBob.until("offered", ({ name }) => name === "evil.exe");
  await assert.rejects(files.accept(), /what is offered now is evil\.exe, and "\/accept 2" takes that/);
  await assert.rejects(files.accept(1), /Cannot accept file 1: what is offered now is evil\.exe/);
  assert.deepEqual(await namesIn(pair.folderOf("bob")), []);
  await files.accept(number);
  await pair.atBob.until("done", ({ name }) => name === "evil.exe");
  await channel.send("file_offer", { file: "three", name: "next", bytes: 0, sha256 });
  await pair.atBob.until("offered", ({ name }) => name === "next");
  await files.accept();
  await pair.atBob.until("done", ({ name }) => name === "next");
});

Deno.test("FileTransfers once let another chat write into a file that was on its way", async () => {
  using downloads = tempFolder();
  const joiner = { downloadFolder: downloads.path };
  await using pair = await ChatPair.link({ joiner });
  await using other = await ChatPair.link({ joiner });
  const sha256 = "ungWv48Bz-pBQUDeXa4iI7ADYaOWF3qctBD_YfIAFa0"; // of "abc"
  const offer = { file: "one", name: "a.txt", bytes: 3, sha256 };
  for (const { hosted, atBob } of [pair, other]) {
    await hosted.chat.channel.send("file_offer", offer);
    await atBob.until("offered");
  }
  await pair.joined.chat.files.accept();
  await pair.hosted.chat.channel.send("file_chunk", { file: "one", data: btoa("ab") });
  await assert.rejects(other.joined.chat.files.accept(), /the same file is on its way in another chat/);
  await other.hosted.chat.channel.send("file_chunk", { file: "one", data: btoa("zz") });
  await pair.hosted.chat.channel.send("file_chunk", { file: "one", data: btoa("c") });
  assert.equal(await Deno.readTextFile((await pair.atBob.until("done")).path!), "abc");
});

Deno.test("FileTransfers show little of a flood of offers that are withdrawn at once", async () => {
  await using pair = await ChatPair.link();
  const { channel } = pair.hosted.chat;
  for (let index = 0; index < 500; index++) {
    const file = `f${index}`;
    channel.send("file_offer", { file, name: file, bytes: 3, sha256: "A".repeat(43) });
    await channel.send("file_failed", { file, reason: "cancelled" });
  }
  const { length } = pair.atBob.shown.filter(({ kind }) => kind === "offered" || kind === "failed");
  assert.ok(length >= 2 && length <= 10, `${length} lines were shown`);
  await pair.joined.chat.say("the chat goes on");
});

testWith(
  SMALL_DISK,
  "FileTransfers say so when the disk is full, and free it again",
  async () => {
    using folder = tempFolder();
    using disk = tempFolder();
    using _mounted = mountSmallDisk(disk.path, 1024 * 1024);
    await using pair = await ChatPair.link({ joiner: { downloadFolder: disk.path } });
    const { path } = await makeFile(folder.path, "too-big.bin", 3_000_000);
    await pair.hosted.chat.files.offer(path);
    await pair.atBob.until("offered");
    await pair.joined.chat.files.accept();
    assert.equal((await pair.atBob.until("failed")).reason, "disk_full");
    assert.equal((await pair.atAna.until("failed")).reason, "disk_full");
    await pair.joined.chat.say("the chat goes on");
    const { path: small, bytes } = await makeFile(folder.path, "small.bin", 500_000);
    await pair.hosted.chat.files.offer(small);
    await pair.atBob.until("offered", ({ name }) => name === "small.bin");
    await pair.joined.chat.files.accept();
    assert.deepEqual(await Deno.readFile((await pair.atBob.until("done")).path!), bytes);
  },
);

Deno.test("FileTransfers end when the friend's side stops taking pieces, and the chat with it", async () => {
  using folder = tempFolder();
  await using pair = await ChatPair.link({
    isCuttable: true,
    host: { stallMs: 1_000, comeBackWithinMs: 1_500 },
    joiner: { comeBackWithinMs: 1_500 },
  });
  const { path } = await makeFile(folder.path, "stuck.bin", 8_000_000);
  await pair.hosted.chat.files.offer(path);
  await pair.atBob.until("offered");
  await pair.joined.chat.files.accept();
  await pair.atBob.until("progress", ({ doneBytes }) => doneBytes > 500_000);
  pair.cable.clog();
  pair.cable.leadTo(null);
  assert.match((await pair.atAna.until("lost")).why, /took nothing/);
  assert.equal((await pair.hosted.chat.ended).kind, "lost");
  pair.cable.unclog();
  await pair.joined.chat.ended;
});
