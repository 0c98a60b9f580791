import assert from "node:assert/strict";
import { Command } from "commander";
import { connect } from "../../lib/commands/chat/connect.ts";
import { addScriptCommands } from "../../lib/commands/program.ts";
import { openAccount } from "../../lib/commands/scripts.ts";
import { sendOnce, sendOption } from "../../lib/commands/chat/send.ts";
import { ChatError, ConnectionError } from "../../lib/errors.ts";
import { newMessageId } from "../../lib/protocol/fields.ts";
import { openProfile } from "../../lib/profile/profile.ts";
import { Interrupt } from "../../lib/terminal/read_line.ts";
import { enterOddServer, knowServer, SIGNS_IN, startOddServer } from "../helpers/odd_server.ts";
import { ChatDesk, startLocalServer } from "../helpers/chat_desk.ts";
import { tempFolder } from "../helpers/temp_folder.ts";
import { waitUntil } from "../helpers/wait_until.ts";

/** How often something stands on the screen. */
function countOf(desk: ChatDesk, text: string): number {
  return desk.tty.screen.text().split(text).length - 1;
}

Deno.test("a message of a program that has ended and that the server refuses is shown, and once", async () => {
  using folder = tempFolder();
  await using server = await startLocalServer(folder.path);
  await using desk = new ChatDesk();
  await desk.register(server.inviteLink, "ana");
  const { key } = desk.app.account!;
  await desk.app.leave();
  {
    using other = openProfile(desk.profileFolder);
    other.recordsOf(key).add({ id: newMessageId(), to: "nobody", text: "are you there" });
  }
  for (let time = 1; time <= 2; time++) {
    await connect(desk.app, `127.0.0.1:${server.port}`);
    const records = desk.profile.recordsOf(key);
    await waitUntil(
      "nothing is left to send or to tell",
      () => records.first() === null && records.listRefused().length === 0,
    );
    if (time === 1) await desk.screen.sees("Not sent to nobody: ");
    assert.equal(countOf(desk, "It began: are you there"), 1);
    await desk.app.leave();
  }
});

Deno.test("a refusal that the option has shown is not shown again at the next connection", async () => {
  using folder = tempFolder();
  await using server = await startLocalServer(folder.path);
  await using desk = new ChatDesk();
  await desk.register(server.inviteLink, "ana");
  const { key } = desk.app.account!;
  const context = {
    terminal: desk.tty.terminal,
    signal: new AbortController().signal,
    leave: () => {},
    instead: () => false,
  };
  await assert.rejects(
    async () => await sendOption(desk.app).run("nobody are you there", context),
    (error: unknown) => error instanceof ChatError && error.code === "not_found",
  );
  assert.deepEqual(desk.profile.recordsOf(key).listRefused(), []);
  await desk.app.leave();
  await connect(desk.app, `127.0.0.1:${server.port}`);
  assert.equal(countOf(desk, "Not sent to"), 0);
});

Deno.test("a message without an answer has the connection looked at: one that a router had forgotten held it up for 45 s", async () => {
  await using server = await startOddServer({
    ...SIGNS_IN,
    subscribe: () => ({ upTo: 0 }),
    send_message: () => new Promise(() => {}),
  });
  await using desk = new ChatDesk();
  await enterOddServer(desk.app, server);
  let looks = 0;
  desk.app.account!.checkConnection = () => looks += 1;
  const { terminal } = desk.tty;
  const context = { terminal, signal: new AbortController().signal, leave: () => {}, instead: () => false };
  await sendOption(desk.app, 50).run("bob are you there", context);
  await desk.screen.sees("Queued for bob");
  assert.equal(looks, 1);
  server.cut();
});

Deno.test("send says why the server has not taken a message, and that it is kept: it once spoke of a lost connection", async () => {
  const full = () => {
    throw new ChatError("unavailable", "The server cannot store anything now: the disk is full", {
      retryAfterMs: 60_000,
    });
  };
  for (
    const [answer, words] of [
      [
        full,
        /^The server cannot store anything now: the disk is full\. The message is saved here and will be sent/,
      ],
      [
        () => new Promise(() => {}),
        /^Cannot tell whether .* stored: the server has not answered yet\. The mess/,
      ],
    ] as const
  ) {
    await using server = await startOddServer({
      ...SIGNS_IN,
      subscribe: () => ({ upTo: 0 }),
      send_message: answer,
    });
    await using desk = new ChatDesk();
    await enterOddServer(desk.app, server);
    const sending = desk.app.client().send("bob", "hello");
    await assert.rejects(desk.app.outcomeOrDisconnect(sending, undefined, 300), (error: Error) => {
      assert.ok(error instanceof ConnectionError);
      assert.match(error.message, words);
      return true;
    });
    assert.equal(desk.app.account!.records.first()?.text, "hello");
    server.cut();
  }
});

Deno.test("send shows that it waits; whoever stops it learns that the message is kept", async () => {
  await using server = await startOddServer({
    ...SIGNS_IN,
    subscribe: () => ({ upTo: 0 }),
    send_message: () => new Promise(() => {}),
  });
  await using desk = new ChatDesk();
  await enterOddServer(desk.app, server);
  const sending = assert.rejects(sendOnce(desk.app, "bob", "hello", { json: false }), Interrupt);
  await desk.screen.sees("Sending to bob… (Ctrl+C stops)");
  desk.tty.signal("SIGINT");
  await sending;
  await desk.screen.sees("The message is saved here and will be sent, only once, at the next connection");
  assert.equal(desk.app.account!.records.first()?.text, "hello");
});

Deno.test("a subcommand tells of a message that was refused after its program had ended, and once", async () => {
  await using server = await startOddServer({ ...SIGNS_IN, subscribe: () => ({ upTo: 0 }) });
  await using desk = new ChatDesk();
  const { serverId } = knowServer(desk.app, server);
  const records = desk.profile.recordsOf({ serverId, name: "ana" });
  const id = newMessageId();
  records.add({ id, to: "bob", text: "are you there" });
  records.refused(id, { code: "mailbox_full", message: "Cannot send as the mailbox is full" });
  for (let time = 1; time <= 2; time++) {
    await openAccount(desk.app, {});
    await desk.tty.terminal.flush();
    assert.equal(
      countOf(desk, "Not sent to bob: Cannot send as the mailbox is full. It began: are you there"),
      1,
    );
    await desk.app.leave();
  }
});

Deno.test("send without a text asks for it at a terminal, where it once waited without a word", async () => {
  using folder = tempFolder();
  await using server = await startLocalServer(folder.path);
  await using desk = new ChatDesk();
  await desk.register(server.inviteLink, "ana");
  await desk.app.leave();
  const program = new Command();
  addScriptCommands(program, (work) => work(desk.app));
  const sending = program.parseAsync(["send", "ana"], { from: "user" });
  await desk.screen.answers(["Text:", "note to self"]);
  await sending;
  await waitUntil("the message is here", () => desk.app.client().unread[0]?.text === "note to self");
});
