import assert from "node:assert/strict";
import { readTextWith } from "../../lib/terminal/questions.ts";
import { FakeTerminal, type FakeTerminalOptions } from "../helpers/fake_terminal.ts";
import { OutputError } from "../../lib/errors.ts";
import { TypedLines } from "../../lib/terminal/typed_lines.ts";
import { Interrupt } from "../../lib/terminal/read_line.ts";
import { MAX_WAITING_CHARACTERS } from "../../lib/terminal/screen/output_queue.ts";
import { waitUntil } from "../helpers/wait_until.ts";

const at20: FakeTerminalOptions = { columns: 20, rows: 10 };

Deno.test("readLine() shows what is typed and returns it", async () => {
  await using fake = new FakeTerminal();
  const line = fake.terminal.readLine({ prompt: "you> " });
  await fake.keys("helo", "\x1b[D", "l");
  assert.equal(fake.screen.text(), "you> hello");
  assert.deepEqual(fake.screen.cursor(), { column: 9, row: 0 });
  await fake.keys("\r");
  assert.equal(await line, "hello");
  await fake.settle();
  assert.deepEqual(fake.screen.cursor(), { column: 0, row: 1 });
});

Deno.test("printAbove() puts news above the line being typed, at 20 columns too", async () => {
  await using fake = new FakeTerminal(at20);
  const line = fake.terminal.readLine({ prompt: "you> " });
  await fake.keys("a line longer than the screen");
  fake.terminal.printAbove("• ana: hello there, how are you");
  await fake.settle();
  assert.deepEqual(fake.screen.rows(), [
    "• ana: hello there,",
    "how are you",
    "you> a line longer",
    "than the screen",
  ]);
  await fake.keys("!\r");
  assert.equal(await line, "a line longer than the screen!");
});

for (const wraps of [true, false]) {
  const kind = wraps ? "wraps" : "cuts";
  Deno.test(`a long line is redrawn whole when a window that ${kind} it becomes narrow and wide again`, async () => {
    await using fake = new FakeTerminal({ columns: 60, rows: 12, wraps });
    await fake.terminal.print("before");
    const line = fake.terminal.readLine({ prompt: "you> " });
    await fake.keys("the quick brown fox jumps over the lazy dog");
    for (const columns of [30, 20, 44, 60, 25]) {
      await fake.resize(columns, 12);
      const rows = fake.screen.rows();
      assert.equal(
        rows.join("").replaceAll(" ", ""), // the spaces at the ends of rows cannot be seen
        "beforeyou>thequickbrownfoxjumpsoverthelazydog",
        `at ${columns} columns`,
      );
    }
    await fake.keys("\r");
    assert.equal(await line, "the quick brown fox jumps over the lazy dog");
  });
}

Deno.test("a terminal that does not say where its cursor is costs a moment, and no news", async () => {
  await using fake = new FakeTerminal({ columns: 60, rows: 12, answers: false });
  const line = fake.terminal.readLine({ prompt: "you> " });
  await fake.keys("the quick brown fox jumps over the lazy dog");
  await fake.resize(30, 12);
  fake.terminal.printAbove("news");
  // Printed once the terminal has waited long enough for the answer.
  await waitUntil("the news is there", async () => {
    await fake.settle();
    return fake.screen.text().includes("news");
  });
  await fake.keys("!");
  assert.equal(fake.screen.rows().join(""), "newsyou> the quick brown fox jumps over the lazy dog!");
  await fake.keys("\r");
  await line;
});

Deno.test("status() and progress() change in place, and end in a line", async () => {
  let now = 0;
  await using fake = new FakeTerminal({ columns: 70, now: () => now });
  const line = fake.terminal.readLine({ prompt: "> " });
  fake.terminal.status("connecting");
  await fake.settle();
  assert.deepEqual(fake.screen.rows(), ["connecting", ">"]);
  fake.terminal.status("trying again in 3 s");
  const bar = fake.terminal.progress({ label: "Sending a.jpg", total: 2_000_000 });
  now = 1_000;
  bar.update(1_000_000);
  await fake.settle();
  assert.deepEqual(fake.screen.rows(), [
    "trying again in 3 s",
    "Sending a.jpg  50 %  1.0 MB of 2.0 MB  1.0 MB/s  1 s left",
    ">",
  ]);
  bar.finish();
  fake.terminal.status("");
  await fake.keys("x");
  assert.deepEqual(fake.screen.rows(), ["Sending a.jpg: 1.0 MB", "> x"]);
  await fake.keys("\r");
  await line;
});

