import assert from "node:assert/strict";
import { ChatError, UsageError } from "../../lib/errors.ts";
import {
  completeFirstWord,
  Menu,
  type MenuCommand,
  type MenuOptions,
  sentenceOf,
} from "../../lib/terminal/menu.ts";
import { FakeTerminal, type FakeTerminalOptions } from "../helpers/fake_terminal.ts";

/** A menu with a few commands, and what they were given. */
function menuOn(fake: FakeTerminal, more: Partial<MenuOptions> = {}): { menu: Menu; runs: string[] } {
  const runs: string[] = [];
  const commands: MenuCommand[] = [
    {
      number: 1,
      name: "users",
      aliases: ["who"],
      summary: "Get the user list",
      run: () => void runs.push("users"),
    },
    {
      number: 2,
      name: "send",
      usage: "USER [TEXT]",
      summary: "Send a message",
      details: "The text may have several lines.",
      complete: (args) => completeFirstWord(args, ["ana", "anton", "bob"]),
      run: (args) => {
        if (args === "") throw new UsageError("Cannot send as no user is named");
        runs.push(`send ${args}`);
      },
    },
    {
      name: "fail",
      usage: "[WHY]",
      summary: "Fail",
      run: (args) => {
        throw args === ""
          ? new ChatError("rate_limited", "too many attempts", { retryAfterMs: 1500 })
          : new Error(args);
      },
    },
    {
      name: "login",
      usage: "[NAME]",
      summary: "Log in",
      isSecret: true,
      run: async (args, { terminal }) => {
        runs.push(`login ${args} ${await terminal.readSecret("Password: ")}`);
      },
    },
    {
      name: "wait",
      summary: "Wait",
      run: (_args, { signal }) =>
        new Promise((_resolve, reject) => signal.addEventListener("abort", () => reject(signal.reason))),
    },
    { number: 7, name: "quit", summary: "Leave", run: (_args, { leave }) => leave() },
  ];
  return { menu: new Menu({ terminal: fake.terminal, commands, prompt: "> ", ...more }), runs };
}

Deno.test("instead() runs a line that was typed at a question of a command, if it is one", async () => {
  await using fake = new FakeTerminal();
  const { menu, runs } = menuOn(fake);
  menu.add({
    name: "ask",
    summary: "Ask",
    run: async (_args, { terminal, instead }) => {
      const answer = await terminal.readLine({ prompt: "Where? ", multiline: false });
      runs.push(`${answer}: ${instead(answer!)}`);
    },
  });
  const left = menu.run();
  await fake.keys("ask\r", "nowhere\r", "ask\r", "2 bob hello\r", "7\r");
  await left;
  assert.deepEqual(runs, ["nowhere: false", "2 bob hello: true", "send bob hello"]);
});

/** Runs a menu on piped lines; returns the output and what ran. */
async function piped(
  lines: string,
  options: FakeTerminalOptions = {},
): Promise<{ output: string; runs: string[] }> {
  await using fake = new FakeTerminal({ isKeyboard: false, isScreen: false, ...options });
  const { menu, runs } = menuOn(fake);
  fake.type(lines, null);
  await menu.run();
  await fake.terminal.flush();
  return { output: fake.screen.written, runs };
}

Deno.test("Menu reaches a command by number, name, alias and in any case of letters", async () => {
  assert.deepEqual((await piped("1\nusers\nwho\n USERS \n2 bob\n")).runs, [
    "users",
    "users",
    "users",
    "users",
    "send bob",
  ]);
});

Deno.test("Menu hands the rest of the line over untouched: punctuation, scripts, quotes, spaces", async () => {
  const texts = [
    'Привет, "мир"!',
    "it's (fine) @all #1 \\n $HOME",
    "  two  spaces ",
    "中文 👍🏽",
    "help 7",
    "constructor",
  ];
  assert.deepEqual(
    (await piped(texts.map((text) => `send bob ${text}\n`).join(""))).runs,
    texts.map((text) => `send bob ${text}`),
  );
});

