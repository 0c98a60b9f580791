import assert from "node:assert/strict";
import { join } from "node:path";
import { connect } from "../../lib/commands/chat/connect.ts";
import { accountCommands } from "../../lib/commands/chat/account.ts";
import { deleteAccountCommand } from "../../lib/commands/chat/leaving.ts";
import { inboxOption } from "../../lib/commands/chat/inbox.ts";
import { reportCommand } from "../../lib/commands/chat/report.ts";
import { exportCommand } from "../../lib/commands/chat/export.ts";
import { historyCommand } from "../../lib/commands/chat/history.ts";
import { sendOption } from "../../lib/commands/chat/send.ts";
import { usersOption } from "../../lib/commands/chat/users.ts";
import { parseChatFlags } from "../../lib/commands/direct/flags.ts";
import { runHost } from "../../lib/commands/direct/host.ts";
import { joinOption } from "../../lib/commands/direct/join.ts";
import { Interrupt } from "../../lib/terminal/read_line.ts";
import { Menu } from "../../lib/terminal/menu.ts";
import { ChatError } from "../../lib/errors.ts";
import { ChatDesk, PASSWORD } from "../helpers/chat_desk.ts";
import { waitUntil } from "../helpers/wait_until.ts";
import { enterOddServer, knowServer, SIGNS_IN, startOddServer } from "../helpers/odd_server.ts";

Deno.test("Ctrl+C ends what waits for a server that does not answer, and the menu is there again", async () => {
  // Each of these once went on for the 30 s that a reply may take, and an export for as long as it took.
  await using server = await startOddServer({
    ...SIGNS_IN,
    subscribe: (_params, rpc) => {
      const id = crypto.randomUUID();
      rpc.notify("message_received", { sequence: 1, id, from: "bob", text: "Hello", storedAt: 0 });
      return { upTo: 1 };
    },
  });
  await using desk = new ChatDesk();
  await enterOddServer(desk.app, server);
  const { app, profileFolder, tty } = desk;
  const commands = [
    usersOption(app),
    historyCommand(app),
    sendOption(app),
    exportCommand(app),
    joinOption(app),
    inboxOption(app),
  ];
  const left = new Menu({ terminal: tty.terminal, commands, prompt: "menu> " }).run();
  for (
    const line of ["users", "history bob", "send bob", "join bob", `export ${join(profileFolder, "mine")}`]
  ) {
    await desk.screen.answers(["menu>", line]);
    await tty.settle();
    tty.signal("SIGINT");
    await desk.screen.sees("Stopped.", 5_000);
  }
  await desk.screen.answers(["menu>", "inbox"]);
  await desk.screen.sees("Hello");
  tty.signal("SIGINT");
  await desk.screen.sees("Stopped.", 5_000);
  tty.type("\x04");
  await left;
  assert.ok(app.isOnline);
  server.cut(); // it would wait for its answers
});

