/**
 * The menu, typed at for real: the first visit, every wrong thing a person can do, a pasted page, a tiny window, a pipe.
 * @module
 */
import assert from "node:assert/strict";
import { connectAs, PASSWORD } from "../helpers/accounts.ts";
import { clientCommand, startServer } from "../helpers/mini_chat.ts";
import { testWith } from "../helpers/needs.ts";
import { Person } from "../helpers/person.ts";
import { runOnPty } from "../helpers/pty.ts";
import { tempFolder } from "../helpers/temp_folder.ts";

const CTRL_C = "\x03", CTRL_D = "\x04";

/** What a terminal sends when text is pasted (bracketed paste). */
function pasted(text: string): string {
  return `\x1b[200~${text}\x1b[201~`;
}

function clientArgv(...args: string[]): string[] {
  const { command, args: first } = clientCommand();
  return [command, ...first, ...args];
}

testWith(
  ["unix", { command: "python3" }],
  "at a terminal: the first visit, Ctrl+C at each prompt, wrong commands, a pasted page, Ctrl+D",
  async () => {
    using folder = tempFolder();
    await using server = await startServer({ data: `${folder.path}/data` });
    const profile = `${folder.path}/profile`;
    const page = "0123456789abcdef".repeat(1024); // 16 KiB, the longest text there is
    const { output, code, modes } = await runOnPty(clientArgv("--profile", profile, server.inviteLink), [
      { wait: "Name: " },
      { keys: "ana\r" },
      { wait: "Password: " },
      { keys: `${PASSWORD}\r` },
      { wait: "Make a new account?" },
      { keys: "\r" },
      { wait: "Once more: " },
      { keys: `${PASSWORD}\r` },
      { wait: "Connected to" },
      { wait: "ana> " },
      { keys: "frobnicate\r" },
      { wait: "There is no command frobnicate" },
      { wait: "ana> " },
      { keys: "9\r" },
      { wait: "There is no command 9" },
      { wait: "ana> " },
      { keys: `half a line${CTRL_C}` },
      { wait: "ana> " },
      { keys: "send\r" },
      { wait: "To: " },
      { keys: CTRL_C },
      { wait: "ana> " },
      { keys: "send ana\r" },
      { wait: "Text: " },
      { keys: CTRL_C },
      { wait: "ana> " },
      { keys: "send nobody hello\r" },
      { wait: "nobody" },
      { wait: "ana> " },
      { keys: "send ana\r" },
      { wait: "Text: " },
      { keys: pasted(page + "x") },
      { keys: "\r" },
      { wait: "at most 16384 bytes" },
      { wait: "ana> " },
      { keys: "send ana\r" },
      { wait: "Text: " },
      { keys: pasted(page) },
      { keys: "\r" },
      { wait: "Sent: it is in ana's mailbox." },
      { keys: "password\r" },
      { wait: "Old password: " },
      { keys: CTRL_C },
      { wait: "> " },
      { keys: CTRL_D },
    ]);
    assert.equal(code, 0, output.slice(-2000));
    assert.deepEqual(modes, { echo: true, canonical: true });
    assert.ok(!output.includes(PASSWORD), "the password must never be on the screen");

    const ana = new Person("ana", folder.path);
    await ana.login(server.inviteLink);
    assert.deepEqual(await ana.inbox(), [page], "the page arrives whole, once");
  },
);