Deno.test("Menu loses no line that arrives while a command runs", async () => {
  const many = Array.from({ length: 200 }, (_, index) => `send bob ${index}`);
  assert.deepEqual((await piped(many.join("\n"))).runs, many);
});

Deno.test("Menu answers an unknown command with the nearest one, and goes on", async () => {
  const { output, runs } = await piped("sned bob\nuse\nxyzzy\n9\nconstructor\n__proto__\na\u202eb\n1\n");
  assert.match(output, /There is no command sned\. Did you mean send\?\n/);
  assert.match(output, /There is no command use\. Did you mean users\?\n/);
  assert.match(output, /There is no command xyzzy\. Type help for the list of commands\.\n/);
  assert.match(output, /There is no command 9\. The options are 1, 2, 7\.\n/);
  assert.match(output, /There is no command constructor\./);
  assert.match(output, /There is no command a‹U\+202E›b\./);
  assert.deepEqual(runs, ["users"]);
});

Deno.test("Menu prints help from its table", async () => {
  const { output } = await piped("help\nhelp 2\nhelp nothing\n");
  assert.match(
    output,
    / {2}1 {2}users {13}Get the user list\n {2}2 {2}send USER \[TEXT\] {2}Send a message\n/,
  );
  assert.match(
    output,
    /send USER \[TEXT\] \(or 2\)\n {2}Send a message\.\n {2}The text may have several lines\.\n/,
  );
  assert.match(output, /There is no command nothing\./);
});

Deno.test("Menu prints a command's error as a sentence, and goes on", async () => {
  const { output, runs } = await piped("send\nfail\nfail disk full!\n1\n");
  assert.match(output, /✗ Cannot send as no user is named\.\n {2}Usage: send USER \[TEXT\] \(or 2\)\n/);
  assert.match(output, /✗ Too many attempts\. Try again in 2 s\.\n/);
  assert.match(output, /✗ Disk full!\n/);
  assert.deepEqual(runs, ["users"]);
  // A server's words that reorder what stands around them.
  assert.equal(sentenceOf(new ChatError("not_found", "\u202eno\x9b1m")), "‹U+202E›no‹U+009B›1m.");
});

Deno.test("Menu keeps the typed lines through its store, never a secret", async () => {
  await using fake = new FakeTerminal();
  const kept: string[] = [];
  const typedLines = { load: () => ["send bob before"], add: (line: string) => void kept.push(line) };
  const { menu, runs } = menuOn(fake, { typedLines });
  const done = menu.run();
  await fake.keys("\x1b[A", "!\r", "login ana\r", "hunter2\r", "sned\r", "7\r");
  await done;
  assert.deepEqual(runs, ["send bob before!", "login ana hunter2"]);
  assert.deepEqual(kept, ["send bob before!", "sned", "7"]);
});

Deno.test("Menu offers no line again once a command has emptied their store", async () => {
  await using fake = new FakeTerminal();
  const kept = ["send bob before"];
  const typedLines = { load: () => kept, add: (line: string) => void kept.push(line) };
  const { menu, runs } = menuOn(fake, { typedLines });
  menu.add({ name: "logout", summary: "Log out", forgetsLines: true, run: () => void (kept.length = 0) });
  const done = menu.run();
  await fake.keys("send ana hi\r", "logout\r", "\x1b[A\x1b[A", "send bob new\r", "\x04");
  await done;
  assert.deepEqual(runs, ["send ana hi", "send bob new"]);
});

Deno.test("Menu completes names of commands and their first word", async () => {
  await using fake = new FakeTerminal();
  const { menu, runs } = menuOn(fake);
  const done = menu.run();
  await fake.keys("se\t", "bo\t", "hi\r");
  await fake.keys("2 ant\t", "yo\r");
  await fake.keys("send @Bo\t", "ho\r");
  await fake.keys("help us\t\r", "\x04");
  await done;
  assert.deepEqual(runs, ["send bob hi", "send anton yo", "send bob ho"]);
  assert.match(fake.screen.text(), /users \(or 1\)/);
});