Deno.test("progress() says how long it takes in days, and no more where nobody waits for it", async () => {
  const cases = [[3.601e9, "1 h 0 min left"], [2.5921e11, "3 days left"], [
    Number.MAX_SAFE_INTEGER,
    "0 %  1.0 MB/s",
  ]];
  for (const [total, left] of cases as [number, string][]) {
    let now = 0;
    await using fake = new FakeTerminal({ columns: 70, now: () => now });
    using bar = fake.terminal.progress({ label: "Receiving a", total });
    now = 1_000;
    bar.update(1_000_000);
    await fake.settle();
    const shown = fake.screen.text().replace(/\s+[\d.]+ MB of [\d.]+ [GP]B/, "");
    assert.ok(shown.endsWith(left), shown);
  }
});

Deno.test("progress() fits the narrowest screen", async () => {
  await using fake = new FakeTerminal({ ...at20, now: () => 0 });
  const bar = fake.terminal.progress({ label: "Sending holiday.jpg", total: 100 });
  bar.update(100);
  await fake.settle();
  assert.equal(fake.screen.text(), "Sending hol…  100 %");
  bar.remove();
});

Deno.test("liveLine() can be committed once what it waits for has come", async () => {
  await using fake = new FakeTerminal();
  const line = fake.terminal.readLine({ prompt: "> ", after: "erase" });
  const sent = fake.terminal.liveLine("you: hi …");
  fake.terminal.printAbove("ana: hello");
  sent.commit("you: hi ✓");
  await fake.keys("gone\r");
  assert.equal(await line, "gone");
  await fake.settle();
  assert.deepEqual(fake.screen.rows(), ["ana: hello", "you: hi ✓"]);
});

Deno.test("Ctrl+C at each kind of prompt throws Interrupt, with what was typed unless it is secret", async () => {
  await using fake = new FakeTerminal();
  const { terminal } = fake;
  const asks: [() => Promise<unknown>, string][] = [
    [() => terminal.readLine({ prompt: "> " }), "typed"],
    [() => terminal.readSecret("Password: "), ""],
    [() => terminal.confirm("Sure?", true), "typed"],
    [() => terminal.choose("Which?", [{ value: 1, label: "One" }]), "typed"],
    [() => readTextWith(terminal), "typed"],
  ];
  for (const [ask, kept] of asks) {
    const asked = assert.rejects(ask(), (error) => error instanceof Interrupt && error.text === kept);
    await fake.keys("typed", "\x03");
    await asked;
  }
});

Deno.test("the end of the input answers every kind of prompt", async () => {
  await using fake = new FakeTerminal();
  const { terminal } = fake;
  const ctrlD = terminal.readLine({ prompt: "> " });
  await fake.keys("\x04");
  assert.equal(await ctrlD, null);
  fake.type(null);
  assert.equal(await terminal.readLine({ prompt: "> " }), null);
  assert.equal(await terminal.readSecret("Password: "), null);
  assert.equal(await terminal.confirm("Sure?", true), false);
  assert.equal(await terminal.choose("Which?", [{ value: 1, label: "One" }]), null);
  assert.equal(await readTextWith(terminal), null);
});

Deno.test("readSecret() never writes what is typed", async () => {
  await using fake = new FakeTerminal();
  const secret = fake.terminal.readSecret("Password: ");
  await fake.keys("hunter", "x\x7f2", "\x1b[200~ pasted\x1b[201~", "\r");
  assert.equal(await secret, "hunter2 pasted");
  await fake.settle();
  assert.doesNotMatch(fake.screen.written, /hunter|pasted|\*/);
  assert.equal(fake.screen.text(), "Password:");
});

Deno.test("confirm() and choose() ask until the answer fits", async () => {
  await using fake = new FakeTerminal();
  const sure = fake.terminal.confirm("Sure?", false);
  await fake.keys("maybe\r", "YES\r");
  assert.equal(await sure, true);
  const choices = [{ value: "g", label: "Gmail" }, {
    value: "o",
    label: "Outlook",
    description: "or Hotmail",
  }];
  const byName = fake.terminal.choose("Provider?", choices);
  await fake.keys("5\r", "out\r");
  assert.equal(await byName, "o");
  const byDefault = fake.terminal.choose("Provider?", choices, { byDefault: 0 });
  await fake.keys("\r");
  assert.equal(await byDefault, "g");
  assert.match(fake.screen.text(), /Please answer y/);
  assert.match(fake.screen.text(), /number from 1 to 2/);
  assert.match(fake.screen.text(), /2 {2}Outlook {2}or Hotmail/);
});

