import assert from "node:assert/strict";
import { accountCommands } from "../../lib/commands/chat/account.ts";
import { connect, connectOption, disconnectOption } from "../../lib/commands/chat/connect.ts";
import { historyCommand } from "../../lib/commands/chat/history.ts";
import { inboxOption } from "../../lib/commands/chat/inbox.ts";
import { adviseToSend, sendOption } from "../../lib/commands/chat/send.ts";
import { usersOption } from "../../lib/commands/chat/users.ts";
import type { RunningServer } from "../../lib/server/serve.ts";
import { Menu } from "../../lib/terminal/menu.ts";
import { CuttableProxy } from "../helpers/cuttable_proxy.ts";
import { ChatDesk, PASSWORD, startLocalServer } from "../helpers/chat_desk.ts";
import { tempFolder } from "../helpers/temp_folder.ts";
import { waitUntil } from "../helpers/wait_until.ts";

/** Somebody registered and sitting at the menu. */
async function sitDown(
  server: Pick<RunningServer, "inviteLink">,
  name: string,
): Promise<ChatDesk & { readonly left: Promise<void> }> {
  const desk = new ChatDesk();
  await desk.register(server.inviteLink, name);
  const { app, tty: { terminal } } = desk;
  const commands = [
    connectOption(app),
    usersOption(app),
    sendOption(app),
    inboxOption(app),
    disconnectOption(app),
    historyCommand(app),
    ...accountCommands(app),
  ];
  const menu = new Menu({
    terminal,
    commands,
    prompt: () => app.prompt(),
    advise: (word) => adviseToSend(app, word),
  });
  return Object.assign(desk, { left: menu.run() });
}

Deno.test("the options: two people see, write, read, block and leave", async () => {
  using folder = tempFolder();
  await using server = await startLocalServer(folder.path);
  await using ana = await sitDown(server, "ana");
  await using bob = await sitDown(server, "bob");

  await ana.screen.answers(["ana>", "1"]);
  await ana.screen.sees("bob  online");
  await ana.screen.sees("2 users");

  await ana.screen.answers(["ana>", "bob are you there?"]);
  await ana.screen.sees("There is no command bob. To write to bob, type send bob and the text.");
  await ana.screen.answers(["ana>", 'send @Bob Привет, "мир"!']);
  await ana.screen.sees("Sent: it is in bob's mailbox.");
  await bob.screen.sees('* ana: Привет, "мир"!');
  await ana.screen.sees("bob has received your message.");
  await bob.screen.answers(["bob (1 new)>", "3"]);
  await bob.screen.sees('  Привет, "мир"!');
  await bob.screen.sees("1 message");
  await bob.screen.answers(["bob>", "inbox"]);
  await bob.screen.sees("No new messages.");

  await ana.screen.answers(["ana>", "2"], ["To:", "nobody"]);
  await ana.screen.sees("Cannot send to nobody: no such user");
  await ana.screen.answers(["ana>", "2"], ["To:", "Bob"], ["Text:", "second"]);
  await ana.screen.sees("Sent: it is in bob's mailbox.");
  await ana.screen.answers(["ana>", "send bob"], ["Text:", ""]);
  await ana.screen.sees("Nothing was sent");

  await ana.screen.answers(["ana>", "history bob"]);
  await ana.screen.sees("delivered");
  await ana.screen.sees("  second");
  await bob.screen.answers(["bob (1 new)>", "settings read-receipts on address bob@example.org"]);
  await bob.screen.sees("read-receipts on");
  await bob.screen.answers(["bob (1 new)>", "3"]);
  await ana.screen.sees("bob has read your message.");
  await ana.screen.answers(["ana>", "1"]);
  await ana.screen.sees("bob@example.org");

  await bob.screen.answers(["bob>", "block ana"]);
  await bob.screen.sees("Blocked ana");
  await ana.screen.answers(["ana>", "send bob hello?"]);
  await ana.screen.sees("bob takes no messages from you");
  await bob.screen.answers(["bob>", "block"], ["Blocked: ana", ""], ["bob>", "unblock ana"]);
  await bob.screen.sees("ana can write to you again.");
  await ana.screen.answers(["ana>", "history nobody"]);
  await ana.screen.sees("nobody");

  await ana.screen.answers(["ana>", "7"]);
  await ana.screen.sees("Goodbye.");
  await ana.left;
});

