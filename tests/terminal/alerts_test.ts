// deno-lint-ignore-file no-control-regex -- escape sequences are what this is about
import assert from "node:assert/strict";
import { FakeTerminal } from "../helpers/fake_terminal.ts";
import { alertSequence, type Emulator, styleFor } from "../../lib/terminal/screen/alert_sequences.ts";

const FOCUS_ON = "\x1b[?1004h", FOCUS_OFF = "\x1b[?1004l";
const IN = "\x1b[I", OUT = "\x1b[O";

const TERMINALS: readonly (readonly [Emulator, string])[] = [
  [{ term: "xterm-kitty" }, "osc9"],
  [{ term: "xterm-256color", kittyWindow: "1" }, "osc9"],
  [{ term: "xterm-256color", termProgram: "iTerm.app" }, "osc9"],
  [{ term: "xterm-256color", lcTerminal: "iTerm2" }, "osc9"], // over ssh
  [{ term: "foot" }, "osc777"],
  [{ term: "xterm-ghostty" }, "osc777"],
  [{ term: "xterm-256color", termProgram: "WezTerm" }, "osc777"],
  [{ term: "xterm-256color" }, "bell"],
  [{ term: "xterm-256color", termProgram: "Apple_Terminal" }, "bell"],
  [{ term: "xterm-256color", termProgram: "vscode", kittyWindow: "1" }, "bell"], // started from kitty
  [{ term: "linux", termProgram: "iTerm.app" }, "bell"],
  [{ term: "tmux-256color", kittyWindow: "1" }, "bell"],
  [{ term: "xterm-kitty", tmux: "/tmp/tmux-0/default,1,0" }, "bell"],
  [{ term: "screen.xterm-256color" }, "bell"],
  [{}, "bell"],
];

Deno.test("styleFor() chooses by what the environment tells, and the bell for what is unknown", () => {
  for (const [emulator, style] of TERMINALS) {
    assert.equal(styleFor(emulator), style, JSON.stringify(emulator));
  }
});

Deno.test("alertSequence() lets nothing that others wrote end the sequence, or pass for a command of it", () => {
  const text = "9;4;1\x07\x1b\\\x9c;\r\nline two \u202e" + "x".repeat(1_000);
  for (const style of ["osc9", "osc777"] as const) {
    for (const emulator of [{}, { tmux: "1" }, { screen: "1" }]) {
      const sequence = alertSequence(style, emulator, "e;v\x1be", text);
      const inner = sequence.replace(/^\x1bP(tmux;)?/, "").replaceAll("\x1b\x1b", "\x1b").replace(
        /\x1b\\\x07$/,
        "",
      );
      assert.match(
        inner,
        /^\x1b\](9;|777;notify;)[^;\x00-\x1f\x7f-\x9f\u202e]*(;[^;\x00-\x1f\x7f-\x9f\u202e]*)?\x07$/,
      );
      assert.ok(sequence.length < 400);
    }
  }
  assert.equal(alertSequence("osc9", {}, "bob", "hi"), "\x1b]9;Mini-Chat: bob: hi\x07");
  assert.equal(alertSequence("osc777", {}, "bob", "hi"), "\x1b]777;notify;Mini-Chat: bob;hi\x07");
  assert.equal(
    alertSequence("osc9", { tmux: "1" }, "bob", ""),
    "\x1bPtmux;\x1b\x1b]9;Mini-Chat: bob\x07\x1b\\\x07",
  );
  assert.equal(alertSequence("bell", { tmux: "1" }, "bob", "hi"), "\x07");
});

Deno.test("the terminal is asked for its focus at prompts alone: not for a secret, an editor, Ctrl+Z or the end", async () => {
  await using tty = new FakeTerminal();
  const { terminal } = tty;
  const isOn = () => tty.written.lastIndexOf(FOCUS_ON) > tty.written.lastIndexOf(FOCUS_OFF);
  const first = terminal.readLine({ prompt: "> " });
  await tty.settle();
  assert.equal(tty.written.includes(FOCUS_ON), false); // nobody has asked for it
  terminal.alerts.watchFocus();
  await tty.settle();
  assert.equal(isOn(), true);
  const secret = terminal.readSecret("Password: ");
  await tty.settle();
  assert.equal(isOn(), false);
  await tty.keys("x\r");
  await secret;
  await tty.settle();
  assert.equal(isOn(), true);
  await terminal.runOutside(async () => {
    await tty.settle();
    assert.equal(isOn(), false);
    terminal.alerts.call("bob", "hi");
  });
  await tty.settle();
  assert.equal(isOn(), true);
  assert.equal(tty.written.includes("\x07"), false); // another program had the screen
  terminal.alerts.call("bob", "hi");
  await tty.settle();
  assert.equal(tty.written.includes("\x07"), true);
  await tty.keys(`a${IN}b${OUT}\r`);
  assert.equal(await first, "ab");
  await tty.settle();
  assert.equal(isOn(), false); // where Ctrl+Z is the system's
  const last = terminal.readLine({ prompt: "> " });
  await tty.settle();
  assert.equal(isOn(), true);
  terminal.restore();
  assert.equal(isOn(), false);
  last.catch(() => {});
});

Deno.test("Alerts knows whether somebody looks: by what the terminal reports, or else by the last key", async () => {
  let now = 0;
  await using tty = new FakeTerminal({ now: () => now });
  const { alerts } = tty.terminal;
  alerts.watchFocus();
  assert.equal(alerts.hasFocus, false);
  let line = tty.terminal.readLine({ prompt: "> " });
  await tty.keys("a");
  assert.equal(alerts.hasFocus, true);
  now += 60_000;
  assert.equal(alerts.hasFocus, false);
  await tty.keys(IN);
  now += 60_000;
  assert.equal(alerts.hasFocus, true); // however long nothing is typed
  await tty.keys(OUT);
  assert.equal(alerts.hasFocus, false);
  await tty.keys("b");
  assert.equal(alerts.hasFocus, true); // where its report was lost
  await tty.keys("\r");
  await line;
  line = tty.terminal.readLine({ prompt: "> " });
  await tty.settle();
  now += 60_000;
  assert.equal(alerts.hasFocus, true); // the terminal need not report again when it is asked to
  tty.type("\r");
  await line;
  now += 60_000;
  line = tty.terminal.readLine({ prompt: "> " });
  await tty.settle();
  assert.equal(alerts.hasFocus, false); // meanwhile nobody could have heard it
  tty.type("\r");
  await line;
});
