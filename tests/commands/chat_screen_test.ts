import assert from "node:assert/strict";
import { ChatScreen } from "../../lib/commands/direct/screen.ts";
import { OutputError } from "../../lib/errors.ts";
import type { Route } from "../../lib/protocol/peer_messages.ts";
import { FakeTerminal } from "../helpers/fake_terminal.ts";
import { ChatPair } from "../helpers/chat_pair.ts";
import { testWith } from "../helpers/needs.ts";
import { ScreenReader } from "../helpers/screen_reader.ts";
import { tempFolder } from "../helpers/temp_folder.ts";

const LINES = 1_000;
const LONG = "x".repeat(1_000);

function screenOn(tty: FakeTerminal): ChatScreen {
  const folders = { downloadFolder: "/d", homeFolder: "/h" };
  return new ChatScreen(tty.terminal, { name: "bob", friend: "ana", folders, notify: () => {} });
}

Deno.test("ChatScreen once let lines be ticked that a stopped screen had dropped", async () => {
  let stopped: PromiseWithResolvers<void> | undefined = Promise.withResolvers<void>();
  await using tty = new FakeTerminal({ isScreen: false, beforeWrite: async () => await stopped?.promise });
  const screen = screenOn(tty);
  await using pair = await ChatPair.link();
  pair.atBob.beforeLine = async (text) => await screen.onLine(text);
  let ticks = 0;
  const said = [...Array(LINES).keys()].map(async (number) => {
    await pair.hosted.chat.say(`${number} ${LONG}`);
    ticks += 1;
  });
  // Files and their words go the same way: once this is answered, lines before it would have been.
  await pair.joined.chat.say("is it my screen?");
  assert.equal(ticks, 0);
  stopped.resolve();
  stopped = undefined;
  await Promise.all(said);
  await tty.terminal.flush();
  const shown = tty.screen.text().match(/ana: \d+ x/g) ?? [];
  assert.ok(shown.length > 0);
  assert.deepEqual(pair.atBob.lines, [...Array(LINES).keys()].map((number) => `${number} ${LONG}`));
});

Deno.test("ChatScreen ends the chat when its output fails, and ticks nothing that was not shown", async () => {
  await using tty = new FakeTerminal({ isScreen: false });
  const screen = screenOn(tty);
  await using pair = await ChatPair.link();
  pair.atBob.beforeLine = async (text) => await screen.onLine(text);
  await pair.hosted.chat.say("one");
  tty.isBroken = true;
  await assert.rejects(screen.onLine("two"), OutputError);
  await assert.rejects(pair.hosted.chat.say("three"));
  assert.deepEqual(pair.atBob.lines, ["one"]);
  assert.equal((await pair.joined.chat.ended).kind, "failed");
  assert.equal((await pair.hosted.chat.ended).kind, "closed");
  assert.equal(pair.hosted.chat.tally.linesUndelivered, 1);
});

testWith(
  ["linux"],
  "ChatScreen lets a person write while a large file is read, and cancel that",
  async () => {
    using folder = tempFolder();
    const path = `${folder.path}/large.bin`;
    await Deno.writeTextFile(path, "");
    await Deno.truncate(path, 64 * 2 ** 30); // of no length on the disk, and a minute or more to read
    await using tty = new FakeTerminal();
    const screen = new ScreenReader(tty);
    await using pair = await ChatPair.link();
    const { chat } = pair.joined;
    const running = screenOn(tty).run(chat);
    await screen.sees("bob>");
    tty.type(`/send ${path}\r`);
    tty.type("hello\r");
    await screen.sees(": hello ✓");
    tty.type("/cancel\r");
    assert.equal((await pair.atBob.until("failed")).reason, "cancelled");
    await Deno.truncate(path, 3);
    tty.type(`/send ${path}\r`);
    await screen.sees("Asked ana whether to send");
    await pair.atAna.until("offered");
    tty.type("bye\r");
    await running;
    assert.equal(pair.atAna.shown.filter(({ kind }) => kind === "offered").length, 1);
  },
);

Deno.test("ChatScreen tells a connection that changes all the time in a few lines, and how it is at last", async () => {
  await using tty = new FakeTerminal();
  const screen = screenOn(tty);
  const link = (route: Route, wasLost: boolean) => screen.onLinked({ route, isFirst: false, wasLost });
  screen.onLinked({ route: "relayed", isFirst: true, wasLost: false });
  link("direct, LAN", false);
  for (let i = 0; i < 100; i++) link("direct, LAN", false); // a friend's program may join as often as it likes
  for (let i = 0; i < 100; i++) {
    screen.onLost("the connection was reset");
    link("relayed", true);
  }
  screen.onLost("the connection was reset");
  await new ScreenReader(tty).sees("… the connection changed 197 more times, and is lost now.");
  const said = tty.screen.text();
  assert.equal(said.match(/Switched to a better route/g)?.length, 1);
  assert.equal(said.match(/Connect(ion|ed) to ana/g)?.length, 4);
});
