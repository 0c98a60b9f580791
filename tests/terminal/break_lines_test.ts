import assert from "node:assert/strict";
import fc from "fast-check";
import { breakLines } from "../../lib/terminal/screen/break_lines.ts";
import { bold, cyan, dim, withoutStyle } from "../../lib/terminal/style.ts";
import { columnsOf } from "../../lib/terminal/width.ts";
import { FakeTerminal } from "../helpers/fake_terminal.ts";

const LINK = "mini-chat://chat.example.org:7667/kxvnBP4eHOrFhf9S#SHA256:LLgaraaY8Y7lsTw3aRxl";

Deno.test("breakLines() breaks at spaces, beneath what a row is about, and leaves a long word whole", () => {
  assert.equal(breakLines("one two three", 13), "one two three");
  assert.equal(breakLines("one two three\nfour", 12), "one two\nthree\nfour");
  assert.equal(
    breakLines("  block USER   Refuse messages from a user", 35),
    "  block USER   Refuse messages from\n               a user",
  );
  assert.equal(breakLines("  block USER   Refuse messages", 20), "  block USER\n  Refuse messages");
  assert.equal(breakLines(`Send this: ${LINK} to them`, 40), `Send this:\n${LINK}\nto them`);
  assert.equal(breakLines("漢字 漢字 e\u0301e\u0301 漢字", 9), "漢字 漢字\ne\u0301e\u0301 漢字");
  assert.equal(
    breakLines(`${bold(cyan("bob smith"))} ${dim("has gone")}`, 12),
    `${bold(cyan("bob smith"))}\n${dim("has gone")}`,
  );
  assert.equal(breakLines("Which of these do you want? ", 20), "Which of these do\nyou want? ");
});

Deno.test("breakLines() at any width keeps every word, and no row of several words is too wide", () => {
  const unit = fc.constantFrom("a", "b", " ", " ", "  ", "\n", "中", "e\u0301", "👍🏽", "\x1b[1m", "\x1b[22m");
  fc.assert(
    fc.property(fc.string({ unit, maxLength: 120 }), fc.integer({ min: 1, max: 200 }), (text, columns) => {
      const broken = breakLines(text, columns);
      assert.equal(broken.replaceAll(/[ \n]/g, ""), text.replaceAll(/[ \n]/g, ""));
      assert.deepEqual(broken.split(/[ \n]+/).filter(Boolean), text.split(/[ \n]+/).filter(Boolean));
      for (const row of broken.split("\n").map(withoutStyle)) {
        const words = row.split(" ").filter(Boolean);
        assert.ok(words.length < 2 || columnsOf(row) <= columns, JSON.stringify([row, columns]));
      }
    }),
  );
});

Deno.test("what the program says is broken at spaces on a real terminal, at every width; what others wrote never", async () => {
  const words = "The server has not answered yet, so nobody knows whether bob was blocked; look again later.";
  for (const columns of [20, 40, 60, 80, 200]) {
    await using fake = new FakeTerminal({ columns, rows: 40, noColor: "1", breaksLines: true });
    const line = fake.terminal.readLine({ prompt: "you> " });
    await fake.keys("a line being typed that is longer than twenty columns");
    await fake.terminal.print(words);
    await fake.terminal.print(`${words}!`, false);
    fake.terminal.printAbove(words);
    await fake.settle();
    const broken = breakLines(words, columns - 1).split("\n");
    const rows = fake.screen.rows();
    assert.deepEqual(rows.slice(0, broken.length), broken);
    for (const row of broken) assert.match(` ${words} `, new RegExp(` ${row} `));
    const asWritten = Math.ceil((words.length + 1) / columns);
    const theirs = rows.slice(broken.length, broken.length + asWritten);
    assert.equal(theirs.join("").replaceAll(" ", ""), `${words}!`.replaceAll(" ", ""));
    assert.deepEqual(rows.slice(broken.length + asWritten, broken.length * 2 + asWritten), broken);
    // The line being typed follows at once, and is drawn again at another width.
    const typed = () => fake.screen.rows().join("").replaceAll(" ", "").split("lookagainlater.").at(-1);
    assert.equal(typed(), "you>alinebeingtypedthatislongerthantwentycolumns");
    for (const other of [30, columns]) {
      await fake.resize(other, 40);
      fake.terminal.printAbove(words);
      await fake.settle();
      assert.equal(typed(), "you>alinebeingtypedthatislongerthantwentycolumns");
    }
    await fake.keys("\r");
    await line;
  }
});

Deno.test("in a pipe, and where a script prints to a terminal, no line is broken", async () => {
  const words = `${"word ".repeat(40)}end`;
  await using pipe = new FakeTerminal({ isScreen: false, isKeyboard: false, columns: 40, breaksLines: true });
  await pipe.terminal.print(words);
  await pipe.settle();
  assert.equal(pipe.written, `${words}\n`);
  await using script = new FakeTerminal({ columns: 40 });
  await script.terminal.print(words);
  await script.settle();
  assert.ok(script.written.includes(words));
});

Deno.test("a question that is wider than the screen is shown whole", async () => {
  await using fake = new FakeTerminal({ columns: 40, rows: 20, noColor: "1" });
  const question = "Which of these shall the operator read? Numbers such as 1 3, all, or Enter for none: ";
  const line = fake.terminal.readLine({ prompt: question, multiline: false });
  await fake.keys("1 3");
  const rows = [
    "Which of these shall the operator read?",
    "Numbers such as 1 3, all, or Enter for",
    "none: 1 3",
  ];
  assert.deepEqual(fake.screen.rows(), rows);
  await fake.keys("\r");
  assert.equal(await line, "1 3");
  await fake.settle();
  assert.deepEqual(fake.screen.rows(), rows);
});