Deno.test("readText() lets one go back to earlier lines, and ends at a dot", async () => {
  await using fake = new FakeTerminal();
  const text = readTextWith(fake.terminal);
  await fake.keys("Dear Ana,\r", "hwo are you?\r", "\x1b[A\x1b[C\x1b[C", "\x14", "\x1b[B", "..\r", ".\r");
  assert.equal(await text, "Dear Ana,\nhow are you?\n.");
});

Deno.test("Tab completes, and lists what is possible at the second press", async () => {
  await using fake = new FakeTerminal();
  const names = ["ana", "anton", "bob"];
  const complete = (text: string) =>
    Promise.resolve({ from: 0, candidates: names.filter((name) => name.startsWith(text)) });
  const line = fake.terminal.readLine({ prompt: "> ", complete });
  await fake.keys("a\t");
  assert.equal(fake.screen.text(), "> an");
  await fake.keys("\t");
  assert.deepEqual(fake.screen.rows(), ["ana    anton", "> an"]);
  await fake.keys("a\t", "\r");
  assert.equal(await line, "ana");
});

Deno.test("a hint beneath the line says what is typed so far, and goes with it", async () => {
  await using fake = new FakeTerminal({ noColor: "1" });
  const hint = (text: string) => text.includes("@") ? undefined : "not an address yet";
  const line = fake.terminal.readLine({ prompt: "To: ", hint });
  await fake.keys("ann");
  assert.deepEqual(fake.screen.rows(), ["To: ann", "not an address yet"]);
  await fake.keys("@example.org");
  assert.deepEqual(fake.screen.rows(), ["To: ann@example.org"]);
  await fake.keys("\r");
  await line;
});

Deno.test("keys typed while nobody asks go to the next prompts, in order", async () => {
  await using fake = new FakeTerminal();
  await fake.keys("one\rtwo\rthr");
  assert.equal(await fake.terminal.readLine({ prompt: "> " }), "one");
  assert.equal(await fake.terminal.readLine({ prompt: "> " }), "two");
  const third = fake.terminal.readLine({ prompt: "> " });
  await fake.keys("ee\r");
  assert.equal(await third, "three");
});

Deno.test("a prompt opened over another is asked first, and the other comes back as it was", async () => {
  await using fake = new FakeTerminal();
  const chat = fake.terminal.readLine({ prompt: "chat> " });
  await fake.keys("half a sen");
  const accept = fake.terminal.confirm("Take photo.jpg?", false);
  await fake.settle();
  assert.deepEqual(fake.screen.rows(), ["Take photo.jpg? [y/N]"]);
  await fake.keys("y\r");
  assert.equal(await accept, true);
  await fake.keys("tence\r");
  assert.equal(await chat, "half a sentence");
});

Deno.test("an AbortSignal takes the prompt off the screen; what is typed next is not lost", async () => {
  await using fake = new FakeTerminal();
  const stop = new AbortController();
  const line = fake.terminal.readLine({ prompt: "> ", signal: stop.signal });
  const rejected = assert.rejects(line, /over/);
  await fake.keys("abc");
  stop.abort(new Error("over"));
  await rejected;
  await fake.settle();
  assert.equal(fake.screen.text(), "");
  fake.type("next\r");
  assert.equal(await fake.terminal.readLine({ prompt: "> " }), "next");
  await assert.rejects(fake.terminal.readLine({ prompt: "> ", signal: stop.signal }), /over/);
});

Deno.test("a paste of 16 KiB and of 1 MiB arrives whole and quickly, and submits nothing", async () => {
  for (const size of [16 * 1024, 1024 * 1024]) {
    await using fake = new FakeTerminal();
    const text = "Привет, мир!\n".repeat(size / 16);
    const startedAt = performance.now();
    const line = fake.terminal.readLine({ prompt: "> " });
    await fake.keys(`\x1b[200~${text}\x1b[201~`, "!");
    await fake.keys("\r");
    assert.equal(await line, text.trimEnd() + "!");
    await fake.settle();
    // It takes a second; a time that grew with the square of the length would be minutes.
    assert.ok(performance.now() - startedAt < 15_000, `${performance.now() - startedAt} ms`);
    assert.match(fake.screen.text(), /characters\)/);
  }
});

