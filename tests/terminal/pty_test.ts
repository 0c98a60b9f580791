import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { testWith } from "../helpers/needs.ts";
import { ScreenEmulator } from "../helpers/screen_emulator.ts";

type Step = { wait: string } | { keys: string } | { signal: string } | { resize: [number, number] };

interface Outcome {
  readonly output: string;
  readonly code: number;
  readonly modes: { readonly echo: boolean; readonly canonical: boolean };
  readonly stops: readonly { readonly echo: boolean; readonly canonical: boolean }[];
  readonly timedOut: boolean;
}

const NEEDS = ["unix", { command: "python3" }] as const;
const USUAL = { echo: true, canonical: true };

/** Runs the test program on a pseudo-terminal of 60 columns. */
async function onPty(steps: readonly Step[], env: Record<string, string> = {}): Promise<Outcome> {
  const here = (name: string) => fileURLToPath(new URL(`../helpers/${name}`, import.meta.url));
  const argv = [
    Deno.execPath(),
    "run",
    "--quiet",
    "--allow-env",
    "--allow-read",
    "--allow-write",
    "--allow-run",
    here("terminal_program.ts"),
  ];
  const process = new Deno.Command("python3", {
    args: [here("on_pty.py")],
    env: { TERM: "xterm-256color", ...env },
    stdin: "piped",
    stdout: "piped",
  }).spawn();
  const writer = process.stdin.getWriter();
  await writer.write(new TextEncoder().encode(JSON.stringify({ argv, size: [60, 24], steps })));
  await writer.close();
  const outcome: Outcome = JSON.parse(new TextDecoder().decode((await process.output()).stdout));
  assert.equal(outcome.timedOut, false, outcome.output);
  return outcome;
}

testWith(
  NEEDS,
  "on a real pseudo-terminal: editing, news, secrets, Ctrl+C, resizing and the way out",
  async () => {
    const { output, code, modes } = await onPty([
      { wait: "you> " },
      { keys: "sned bob hi" },
      { wait: "hi" },
      { keys: "\x01\x1b[C\x1b[C\x14\x05!\r" },
      { wait: "sent: bob hi!" },
      { keys: "secret\rhunter2\r" },
      { wait: "length: 7" },
      { keys: "wait\r" },
      { wait: "waiting" },
      { keys: "\x03" },
      { wait: "Stopped." },
      { keys: "news\r" },
      { wait: "• news" },
      { resize: [30, 24] },
      { keys: "send a line longer than the screen is\r" },
      { wait: "sent: a line longer" },
      { wait: "you> " },
      { keys: "\x04" },
    ]);
    assert.equal(code, 0);
    assert.deepEqual(modes, USUAL);
    assert.doesNotMatch(output, /hunter2/);
    using screen = new ScreenEmulator(60, 24);
    await screen.write(output);
    const rows = screen.rows();
    assert.deepEqual(rows.slice(0, 3), ["ready", "you> send bob hi!", "sent: bob hi!"]);
    assert.equal(screen.marksPastes, false);
  },
);

testWith(NEEDS, "on a real pseudo-terminal: a signal and a crash leave the terminal as it was", async () => {
  const [byTerm, byCrash] = await Promise.all([
    onPty([{ wait: "you> " }, { keys: "half a line" }, { wait: "half a line" }, { signal: "TERM" }]),
    onPty([{ wait: "you> " }, { keys: "crash\r" }, { wait: "never> " }]),
  ]);
  assert.deepEqual([byTerm.code, byTerm.modes], [43, USUAL]);
  assert.deepEqual([byCrash.code, byCrash.modes], [1, USUAL]);
});

testWith(
  NEEDS,
  "on a real pseudo-terminal: Ctrl+Z stops the job with the terminal as it was, and the line comes back",
  async () => {
    const { output, code, modes, stops } = await onPty([
      { wait: "you> " },
      { keys: "send half" },
      { wait: "half" },
      { keys: "\x1a" },
      { wait: "[stopped]" },
      { wait: "you> send half" },
      { keys: " whole\r" },
      { wait: "sent: half whole" },
      { keys: "wait\r" },
      { wait: "waiting" },
      { keys: "\x1a" }, // the system's own, as no prompt is open
      { wait: "[stopped]" },
      { keys: "\x03" },
      { wait: "Stopped." },
      { keys: "7\r" },
    ]);
    assert.equal(code, 0);
    assert.deepEqual(modes, USUAL);
    assert.equal(stops.length, 2);
    assert.deepEqual(stops[0], USUAL);
    using screen = new ScreenEmulator(60, 24);
    await screen.write(output);
    assert.deepEqual(screen.rows().slice(0, 4), [
      "ready",
      "[stopped]",
      "you> send half whole",
      "sent: half whole",
    ]);
  },
);

testWith(
  NEEDS,
  "on a real pseudo-terminal: the person's editor gets keyboard and text, and gives the text back",
  async () => {
    const { output, code } = await onPty([
      { wait: "you> " },
      { keys: "text\rfirst\r/edit\r" },
      { wait: "editing" },
      { keys: "typed into the editor\n" },
      { wait: "typed into the editor" },
      { wait: "first" },
      { keys: ".\r" },
      { wait: "text: " },
      { wait: "\n" },
      { keys: "7\r" },
    ], { EDITOR: 'f() { echo editing; read line; echo "$line" >> "$1"; }; f' });
    assert.equal(code, 0);
    assert.match(output, /text: "first\\?\n?typed into the editor"/);
  },
);

testWith(
  NEEDS,
  "on a dumb terminal: nothing but text, and Ctrl+C and Ctrl+D as the system has them",
  async () => {
    const { output, code, modes } = await onPty([
      { wait: "you> " },
      { keys: "secret\n" },
      { wait: "Password: " },
      { keys: "hunter2\n" },
      { wait: "length: 7" },
      { keys: "send x\x7fy\n" },
      { wait: "sent: y" },
      { keys: "wait\n" },
      { wait: "waiting" },
      { keys: "\x03" },
      { wait: "Stopped." },
      { wait: "you> " },
      { keys: "\x04" },
    ], { TERM: "dumb" });
    assert.equal(code, 0);
    assert.deepEqual(modes, USUAL);
    assert.ok(!output.includes("\x1b") && !output.includes("hunter2"), output);
  },
);
