import assert from "node:assert/strict";
import { readTextWith } from "../../lib/terminal/questions.ts";
import { FakeTerminal, type FakeTerminalOptions } from "../helpers/fake_terminal.ts";
import { Interrupt } from "../../lib/terminal/read_line.ts";
import { UsageError } from "../../lib/errors.ts";
import { MAX_LINE_BYTES } from "../../lib/terminal/keys/input_source.ts";

const PIPE: FakeTerminalOptions = { isKeyboard: false, isScreen: false };
const DUMB: FakeTerminalOptions = { term: "dumb" };

Deno.test("in a pipe, lines are read in order, those too that came while nobody asked", async () => {
  await using fake = new FakeTerminal(PIPE);
  const { terminal } = fake;
  fake.type("one\ntw", "o\r\nthree\n\nПри", "вет\nlast without line end", null);
  const read: (string | null)[] = [];
  for (let index = 0; index < 7; index++) {
    read.push(await terminal.readLine({ prompt: "> " }));
    await fake.settle(); // a command that takes its time
  }
  assert.deepEqual(read, ["one", "two", "three", "", "Привет", "last without line end", null]);
});

Deno.test("in a pipe and with TERM=dumb, no escape sequence is written, whatever is shown", async () => {
  for (const options of [PIPE, DUMB, { isKeyboard: false }, { isScreen: false }]) {
    await using fake = new FakeTerminal({ ...options, term: "dumb" });
    const { terminal } = fake;
    const line = terminal.readLine({ prompt: "\x1b[1m>\x1b[22m " });
    await fake.settle();
    terminal.printAbove("\x1b[31mred news\x1b[39m");
    terminal.status("connecting");
    const bar = terminal.progress({ label: "Sending", total: 10 });
    bar.update(5);
    bar.finish("Sent");
    await fake.keys("hello\n");
    assert.equal(await line, "hello");
    const sure = terminal.confirm("Sure?", true);
    await fake.keys("\n");
    assert.equal(await sure, true);
    await terminal.flush();
    // deno-lint-ignore no-control-regex
    assert.doesNotMatch(fake.screen.written, /[\x00-\x09\x0b-\x1f]/);
    for (const text of ["red news", "connecting", "Sent"]) {
      assert.ok(fake.screen.written.includes(text), text);
    }
  }
});

Deno.test("in a pipe, the output reads as a conversation: the lines read stand behind their prompts", async () => {
  await using fake = new FakeTerminal(PIPE);
  const { terminal } = fake;
  fake.type("ana\nsecret\n2\nDear Ana,\n..\nbye\n.\n", null);
  assert.equal(await terminal.readLine({ prompt: "Name: " }), "ana");
  assert.equal(await terminal.readSecret("Password: "), "secret");
  assert.equal(
    await terminal.choose("Which?", [{ value: "a", label: "A" }, { value: "b", label: "B" }]),
    "b",
  );
  assert.equal(await readTextWith(terminal), "Dear Ana,\n.\nbye");
  await terminal.flush();
  assert.equal(
    fake.screen.written,
    "Name: ana\nPassword: \nWhich?\n  1  A\n  2  B\nChoose 1-2: 2\n" +
      "End the text with a line that holds only a dot.\nDear Ana,\n..\nbye\n.\n",
  );
});

Deno.test("in a pipe, a text ends with the input too, and an empty line stands for the answer offered", async () => {
  await using fake = new FakeTerminal(PIPE);
  fake.type("\none\ntwo", null);
  assert.equal(await fake.terminal.readLine({ prompt: "Port: ", initial: "7667" }), "7667");
  assert.equal(await readTextWith(fake.terminal), "one\ntwo");
  assert.equal(await readTextWith(fake.terminal), null);
  await fake.terminal.flush();
  assert.match(fake.screen.written, /^Port: \[7667\] 7667\n/);
});

Deno.test("on a dumb terminal the prompt is shown again below news", async () => {
  await using fake = new FakeTerminal(DUMB);
  const line = fake.terminal.readLine({ prompt: "> " });
  await fake.settle();
  fake.terminal.printAbove("news");
  await fake.keys("hello\n");
  assert.equal(await line, "hello");
  assert.equal(fake.screen.written, "> \nnews\n> ");
});

Deno.test("on a dumb terminal a secret is not echoed, and the keyboard is given back", async () => {
  await using fake = new FakeTerminal(DUMB);
  const secret = fake.terminal.readSecret("Password: ");
  await fake.keys("huntr", "\x7fer2\rnext line\n");
  assert.equal(await secret, "hunter2");
  assert.equal(await fake.terminal.readLine({ prompt: "> " }), "next line");
  assert.deepEqual(fake.modes, ["signals", "lines"]);
  assert.equal(fake.screen.written, "Password: \n> ");
});

Deno.test("on a dumb terminal Ctrl+C at a secret takes what was typed of it, and nothing of the line after", async () => {
  await using fake = new FakeTerminal(DUMB);
  const secret = assert.rejects(fake.terminal.readSecret("Password: "), Interrupt);
  await fake.keys("hunt");
  assert.ok(fake.signal("SIGINT"));
  await secret;
  const line = fake.terminal.readLine({ prompt: "> " });
  await fake.keys("next line\n");
  assert.equal(await line, "next line");
});

Deno.test("SIGINT interrupts the plain prompt that is open, and an AbortSignal takes it back", async () => {
  for (const options of [PIPE, DUMB]) {
    await using fake = new FakeTerminal(options);
    const interrupted = assert.rejects(fake.terminal.readLine({ prompt: "> " }), Interrupt);
    await fake.settle();
    assert.ok(fake.signal("SIGINT"));
    await interrupted;
    const stop = new AbortController();
    const aborted = assert.rejects(fake.terminal.readLine({ prompt: "> ", signal: stop.signal }), /over/);
    await fake.settle();
    stop.abort(new Error("over"));
    await aborted;
    fake.type("still there\n");
    assert.equal(await fake.terminal.readLine({ prompt: "> " }), "still there");
  }
});

Deno.test("a plain prompt opened over another gets the next line, the other the one after", async () => {
  await using fake = new FakeTerminal(PIPE);
  const lower = fake.terminal.readLine({ prompt: "chat> " });
  await fake.settle();
  const upper = fake.terminal.confirm("Take photo.jpg?", false);
  await fake.settle();
  await fake.keys("y\nhello\n");
  assert.equal(await upper, true);
  assert.equal(await lower, "hello");
});

Deno.test("a line too long for memory is refused, and the next is read", async () => {
  await using fake = new FakeTerminal(PIPE);
  fake.type(...Array.from({ length: 9 }, () => new Uint8Array(MAX_LINE_BYTES / 8).fill(0x61)), "\nnext\n");
  await assert.rejects(fake.terminal.readLine({ prompt: "> " }), UsageError);
  assert.equal(await fake.terminal.readLine({ prompt: "> " }), "next");
});

Deno.test("output that nobody reads ends a plain prompt", async () => {
  await using fake = new FakeTerminal(PIPE);
  fake.isBroken = true;
  assert.equal(await fake.terminal.readLine({ prompt: "> " }), null);
});