Deno.test("password and logout: the old login ends, the next visit asks", async () => {
  using folder = tempFolder();
  await using server = await startLocalServer(folder.path);
  await using ana = await sitDown(server, "ana");
  const newPassword = "battery staple";
  await ana.screen.answers(
    ["ana>", "password"],
    ["Old password:", PASSWORD],
    ["New password:", newPassword],
    ["Once more:", newPassword],
  );
  await ana.screen.sees("Changed.");
  ana.app.profile.addHistory("send bob what nobody else should read");
  await ana.screen.answers(["ana>", "logout"]);
  await ana.screen.sees("Logged out.");
  assert.deepEqual(ana.app.profile.listHistory(), []);
  await ana.screen.answers(["mini-chat>", "1"]);
  await ana.screen.sees("Cannot do that before you are connected");
  const connecting = connect(ana.app, server.inviteLink);
  await ana.screen.answers(["Name:", "ana"], ["Password:", newPassword]);
  await connecting;
  await ana.screen.sees("Connected to 127.0.0.1 as ana.");
});

Deno.test("a restart of the server is one line, however often it restarts", async () => {
  using folder = tempFolder();
  let server = await startLocalServer(folder.path);
  try {
    await using ana = await sitDown(server, "ana");
    const linesWith = (words: string) => ana.tty.screen.text().split(words).length - 1;
    for (let atOnce = 0, restarts = 1; atOnce < 3; restarts++) {
      assert.ok(restarts <= 10, "too slow here to be back within 3 s, as long as which it is one line");
      const linesBefore = linesWith("The server has restarted. Connected again.");
      const troubleBefore = linesWith("Reconnecting");
      const stoppedAt = performance.now();
      await server[Symbol.asyncDispose]();
      server = await startLocalServer(folder.path, { port: server.port });
      await waitUntil("ana is told", () => linesWith("Connected again.") === restarts, 60_000);
      assert.equal(linesWith("restarts…"), 0);
      if (performance.now() - stoppedAt >= 3_000) continue;
      atOnce += 1;
      assert.equal(linesWith("The server has restarted. Connected again."), linesBefore + 1);
      assert.equal(linesWith("Reconnecting"), troubleBefore);
    }
  } finally {
    await server[Symbol.asyncDispose]();
  }
});

Deno.test("what cannot go out now is queued, told, and sent or explained later", async () => {
  using folder = tempFolder();
  await using ana = await (async () => {
    await using server = await startLocalServer(folder.path);
    return await sitDown(server, "ana");
  })();
  const { port } = ana.profile.listServers()[0]!;
  await ana.screen.sees("The server restarts…");
  await ana.screen.sees("has stopped. Reconnecting; anything you write now is saved");
  await ana.screen.answers(["ana (offline)>", "send ana note to self"]);
  await ana.screen.sees("Queued for ana");
  await ana.screen.answers(["ana (offline)>", "send nobody hello"]);
  await ana.screen.sees("Queued for nobody");
  await using _server = await startLocalServer(folder.path, { port });
  await ana.screen.sees("Connected again.", 60_000); // the longer she was away, the longer are the pauses between tries
  await ana.screen.sees("Sent: your queued message to ana");
  await ana.screen.sees("Not sent to nobody");
});

Deno.test("0 connects after a network that showed another key; it once did nothing, and messages waited for a connection that nobody made", async () => {
  using folder = tempFolder();
  await using server = await startLocalServer(`${folder.path}/server`);
  await using portal = await startLocalServer(`${folder.path}/portal`);
  await using proxy = new CuttableProxy(server.port);
  const inviteLink = server.inviteLink.replace(`:${server.port}/`, `:${proxy.port}/`);
  await using ana = await sitDown({ inviteLink }, "ana");
  proxy.leadTo(portal.port);
  proxy.cut();
  await ana.screen.sees("as its key has changed");
  await ana.screen.sees("nothing was sent. 0 connects again.");
  await ana.screen.answers(["ana (offline)>", "send ana note to self"]);
  await ana.screen.sees("once you are connected again: 0 connects.");
  proxy.leadTo(server.port);
  await ana.screen.answers(["ana (offline)>", "0"]);
  await ana.screen.sees("Connected to 127.0.0.1 as ana.");
  await ana.screen.sees("ana (1 new)>");
  // Where it goes on trying by itself, 0 has it try now.
  proxy.leadTo(null);
  proxy.cut();
  await ana.screen.answers(["ana (offline, 1 new)>", "0 elsewhere.example.org"]);
  await ana.screen.sees("Cannot connect to another server while ana waits for a connection");
  await ana.screen.answers(["ana (offline, 1 new)>", "0"]);
  await ana.screen.sees("Connecting to 127.0.0.1 as ana…");
});

Deno.test("option 3 on a screen that has gone leaves the messages unread", async () => {
  using folder = tempFolder();
  await using server = await startLocalServer(folder.path);
  await using ana = await sitDown(server, "ana");
  await using bob = await sitDown(server, "bob");
  await ana.screen.answers(["ana>", "send bob hello"]);
  await bob.screen.sees("bob (1 new)>");
  bob.tty.type("3");
  await bob.tty.settle();
  bob.tty.isBroken = true;
  bob.tty.type("\r");
  await bob.left;
  assert.equal(bob.app.client().unread.length, 1);
});