Deno.test("Ctrl+Z gives the keyboard back, and the line is drawn again afterwards", async () => {
  await using fake = new FakeTerminal();
  const line = fake.terminal.readLine({ prompt: "> " });
  await fake.keys("half");
  await fake.keys("\x1a");
  // Taken again once the terminal has waited long enough for SIGCONT.
  await waitUntil("the terminal has the keyboard again", () => fake.modes.length > 2);
  await fake.keys(" more\r");
  assert.equal(await line, "half more");
  assert.equal(fake.stops, 1);
  assert.deepEqual(fake.modes, ["keys", "lines", "keys", "signals"]);
});

Deno.test("SIGCONT after a stop from outside draws the line again below what the shell wrote", async () => {
  await using fake = new FakeTerminal();
  const line = fake.terminal.readLine({ prompt: "> " });
  await fake.keys("half");
  await fake.screen.write("\r\n[1]+ Stopped\r\n$ fg\r\n");
  fake.signal("SIGCONT");
  await fake.settle();
  assert.deepEqual(fake.screen.rows(), ["> half", "[1]+ Stopped", "$ fg", "> half"]);
  await fake.keys("\r");
  await line;
});

Deno.test("SIGCONT where nobody wrote meanwhile draws the rows again in their place, and marks pastes again", async () => {
  for (const written of ["", "\r\n[1]+ Stopped\r\n$ fg\r\n\x1b[?2004l"]) {
    await using fake = new FakeTerminal({ columns: 20 });
    const line = fake.terminal.readLine({ prompt: "> " });
    await fake.keys("a line that needs two rows");
    const before = fake.screen.rows();
    assert.equal(before.length, 2);
    await fake.screen.write(written);
    const from = fake.written.length;
    // As tmux and a shell do it, one after the other.
    fake.signal("SIGCONT");
    fake.signal("SIGCONT");
    await fake.settle();
    const shell = written === "" ? [] : ["[1]+ Stopped", "$ fg", ...before];
    assert.deepEqual(fake.screen.rows(), [...before, ...shell]);
    assert.ok(fake.written.slice(from).includes("\x1b[?2004h"));
    await fake.keys("!\r");
    assert.equal(await line, "a line that needs two rows!");
  }
});

Deno.test("the keyboard is in key mode only while somebody asks or listens, and always given back", async () => {
  const fake = new FakeTerminal();
  const watch = fake.terminal.onInterrupt(() => {});
  assert.deepEqual(fake.modes, ["signals"]);
  const line = fake.terminal.readLine({ prompt: "> " });
  const closed = assert.rejects(line, { name: "AbortError" });
  await fake.settle();
  assert.equal(fake.screen.marksPastes, true);
  await fake.terminal[Symbol.asyncDispose]();
  await closed;
  assert.deepEqual(fake.modes, ["signals", "keys", "lines"]);
  assert.equal(fake.screen.marksPastes, false);
  for (const signal of ["SIGWINCH", "SIGCONT", "SIGINT"] as const) assert.equal(fake.listeners(signal), 0);
  watch[Symbol.dispose]();
  await assert.rejects(fake.terminal.readLine({ prompt: "> " }), { name: "AbortError" });
  await fake[Symbol.asyncDispose]();
});

Deno.test("onInterrupt() hears SIGINT while no prompt is open, the newest alone", async () => {
  await using fake = new FakeTerminal();
  const heard: string[] = [];
  const outer = fake.terminal.onInterrupt(() => heard.push("outer"));
  const inner = fake.terminal.onInterrupt(() => heard.push("inner"));
  fake.signal("SIGINT");
  inner[Symbol.dispose]();
  fake.signal("SIGINT");
  outer[Symbol.dispose]();
  assert.equal(fake.signal("SIGINT"), false);
  assert.deepEqual(heard, ["inner", "outer"]);
});

Deno.test("between two prompts the keyboard stays silent, and Ctrl+C ends the program with the keyboard given back", async () => {
  await using fake = new FakeTerminal();
  const name = fake.terminal.readLine({ prompt: "Name: " });
  await fake.keys("ana\r");
  await name;
  await fake.settle();
  assert.deepEqual(fake.modes, ["keys", "signals"]);
  fake.signal("SIGINT");
  assert.equal(fake.ends, 1);
  await fake.settle();
  assert.equal(fake.screen.marksPastes, false);
  assert.deepEqual(fake.modes, ["keys", "signals", "lines"]);
});

