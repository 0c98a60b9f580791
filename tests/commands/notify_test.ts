import assert from "node:assert/strict";
import { join } from "node:path";
import { Notifier } from "../../lib/commands/notify/notifier.ts";
import { NoticeCommand } from "../../lib/commands/notify/notice_command.ts";
import { changeNotify } from "../../lib/commands/notify/option.ts";
import { isQuiet, parseQuietHours } from "../../lib/commands/notify/quiet_hours.ts";
import { NotSignedInError, UsageError } from "../../lib/errors.ts";
import { ChatDesk, startLocalServer } from "../helpers/chat_desk.ts";
import { testWith } from "../helpers/needs.ts";
import { tempFolder } from "../helpers/temp_folder.ts";
import { waitUntil } from "../helpers/wait_until.ts";

/** How often the bell was rung. */
function bells(desk: ChatDesk): number {
  return desk.tty.written.split("\x07").length - 1;
}

const AWAY = "\x1b[O", BACK = "\x1b[I";

Deno.test("notify: a message rings in another window, once for a flood, and as each conversation was chosen", async () => {
  using folder = tempFolder();
  await using server = await startLocalServer(folder.path);
  await using ana = new ChatDesk();
  await using bob = new ChatDesk();
  await ana.register(server.inviteLink, "ana");
  await bob.register(server.inviteLink, "bob");
  void ana.tty.terminal.readLine({ prompt: "> " }).catch(() => {});
  const write = async (text: string) => {
    await bob.app.client().send("ana", text).outcome;
    await ana.screen.sees(text);
    await ana.tty.settle();
  };
  await ana.tty.keys(BACK);
  await write("first");
  assert.equal(bells(ana), 0);
  await ana.tty.keys(AWAY);
  await write("second");
  assert.equal(bells(ana), 1);
  for (const text of ["third", "fourth", "fifth"]) await write(text);
  assert.equal(bells(ana), 1);
});

Deno.test("Notifier: on and off, exceptions, quiet hours, hidden texts, and no more than a few at once", async () => {
  using folder = tempFolder();
  await using server = await startLocalServer(folder.path);
  await using ana = new ChatDesk();
  await ana.register(server.inviteLink, "ana");
  let now = new Date(2026, 10, 25, 12, 0).getTime();
  const { terminal } = ana.tty;
  const notifier = new Notifier({
    terminal,
    profile: ana.profile,
    account: () => ana.app.account,
    warn: (line) => assert.fail(line),
    now: () => now,
  });
  const change = (words: string) => changeNotify(ana.app, words, () => ana.app.account!.key);
  /** What is written to the terminal for messages from these people, each from another moment. */
  const written = async (...people: string[]) => {
    now += 60_000;
    const before = ana.tty.written.length;
    for (const from of people) notifier.notifyAnyway({ kind: "message", from, text: `from ${from}` });
    await ana.tty.settle();
    // deno-lint-ignore no-control-regex
    return [...ana.tty.written.slice(before).matchAll(/\x1b\]9;([^\x07]*)\x07/g)].map(([, text]) => text);
  };
  const all = (...people: string[]) => people.map((name) => `Mini-Chat: ${name}: from ${name}`);
  change("how osc9");
  assert.deepEqual(await written("bob", "bob", "carol"), all("bob", "carol"));
  assert.deepEqual(await written("a", "b", "c", "d", "e"), all("a", "b", "c"));
  change("bob off");
  assert.deepEqual(await written("bob", "carol"), all("carol"));
  change("off");
  change("carol on");
  assert.deepEqual(await written("bob", "carol", "dave"), all("carol"));
  change("on");
  change("@bob on");
  assert.deepEqual(await written("bob"), all("bob"));
  change("quiet 11:00-13");
  assert.deepEqual(await written("bob"), []);
  change("quiet off");
  change("hide-text on");
  assert.deepEqual(await written("bob"), ["Mini-Chat: bob: wrote to you"]);
  for (
    const wrong of [
      "how",
      "how loud",
      "command",
      "bob",
      "bob maybe",
      "quiet",
      "quiet 25-7",
      "on bob",
      "hide-text",
    ]
  ) {
    assert.throws(() => change(wrong), UsageError, wrong);
  }
  assert.throws(() =>
    changeNotify(ana.app, "bob off", () => {
      throw new NotSignedInError("nobody");
    }), NotSignedInError);
});

Deno.test("quiet hours go by the clock on the wall, also over midnight", () => {
  const at = (hour: number, minute = 0) => new Date(2026, 10, 25, hour, minute);
  const night = parseQuietHours("22-7:30");
  assert.equal(night, "22:00-07:30");
  assert.deepEqual([[21, 59], [22, 0], [0, 0], [7, 29], [7, 30]].map(([h, m]) => isQuiet(night, at(h!, m))), [
    false,
    true,
    true,
    true,
    false,
  ]);
  assert.deepEqual([8, 9, 16, 17].map((hour) => isQuiet("09:00-17:00", at(hour))), [
    false,
    true,
    true,
    false,
  ]);
  for (const wrong of ["", "22:00", "7-7", "24-7", "22:60-7", "22-7 x"]) {
    assert.throws(() => parseQuietHours(wrong), UsageError, wrong);
  }
});

testWith(
  ["unix"],
  "NoticeCommand hands over JSON, one at a time and the newest of those that waited",
  async () => {
    using folder = tempFolder();
    const [log, gate] = [join(folder.path, "log"), join(folder.path, "gate")];
    const failures: string[] = [];
    const command = new NoticeCommand((why) => failures.push(why));
    const line = `cat >> '${log}'; while [ ! -e '${gate}' ]; do sleep 0.05; done`;
    command.start(line, { from: "$(rm -rf x)`;'\"", n: 1 });
    await waitUntil("the first has begun", () => Deno.stat(log).then(({ size }) => size > 0, () => false));
    command.start(line, { n: 2 });
    command.start(line, { n: 3 });
    await Deno.writeTextFile(gate, "");
    await command.settled;
    const lines = (await Deno.readTextFile(log)).trim().split("\n").map((text) => JSON.parse(text));
    assert.deepEqual(lines, [{ from: "$(rm -rf x)`;'\"", n: 1 }, { n: 3 }]);
    assert.deepEqual(failures, []);
  },
);

testWith(
  ["unix"],
  "NoticeCommand ends a command that takes too long, with all it started, and tells a failure once",
  async () => {
    using folder = tempFolder();
    const pid = join(folder.path, "pid");
    const failures: string[] = [];
    const command = new NoticeCommand((why) => failures.push(why), 300);
    command.start(`sleep 600 & echo $! > '${pid}'; wait`, {});
    await command.settled;
    assert.match(failures.join(), /longer than 0.3 s/);
    const child = (await Deno.readTextFile(pid)).trim();
    await waitUntil("what it started is gone too", async () => {
      const { stdout } = await new Deno.Command("ps", { args: ["-o", "stat=", "-p", child] }).output();
      return /^(Z.*)?$/.test(new TextDecoder().decode(stdout).trim());
    });
    for (const line of ["exit 3", "no-such-program", "exit 4"]) {
      command.start(line, {});
      await command.settled;
    }
    assert.equal(failures.length, 1);
    command.start("true", {});
    await command.settled;
    command.start("exit 5", {});
    await command.settled;
    assert.match(failures[1]!, /status 5/);
  },
);