Deno.test("Ctrl+C ends the wait for what the server is to change, and says that nobody knows whether it did", async () => {
  let isOut = false;
  await using server = await startOddServer({
    ...SIGNS_IN,
    resume: () => {
      if (!isOut) return SIGNS_IN.resume();
      throw new ChatError("unauthenticated", "Cannot resume: this login has ended");
    },
    subscribe: () => ({ upTo: 0 }),
    fetch_history: () => ({ messages: [], next: null }),
  });
  await using desk = new ChatDesk();
  await enterOddServer(desk.app, server);
  const { app, tty, screen } = desk;
  const commands = [...accountCommands(app), reportCommand(app), deleteAccountCommand(app)];
  const left = new Menu({ terminal: tty.terminal, commands, prompt: "menu> " }).run();
  const changes: [string, [string, string][], string, string][] = [
    ["block bob", [], "bob was blocked", "block lists whom you have blocked"],
    ["unblock bob", [], "bob was unblocked", "block lists whom you have blocked"],
    ["settings address none", [], "that was set", "settings shows what is set"],
    ["report bob spam", [], "the report has arrived", "reporting again makes a second one at worst"],
    ["logout", [], "you are logged out", "log out again"],
    [
      "password",
      [["Old password:", PASSWORD], ["New password:", "new horse 1"], ["Once more:", "new horse 1"]],
      "your password was changed",
      "password takes the old one only where it was not",
    ],
    [
      "delete-account",
      [["Type the name", "ana"], ["Password of ana:", PASSWORD]],
      "ana was deleted",
      "a deleted account cannot log in",
    ],
  ];
  for (const [line, answers, what, look] of changes) {
    await screen.answers(["menu>", line], ...answers);
    await screen.sees("Waiting for the server…");
    tty.signal("SIGINT");
    await screen.sees(`Cannot tell whether ${what}: the server has not answered yet`, 5_000);
    await screen.sees(look);
  }
  // To look at the settings changes nothing.
  await screen.answers(["menu>", "settings"]);
  await screen.sees("Waiting for the server…");
  tty.signal("SIGINT");
  await screen.sees("Stopped.", 5_000);
  // What has happened meanwhile is no matter of the person's patience.
  await screen.answers(["menu>", "block bob"]);
  await screen.sees("Waiting for the server…");
  isOut = true; // and the server has logged out
  server.cut();
  await screen.sees("Cannot tell whether bob was blocked: the connection was lost", 5_000);
  const { key } = app.account!;
  assert.equal(desk.profile.findLogin(key)?.token, "token");
  await waitUntil("the login has ended", () => app.account!.ended.aborted);
  await screen.answers(["menu>", "logout"]);
  await screen.sees("Logged out. The copy of your messages on this disk is removed");
  assert.equal(desk.profile.findLogin(key)?.token, null);
  tty.type("\x04");
  await left;
});

Deno.test("Ctrl+C while the server makes an account says that nobody knows whether it has", async () => {
  await using server = await startOddServer({
    ...SIGNS_IN,
    hello: () => ({ ...SIGNS_IN.hello(), registration: "open" }),
    login: () => {
      throw new ChatError("unauthenticated", "Cannot log in: the name or the password is wrong");
    },
  });
  await using desk = new ChatDesk();
  const { serverId, host, port } = knowServer(desk.app, server);
  desk.profile.forgetAccount({ serverId, name: "ana" });
  const connecting = connect(desk.app, `${host}:${port}`);
  const failed = assert.rejects(
    connecting,
    /Cannot tell whether the account eve was made: the server has not answered yet. Connect again with/,
  );
  await desk.screen.answers(
    ["Name:", "eve"],
    ["Password:", PASSWORD],
    ["Make a new account", "y"],
    ["Once more:", PASSWORD],
  );
  await desk.screen.sees("Registering as eve");
  desk.tty.signal("SIGINT");
  await failed;
});

Deno.test("Ctrl+C ends the opening of a direct chat, and what the server does about it later is taken back", async () => {
  const [asked, answer, closed] = Array.from({ length: 3 }, () => Promise.withResolvers<unknown>());
  await using server = await startOddServer({
    ...SIGNS_IN,
    subscribe: () => ({ upTo: 0 }),
    open_chat: (chat) => {
      asked!.resolve(chat);
      return answer!.promise;
    },
    close_chat: (chat) => {
      closed!.resolve(chat);
      return {};
    },
  });
  await using desk = new ChatDesk();
  await enterOddServer(desk.app, server);
  const stop = new AbortController();
  const hosting = runHost(desk.app, parseChatFlags("bob"), stop.signal);
  const { chatId } = await asked!.promise as { chatId: string };
  stop.abort(new Interrupt());
  await assert.rejects(hosting, Interrupt);
  answer!.resolve({ seenAddress: "127.0.0.1", isFriendOnline: false });
  assert.deepEqual(await closed!.promise, { chatId });
});
