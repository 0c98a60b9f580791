/**
 * An output that takes nothing more: a full disk, a reader that has gone, a closed descriptor, a slow reader. What was not
 * taken was not shown: it stays unread, and the program says so.
 * @module
 */
import assert from "node:assert/strict";
import { connectAs } from "../helpers/accounts.ts";
import { runServer, serverCommand, startServer, type TestServer } from "../helpers/mini_chat.ts";
import { testWith } from "../helpers/needs.ts";
import { Person } from "../helpers/person.ts";
import { runProgram } from "../helpers/program.ts";
import { tempFolder } from "../helpers/temp_folder.ts";

const FAILED = 1, OUTPUT_FAILED = 6;

/** Where an output goes, as a line for `sh -c`; `$0` is a path that nothing has yet. */
const FULL = '"$@" >/dev/full';
const CLOSED = '"$@" >&-';
const READER_HAS_GONE = 'mkfifo "$0" && exec 3<>"$0" && exec 4>"$0" && exec 3<&- && "$@" >&4';
const READER_LEAVES = '{ "$@"; echo "$?" >"$0"; } | head -n 1 >/dev/null; exit "$(cat "$0")"';
/** Nobody reads for longer than a terminal that closes waits; then all of it. */
const SLOW_READER = '"$@" | { sleep 3; cat; }';

/** More than a pipe and the client's own queue hold together. */
const MUCH: readonly string[] = Array.from({ length: 40 }, (_, index) => `${index} `.padEnd(16_000, "x"));

interface Scene extends AsyncDisposable {
  readonly server: TestServer;
  readonly bob: Person;
  /** Bob at the same machine, with the output of his client sent elsewhere. */
  to(output: string): Person;
}

/** A server on which these texts wait for bob. */
async function openScene(folder: string, texts: readonly string[]): Promise<Scene> {
  const server = await startServer({ data: `${folder}/data` });
  const bob = new Person("bob", folder);
  await bob.settleIn(server);
  await using ana = await connectAs(server, "ana");
  for (const text of texts) await ana.ask("send_message", { id: crypto.randomUUID(), to: "bob", text });
  return {
    server,
    bob,
    to: (output) => new Person("bob", folder, ["sh", "-c", output, `${folder}/${crypto.randomUUID()}`]),
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  };
}

testWith(["linux"], "inbox and tail leave unread what their output did not take, and say so", async () => {
  using folder = tempFolder();
  await using scene = await openScene(folder.path, ["hello"]);
  const cases: readonly [output: string, args: readonly string[], said: RegExp][] = [
    [FULL, ["inbox", "--json"], /^Cannot write .*disk is full.*\n$/],
    [FULL, ["tail"], /^Cannot write .*disk is full.*\n$/],
    [READER_HAS_GONE, ["inbox"], /^Cannot write .*nobody reads.*\n$/],
    [READER_HAS_GONE, ["tail", "--json"], /^Cannot write .*nobody reads.*\n$/],
    [CLOSED, ["inbox"], /^Cannot show messages .*closed.*\n$/],
    [CLOSED, ["tail"], /^Cannot show messages .*closed.*\n$/],
  ];
  for (const [output, args, said] of cases) {
    const { code, stderr } = await scene.to(output).run(args);
    assert.equal(code, OUTPUT_FAILED, `${args.join(" ")} ${output}: ${stderr}`);
    assert.match(stderr, said, output);
  }
  assert.deepEqual(await scene.bob.inbox(), ["hello"]);
});

testWith(["unix"], "inbox whose reader leaves after the first line leaves everything unread", async () => {
  using folder = tempFolder();
  await using scene = await openScene(folder.path, MUCH);
  const { code, stderr } = await scene.to(READER_LEAVES).run(["inbox"]);
  assert.equal(code, OUTPUT_FAILED, stderr);
  assert.deepEqual(await scene.bob.inbox(), MUCH);
});

testWith(["unix"], "a reader that is slow gets all of it", async () => {
  // What the terminal had not written a second after the end was lost, with exit code 0.
  using folder = tempFolder();
  // More than the pipe holds, so that something waits; less than would hold up the printing.
  const texts = MUCH.slice(0, 12);
  await using scene = await openScene(folder.path, texts);
  const { stdout, stderr } = await scene.to(SLOW_READER).run(["history", "ana", "--json"]);
  const shown = stdout.split("\n").filter(Boolean).map((line) => (JSON.parse(line) as { text: string }).text);
  assert.deepEqual(shown.map((text) => text.slice(0, 3)), texts.map((text) => text.slice(0, 3)), stderr);
});

testWith(["linux"], "every subcommand that prints fails with words when its output is full", async () => {
  using folder = tempFolder();
  await using scene = await openScene(folder.path, ["hello"]);
  const full = scene.to(FULL);
  for (
    const args of [
      ["users"],
      ["history", "ana"],
      ["whoami", "--json"],
      ["send", "bob", "note to self", "--json"],
      ["email", "accounts", "--json"],
      ["--help"],
      ["users", "--help"],
      ["--version"],
    ]
  ) {
    const { code, stderr } = await full.run(args);
    const isQuiet = args[0] === "email" && code === 0; // without an account, there is nothing to print
    assert.ok(isQuiet || code === OUTPUT_FAILED, `${args.join(" ")}: ${code} ${stderr}`);
    assert.match(stderr, isQuiet ? /^$/ : /^Cannot write .*disk is full.*\n$/, args.join(" "));
  }
  assert.deepEqual(await scene.bob.inbox(), ["hello", "note to self"], "the message went, once");
});

testWith(["linux"], "the server's subcommands fail with words when their output is full", async () => {
  using folder = tempFolder();
  const data = `${folder.path}/data`;
  await using server = await startServer({ data });
  await connectAs(server, "ana").then((wire) => wire[Symbol.asyncDispose]());
  const { command, args: first } = serverCommand();
  for (
    const args of [["user", "list", "--data", data], ["check", "--data", data], [
      "invite",
      "new",
      "--data",
      data,
    ], [
      "--help",
    ], ["--version"]]
  ) {
    const { code, stderr } = await runProgram("sh", ["-c", FULL, "sh", command, ...first, ...args]);
    assert.equal(code, FAILED, `${args.join(" ")}: ${stderr}`);
    assert.match(stderr, /^Cannot write .*disk is full.*\n$/, args.join(" "));
  }
  assert.equal((await runServer(["check", "--data", data])).code, 0);
});