testWith(
  ["unix", { command: "python3" }],
  "a window 20 columns wide shows everything, in more lines",
  async () => {
    using folder = tempFolder();
    await using server = await startServer({ data: `${folder.path}/data` });
    await using bob = await connectAs(server, "bob");
    const ana = new Person("ana", folder.path);
    await ana.settleIn(server);
    const text = "The quick brown fox jumps over the lazy dog.";
    await bob.ask("send_message", { id: crypto.randomUUID(), to: "ana", text });
    const argv = clientArgv("--profile", ana.profile, server.inviteLink);
    const { output, code } = await runOnPty(argv, [
      { wait: "1 new" },
      { wait: "> " },
      { keys: "3\r" },
      { wait: "lazy" },
      { wait: "> " },
      { keys: "help send\r" },
      { wait: "Send" },
      { wait: "> " },
      { keys: "7\r" },
      { wait: "Goodbye" },
    ], { size: [20, 10], env: { NO_COLOR: "1" } });
    assert.equal(code, 0, output);
    // deno-lint-ignore no-control-regex
    const shown = output.replace(/\x1b\[[0-9;?]*[A-Za-z]/g, "").replace(/\s+/g, "");
    assert.ok(shown.includes(text.replace(/\s+/g, "")), output);
    const hosting = await runOnPty(clientArgv("--profile", ana.profile, "chat", "host", "bob"), [
      { wait: "Waiting" },
      { keys: CTRL_C },
      { wait: "listens any" },
    ], { size: [20, 10], env: { NO_COLOR: "1" } });
    assert.match(hosting.output, /The invitation is\r+\ntaken back; nothing\r+\nlistens any more\./);
  },
);

testWith(
  ["unix", { command: "python3" }],
  "at a terminal: a saved login connects by itself; without one, 1 at the question for a server is the option",
  async () => {
    using folder = tempFolder();
    await using server = await startServer({ data: `${folder.path}/data` });
    const ana = new Person("ana", folder.path);
    await ana.settleIn(server);
    const argv = clientArgv("--profile", ana.profile);
    const { output, code } = await runOnPty(argv, [
      { wait: "Connected to 127.0.0.1 as ana." },
      { wait: "ana> " },
      { keys: "logout\r" },
      { wait: "Logged out." },
      { keys: "0\r" },
      { wait: `Server or invite link [127.0.0.1:${server.port}]` },
      { keys: "1\r" },
      { wait: "Cannot do that before you are connected" },
      { wait: "mini-chat> " },
      { keys: "7\r" },
      { wait: "Goodbye" },
    ]);
    assert.equal(code, 0, output);
    const again = await runOnPty(argv, [
      { wait: "Server or invite link" },
      { keys: "users\r" },
      { wait: "Cannot do that before you are connected" },
      { keys: CTRL_D },
    ]);
    assert.equal(again.code, 0, again.output);
  },
);

Deno.test("in a pipe: a saved login connects by itself, text travels untouched, wrong lines are answered, the end of input leaves", async () => {
  using folder = tempFolder();
  await using server = await startServer({ data: `${folder.path}/data` });
  await using bob = await connectAs(server, "bob");
  await bob.ask("subscribe", {});
  const ana = new Person("ana", folder.path);
  await ana.settleIn(server);
  await using client = ana.start([]);
  await client.waitForLine(/^Connected to /);
  await client.writeLine("0");
  await client.waitForLine(/You are connected to 127\.0\.0\.1 as ana/);

  const texts = [
    'Привет, "мир"!',
    "it's  two  spaces — and `ticks` $HOME \\n",
    "👩‍👩‍👧 e\u0301 ﷽",
    "-1 --json ; ls | cat #",
  ];
  for (const text of texts) {
    await client.writeLine(`send bob ${text}`);
    await client.waitForLine(/^Sent: /);
    assert.equal((await bob.event("message_received")).text, text);
  }
  await client.writeLine("");
  await client.writeLine("frobnicate");
  await client.waitForLine(/There is no command frobnicate/);
  await client.writeLine("2 BOB by number, to a name in capitals");
  await client.waitForLine(/^Sent: /);
  assert.equal((await bob.event("message_received")).text, "by number, to a name in capitals");
  await client.writeLine("send nobody hello");
  await client.waitForLine(/nobody/);
  await client.writeLine("send");
  await client.waitForText(/To: /);
  await client.closeInput();
  assert.equal((await client.waitForExit()).code, 0, client.transcript);
});

Deno.test("what others write never reaches the terminal as an escape sequence", async () => {
  using folder = tempFolder();
  await using server = await startServer({ data: `${folder.path}/data` });
  await using bob = await connectAs(server, "bob");
  const ana = new Person("ana", folder.path);
  await ana.settleIn(server);
  await using client = ana.start();
  await client.waitForLine(/^Connected to /);
  const text = "\x1b]0;title\x07\x1b[2J\x9b31mred\u202Eback\r\x08over\x00";
  await bob.ask("send_message", { id: crypto.randomUUID(), to: "ana", text: `start ${text} end` });
  await client.waitForText(/bob: start .*/);
  await client.writeLine("inbox");
  await client.waitForLine(/^1 message$/);
  await client.writeLine("history bob");
  await client.writeLine("disconnect");
  assert.equal((await client.waitForExit()).code, 0);
  // deno-lint-ignore no-control-regex
  assert.doesNotMatch(client.transcript, /[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]/);
  assert.match(client.transcript, /start .*red.* end/);
  for (const printed of [await ana.must(["history", "bob"]), await ana.must(["users"])]) {
    // deno-lint-ignore no-control-regex
    assert.doesNotMatch(printed, /[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e]/);
  }
});
