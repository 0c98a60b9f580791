/**
 * Notifications of the real client: the bytes that a terminal gets, and the command of a person.
 * @module
 */
import assert from "node:assert/strict";
import { join } from "node:path";
import { connectAs } from "../helpers/accounts.ts";
import { clientCommand, startServer } from "../helpers/mini_chat.ts";
import { testWith } from "../helpers/needs.ts";
import { Person } from "../helpers/person.ts";
import { runOnPty } from "../helpers/pty.ts";
import { tempFolder } from "../helpers/temp_folder.ts";
import { waitUntil } from "../helpers/wait_until.ts";

const FOCUS_ON = "\x1b[?1004h", FOCUS_OFF = "\x1b[?1004l";

testWith(
  ["unix", { command: "python3" }],
  "at a terminal: a message calls the person in another window, and the terminal is left without focus reports",
  async () => {
    using folder = tempFolder();
    await using server = await startServer({ data: `${folder.path}/data` });
    const ana = new Person("ana", folder.path);
    await ana.settleIn(server);
    await using bob = await connectAs(server, "bob");
    const { command, args } = clientCommand();
    let isOver = false;
    const screen = runOnPty([command, ...args, "--profile", ana.profile], [
      { wait: FOCUS_ON },
      { wait: "> " },
      { keys: "half\x1b[O" }, // somebody leaves in the middle of a line
      { wait: "\x1b]9;Mini-Chat: bob: " },
      { keys: "\x1b[I\x1a" }, // Ctrl+Z, and the shell has it go on
      { wait: FOCUS_OFF },
      { wait: "[stopped]" },
      { wait: FOCUS_ON },
      { keys: "\x15password\r" },
      { wait: FOCUS_OFF },
      { wait: "Old password: " },
      { keys: "\x03" },
      { wait: "> " },
      { keys: "7\r" },
    ], { env: { TERM: "xterm-kitty", TMUX: "", STY: "" } }).finally(() => isOver = true);
    for (let number = 1; !isOver; number++) {
      await bob.ask("send_message", { id: crypto.randomUUID(), to: "ana", text: `no. ${number}` });
      await new Promise((resolve) => setTimeout(resolve, 100)); // until she has left
    }
    const { output, code } = await screen;
    assert.equal(code, 0, output.slice(-2000));
    assert.ok(output.lastIndexOf(FOCUS_OFF) > output.lastIndexOf(FOCUS_ON));
    assert.doesNotMatch(output, /\[I|\[O|\]9;.*\]9;/);
  },
);

testWith(
  ["unix"],
  "in scripts: tail calls nobody unless asked, and then by the person's command with JSON on its input",
  async () => {
    using folder = tempFolder();
    await using server = await startServer({ data: `${folder.path}/data` });
    const ana = new Person("ana", folder.path);
    await ana.settleIn(server);
    await using bob = await connectAs(server, "bob");
    const refused = await ana.run(["tail", "--notify"]);
    assert.deepEqual([refused.code, refused.stderr.includes("no terminal")], [2, true]);
    const log = join(folder.path, "log");
    await ana.must(["notify", "command", `cat >> '${log}'`]);
    await ana.must(["notify", "carol", "off"]);
    const { at: _at, ...state } = JSON.parse(await ana.must(["notify", "--json"]));
    assert.deepEqual(state, {
      on: true,
      how: "command",
      command: `cat >> '${log}'`,
      quiet: null,
      hideText: false,
      conversations: { carol: false },
    });
    await ana.must(["notify", "test"]);
    assert.equal(JSON.parse(await Deno.readTextFile(log)).from, "Mini-Chat");
    const text = "it's $(touch x); `quoted`\nand \x1b]0;more";
    const send = () => bob.ask("send_message", { id: crypto.randomUUID(), to: "ana", text });
    {
      await using tail = ana.start(["tail"]);
      await send();
      await tail.waitForLine(/quoted/);
    }
    await using tail = ana.start(["tail", "--json", "--notify"]);
    await send();
    await tail.waitForLine(/quoted/);
    await waitUntil("the command was run", () => Deno.readTextFileSync(log).split("\n").length === 3);
    const notice = JSON.parse((await Deno.readTextFile(log)).trim().split("\n").at(-1)!);
    assert.deepEqual([notice.kind, notice.from, notice.text, typeof notice.at], [
      "message",
      "bob",
      text,
      "number",
    ]);
  },
);
