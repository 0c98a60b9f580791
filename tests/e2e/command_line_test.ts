/**
 * The arguments of both programs: words that are no subcommand, help, and where a flag may stand.
 * @module
 */
import assert from "node:assert/strict";
import { runClient, runServer, startServer } from "../helpers/mini_chat.ts";
import { Person } from "../helpers/person.ts";
import { tempFolder } from "../helpers/temp_folder.ts";

const DONE = 0, WRONG_USAGE = 2, UNREACHABLE = 3, NOT_SIGNED_IN = 4;

Deno.test("a word that is no subcommand is not taken for a server", async () => {
  using folder = tempFolder();
  const nobody = new Person("nobody", folder.path);
  const cases: readonly [args: string[], said: RegExp][] = [
    [["userz"], /^Cannot find subcommand userz: did you mean users\?/],
    [["userz", "--json"], /did you mean users\?/],
    [["sned", "bob", "hello"], /did you mean send\?/],
    [["frobnicate"], /^Cannot find subcommand frobnicate: --help lists them\n$/],
    [["completion"], /did you mean completions\?/],
    [["1"], /^Cannot find subcommand 1: --help lists/],
    [[""], /^Cannot find a subcommand or a server in an empty word/],
    [["help", "userz"], /did you mean users\?/],
    [
      ["send", "bob", "hello", "there"],
      /^Cannot send 2 words: put the text in quotes, as in send bob "hello there"\n$/,
    ],
    [
      ["email", "--to", "bob", "hello", "there"],
      /^Cannot send 2 words: put the text in quotes, as in email --to bob/,
    ],
    [["email", "help"], /^Cannot find email help: help email explains it\n$/],
    [["email", "acounts"], /^Cannot find email acounts: did you mean email accounts\?\n$/],
    [
      ["report", "bob", "he", "is", "rude"],
      /^Cannot report 3 words: put the text in quotes, as in report bob/,
    ],
  ];
  for (const [args, said] of cases) {
    const { code, stdout, stderr } = await nobody.run(args);
    assert.equal(code, WRONG_USAGE, `${args.join(" ")}: ${stdout}${stderr}`);
    assert.match(stderr, said);
    assert.equal(stdout, "");
  }
  const server = await runServer(["chekc"]);
  assert.equal(server.code, WRONG_USAGE, server.stderr);
  assert.match(server.stderr, /^Cannot find subcommand chekc: did you mean check\?/);
});

Deno.test("an account or a server that is asked for and not signed in is named", async () => {
  using folder = tempFolder();
  const nobody = new Person("nobody", folder.path);
  const cases: readonly [args: string[], said: RegExp][] = [
    [[], /^Nobody is signed in on this device: run /],
    [["--user", "zed"], /^zed is not signed in on this device: run /],
    [
      ["--server", "chat.example.org"],
      /^Nobody is signed in at chat\.example\.org:7667 on this device: run /,
    ],
  ];
  for (const [args, said] of cases) {
    const { code, stderr } = await nobody.run(["whoami", ...args]);
    assert.equal(code, NOT_SIGNED_IN);
    assert.match(stderr, said);
  }
});

Deno.test("an error that quotes escape sequences does not send them to the terminal", async () => {
  // The words of a refusal come from the server; those of this one come from the arguments, on the same way.
  using folder = tempFolder();
  const args = ["--profile", "/dev/null/\x1b]0;mine\x07\x9b31m\u202e", "whoami"];
  const { stderr } = await new Person("nobody", folder.path).run(args);
  assert.match(stderr, /^Cannot use \/dev\/null\/␛\]0;mine␇‹U\+009B›31m‹U\+202E›/);
  // deno-lint-ignore no-control-regex
  assert.doesNotMatch(stderr, /[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]/);
});

Deno.test("without a home a login once went into the folder that one stood in", async () => {
  using folder = tempFolder();
  const env = { HOME: "", USERPROFILE: "", XDG_STATE_HOME: "", LOCALAPPDATA: "" };
  const { code, stderr } = await runClient(["whoami"], { env, cwd: folder.path });
  assert.equal(code, WRONG_USAGE);
  assert.match(
    stderr,
    /^Cannot use a profile without a folder: give one with --profile DIR .*, or set HOME\n$/,
  );
  assert.deepEqual(await Array.fromAsync(Deno.readDir(folder.path)), []);
});