Deno.test("Ctrl+C meant for another program that has the keyboard is not ours", async () => {
  await using fake = new FakeTerminal();
  const name = fake.terminal.readLine({ prompt: "Name: " });
  await fake.keys("ana\r");
  await name;
  await fake.terminal.runOutside(() => {
    fake.signal("SIGINT");
    return Promise.resolve();
  });
  assert.equal(fake.ends, 0);
  assert.deepEqual(fake.modes, ["keys", "signals", "lines", "signals"]);
});

Deno.test("output that nobody reads any more ends prompts like the end of the input", async () => {
  await using fake = new FakeTerminal();
  const line = fake.terminal.readLine({ prompt: "> " });
  await fake.settle();
  fake.isBroken = true;
  fake.terminal.printAbove("news");
  assert.equal(await line, null);
  assert.equal(fake.terminal.closed.aborted, true);
  await assert.rejects(fake.terminal.print("into the void"), OutputError);
  await assert.rejects(fake.terminal.flush(), /Cannot write the output: nobody reads it any more/);
  assert.equal(await fake.terminal.readLine({ prompt: "> " }), null);
});

Deno.test("flush() while another program has the screen waits until what was printed is written", async () => {
  await using fake = new FakeTerminal();
  const editor = Promise.withResolvers<void>();
  const outside = fake.terminal.runOutside(() => editor.promise);
  await fake.terminal.print("meanwhile");
  const flushed = fake.terminal.flush().then(() => fake.screen.text());
  await new Promise((resolve) => setTimeout(resolve, 0));
  assert.equal(fake.screen.text(), "");
  editor.resolve();
  await outside;
  assert.equal(await flushed, "meanwhile");
});

Deno.test("a screen that takes nothing costs no more than a fixed amount of memory", async () => {
  let gate = Promise.withResolvers<void>();
  await using fake = new FakeTerminal({ beforeWrite: () => gate.promise });
  const news = "news ".repeat(200);
  for (let index = 0; index < 5_000; index++) fake.terminal.printAbove(news);
  let isAccepted = false;
  const printed = fake.terminal.print("waits").then(() => isAccepted = true);
  await new Promise((resolve) => setTimeout(resolve, 0));
  assert.equal(isAccepted, false);
  gate.resolve();
  await printed;
  gate = Promise.withResolvers();
  gate.resolve();
  fake.terminal.printAbove("last");
  await fake.terminal.flush();
  assert.ok(fake.screen.written.length < MAX_WAITING_CHARACTERS + 3 * news.length);
  assert.match(fake.screen.text(), /\(lines left out because the screen did not keep up: \d+\)\nlast$/);
});

Deno.test("control characters that reach print() by mistake do not reach the screen", async () => {
  await using fake = new FakeTerminal();
  await fake.terminal.print("a\x1b[2Jb\x1b[31mred\x1b[39m\rc\x9b");
  await fake.settle();
  assert.equal(fake.screen.text(), "a␛[2Jbred␍c�");
});

Deno.test("NO_COLOR takes colours from everything", async () => {
  await using fake = new FakeTerminal({ noColor: "1" });
  const line = fake.terminal.readLine({ prompt: "\x1b[1m>\x1b[22m ", hint: () => "hint" });
  fake.terminal.status("\x1b[31mred\x1b[39m");
  await fake.terminal.print("\x1b[31mred\x1b[39m");
  await fake.keys("x\r");
  await line;
  // deno-lint-ignore no-control-regex
  assert.doesNotMatch(fake.screen.written, /\x1b\[[0-9;]*m/);
});

Deno.test("the typed lines is walked and searched at the prompt", async () => {
  await using fake = new FakeTerminal();
  const typedLines = new TypedLines(["send ana hi", "users"]);
  const line = fake.terminal.readLine({ prompt: "> ", typedLines });
  await fake.keys("\x12ana");
  assert.equal(fake.screen.text(), "(search: ana) send ana hi");
  await fake.keys("\x1b[F", "!");
  assert.equal(fake.screen.text(), "> send ana hi!");
  await fake.keys("\r");
  assert.equal(await line, "send ana hi!");
});