Deno.test("Menu at Ctrl+C: a running command stops, a typed line is dropped, an empty one says how to leave", async () => {
  await using fake = new FakeTerminal();
  const { menu } = menuOn(fake);
  const done = menu.run();
  await fake.keys("wait\r");
  fake.signal("SIGINT");
  await fake.settle();
  assert.match(fake.screen.text(), /> wait\nStopped\.\n>$/);
  await fake.keys("abc", "\x03", "\x03");
  assert.match(fake.screen.text(), /> abc\^C\n> \^C\nPress Ctrl\+C again to leave/);
  await fake.keys("login\r", "\x03", "\x04");
  assert.match(fake.screen.text(), /Password: \^C\nStopped\./);
  await done;
});

Deno.test("Menu ends at the second Ctrl+C in a row, and not when something was typed in between", async () => {
  await using fake = new FakeTerminal();
  const { menu, runs } = menuOn(fake);
  let hasEnded = false;
  const done = menu.run().then(() => hasEnded = true);
  await fake.keys("\x03", "send bob hi\r", "\x03");
  assert.equal(hasEnded, false);
  assert.deepEqual(runs, ["send bob hi"]);
  await fake.keys("\x03");
  await done;
});

Deno.test("Menu takes no text for a command that needs nothing behind its name: a pasted page once left", async () => {
  await using fake = new FakeTerminal({ isKeyboard: false, isScreen: false });
  const { menu, runs } = menuOn(fake);
  fake.type("7 of us\n1 of them\nwait for me\n1  \n", null);
  await menu.run();
  await fake.terminal.flush();
  assert.deepEqual(runs, ["users"]);
  assert.match(
    fake.screen.written,
    /✗ Cannot take the words behind quit: it needs none\.\n +Usage: quit \(or 7\)/,
  );
});

Deno.test("Menu gives a line that names no command to the one that takes it, whole", async () => {
  await using fake = new FakeTerminal({ isKeyboard: false, isScreen: false });
  const { menu, runs } = menuOn(fake);
  menu.add({
    name: "call",
    usage: "LINK",
    summary: "Call",
    takes: (line) => line.includes("://"),
    run: (args) => void runs.push(`call ${args}`),
  });
  fake.type("Link x://y z\nsend bob x://y\ncall x://y\nother\n", null);
  await menu.run();
  await fake.terminal.flush();
  assert.deepEqual(runs, ["call Link x://y z", "send bob x://y", "call x://y"]);
  assert.match(fake.screen.written, /There is no command other/);
});

Deno.test("Menu takes more commands later, and refuses names that are taken", async () => {
  await using fake = new FakeTerminal({ isKeyboard: false, isScreen: false });
  const { menu, runs } = menuOn(fake);
  assert.throws(() => menu.add({ name: "send", summary: "", run: () => {} }), RangeError);
  assert.throws(() => menu.add({ name: "других", summary: "", run: () => {} }), RangeError);
  menu.add({
    number: 6,
    name: "email",
    usage: "[RECIPIENTS]",
    summary: "Send an email",
    run: (args) => void runs.push(`email ${args}`),
  });
  fake.type("6 x\nhelp\n", null);
  await menu.run();
  await fake.terminal.flush();
  assert.deepEqual(runs, ["email x"]);
  assert.match(fake.screen.written, /6 {2}email/);
});

Deno.test("Menu is readable on a screen of 20 columns", async () => {
  await using fake = new FakeTerminal({ columns: 20, rows: 30 });
  const { menu } = menuOn(fake, { title: "Mini-Chat" });
  await fake.terminal.print(menu.overview());
  await fake.settle();
  const rows = fake.screen.rows();
  assert.deepEqual(rows.slice(0, 5), [
    "Mini-Chat",
    "1 users",
    "  Get the user list",
    "2 send USER [TEXT]",
    "  Send a message",
  ]);
});

Deno.test("Menu ends when the terminal is closed in the middle", async () => {
  await using fake = new FakeTerminal();
  const { menu } = menuOn(fake);
  const done = menu.run();
  await fake.keys("half a line");
  await fake.terminal[Symbol.asyncDispose]();
  await done;
});