Deno.test("--version prints the version of deno.json, with --json all that an executable knows of its making", async () => {
  const { version } = JSON.parse(await Deno.readTextFile(new URL("../../deno.json", import.meta.url)));
  const isCompiled = Deno.env.has("MINI_CHAT_TEST_DIST");
  for (const [name, run] of [["mini-chat-server", runServer], ["mini-chat-client", runClient]] as const) {
    assert.deepEqual(await run(["--version"]), { code: DONE, stdout: `${version}\n`, stderr: "" });
    for (const args of [["--version", "--json"], ["--json", "--version"], ["-V", "--json"]]) {
      const { code, stdout } = await run(args);
      assert.equal(code, DONE);
      const { commit, deno, target, ...rest } = JSON.parse(stdout);
      assert.deepEqual(rest, { name, version });
      assert.match(deno, /^\d+\.\d+\.\d+/);
      if (!isCompiled) assert.deepEqual({ commit, target }, { commit: null, target: null });
      else {
        assert.match(commit, /^[0-9a-f]{40}(-modified)?$/);
        assert.match(target, /^(linux|macos|windows)-(x64|arm64)$/);
      }
    }
  }
});

Deno.test("an address, a link and localhost are taken for a server", async () => {
  using folder = tempFolder();
  const nobody = new Person("nobody", folder.path);
  for (const where of ["localhost:1", "127.0.0.1:1", "[::1]:1", "mini-chat://localhost:1/code"]) {
    const { stdout } = await nobody.run([where]);
    assert.match(stdout, /Cannot reach (localhost|127\.0\.0\.1|\[::1\]):1/, where);
  }
  assert.equal((await nobody.run(["login", "127.0.0.1:1", "ana"], "secret\n")).code, UNREACHABLE);
});

Deno.test("--data is obeyed on either side of the server's subcommand, and so are the flags of invite new", async () => {
  // `mini-chat-server --data DIR check` looked into ./data.
  using folder = tempFolder();
  const data = `${folder.path}/elsewhere`;
  {
    await using _server = await startServer({ data });
  }
  for (
    const args of [["--data", data, "check"], ["check", "--data", data], ["--data", data, "user", "list"]]
  ) {
    const { code, stderr } = await runServer(args, { cwd: folder.path });
    assert.equal(code, DONE, `${args.join(" ")}: ${stderr}`);
  }
  const both = ["--data", `${folder.path}/none`, "check", "--data", data];
  assert.equal((await runServer(both)).code, DONE, "the nearer one counts");
  const flags = ["--data", data, "--public-host", "chat.example.org", "--port", "7000"];
  const { stdout } = await runServer([...flags, "invite", "new"]);
  assert.match(stdout, /^mini-chat:\/\/chat\.example\.org:7000\//);
});

Deno.test("--profile and --password-command are obeyed on either side of the client's subcommand", async () => {
  // `inbox --profile DIR` was an unknown option.
  using folder = tempFolder();
  const file = `${folder.path}/file`; // no profile can be here, and the words say where it was looked for
  await Deno.writeTextFile(file, "");
  const nobody = new Person("nobody", folder.path);
  for (
    const args of [
      ["--profile", file, "inbox"],
      ["inbox", "--profile", file],
      ["chat", "host", "bob", `--profile=${file}`],
      ["email", "--profile", file, "accounts"],
      ["--profile", `${folder.path}/other`, "users", "--profile", file], // the nearer one counts
    ]
  ) {
    const { stderr } = await nobody.run(args);
    assert.ok(stderr.startsWith(`Cannot use ${file}`), `${args.join(" ")}: ${stderr}`);
  }
  const { stderr } = await nobody.run(["login", "127.0.0.1:1", "ana", "--password-command", "false"]);
  assert.doesNotMatch(stderr, /unknown option/);
});

Deno.test("--help and help print the same, of the program and of a subcommand, in 80 columns", async () => {
  for (const [run, words] of [[runClient, ["email", "setup"]], [runServer, ["invite", "new"]]] as const) {
    for (const  of of[[], words]) {
      const [asWord, asFlag] = [await run(["help", ...of]), await run([...of, "--help"])];
      assert.equal(asWord.code, DONE, asWord.stderr);
      assert.deepEqual(asWord, asFlag);
      assert.match(asWord.stdout, new RegExp(`^Usage: mini-chat-(client|server) ${of.join(" ")}`));
      for (const line of asWord.stdout.split("\n")) assert.ok(line.length <= 80, line);
    }
  }
});
