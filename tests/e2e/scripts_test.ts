/**
 * The client's subcommands, as a script or cron calls them: no terminal, quiet on success, errors on standard error, exit codes.
 * @module
 */
import assert from "node:assert/strict";
import { PASSWORD } from "../helpers/accounts.ts";
import { startServer } from "../helpers/mini_chat.ts";
import { Person } from "../helpers/person.ts";
import { freePort } from "../helpers/ports.ts";
import { tempFolder } from "../helpers/temp_folder.ts";

const REFUSED = 1, WRONG_USAGE = 2, UNREACHABLE = 3, NOT_SIGNED_IN = 4;

Deno.test("subcommands register, send, list and read, quiet where there is nothing to say", async () => {
  using folder = tempFolder();
  await using server = await startServer({ data: `${folder.path}/data` });
  const [ana, bob] = [new Person("ana", folder.path), new Person("bob", folder.path)];

  for (const person of [ana, bob]) {
    const { code, stdout, stderr } = await person.run(
      ["register", server.inviteLink, person.name],
      PASSWORD + "\n",
    );
    assert.equal(code, 0, stderr);
    assert.doesNotMatch(stdout + stderr, new RegExp(PASSWORD), "a password must not be shown");
  }
  assert.deepEqual(JSON.parse(await ana.must(["whoami", "--json"])), {
    name: "ana",
    server: `127.0.0.1:${server.port}`,
    readReceipts: false,
    email: null,
  });

  assert.equal(await ana.must(["send", "bob", 'Привет, "мир"!']), "");
  assert.equal(await ana.must(["send", "bob", "-"], "two\nlines\n"), "");
  const sent = JSON.parse(await ana.must(["send", "bob", "--json"], "from a pipe"));
  assert.deepEqual(Object.keys(sent).sort(), ["duplicate", "id", "sequence", "storedAt", "to"]);

  const texts = ['Привет, "мир"!', "two\nlines", "from a pipe"];
  const kept = (await bob.must(["inbox", "--json", "--keep"])).trim().split("\n").map((line) =>
    JSON.parse(line)
  );
  assert.deepEqual(kept.map(({ from, text }) => [from, text]), texts.map((text) => ["ana", text]));
  assert.deepEqual(await bob.inbox(), texts);
  assert.equal(await bob.must(["inbox"]), "");
  const history = (await ana.must(["history", "bob", "--json"])).trim().split("\n").map((line) =>
    JSON.parse(line)
  );
  assert.deepEqual(history.map(({ to, text }) => [to, text]), texts.map((text) => ["bob", text]));
  assert.deepEqual(Object.keys(await ana.users()), ["ana", "bob"]);
  // What was sent, received and listed is what a Tab knows, without the server.
  await server.stop();
  const tab = ["complete", "zsh", "--", "send", ""];
  assert.equal(await ana.must(tab), "words\nbob\n");
  assert.equal(await bob.must(tab), "words\nana\n");
});

Deno.test("programs that send at once on one profile send each message once, each its own", async () => {
  // Each sent the messages of all, and one whose message another had sent waited 30 s for word of it.
  using folder = tempFolder();
  await using server = await startServer({ data: `${folder.path}/data` });
  const [ana, bob] = [new Person("ana", folder.path), new Person("bob", folder.path)];
  for (const person of [ana, bob]) await person.settleIn(server);
  const texts = Array.from({ length: 16 }, (_, index) => `message ${index}`);
  const waiting = texts.values();
  const sent: { duplicate: boolean }[] = [];
  await Promise.all(Array.from({ length: 8 }, async () => {
    for (const text of waiting) sent.push(JSON.parse(await ana.must(["send", "bob", text, "--json"])));
  }));
  assert.deepEqual(sent.map(({ duplicate }) => duplicate), texts.map(() => false));
  assert.deepEqual((await bob.inbox()).sort(), texts.toSorted());
});

Deno.test("tail prints what waits, then what arrives, and each is read once it was printed", async () => {
  using folder = tempFolder();
  await using server = await startServer({ data: `${folder.path}/data` });
  const [ana, bob] = [new Person("ana", folder.path), new Person("bob", folder.path)];
  await ana.settleIn(server);
  await bob.settleIn(server);
  await ana.must(["send", "bob", "before"]);
  await using tail = bob.start(["tail", "--json"]);
  await tail.waitForLine(/"text":"before"/);
  await ana.must(["send", "bob", "live"]);
  await tail.waitForLine(/"text":"live"/);
  tail.signal("SIGTERM");
  await tail.waitForExit();
  assert.deepEqual(await bob.inbox(), []);
});

Deno.test("subcommands end with the code that tells what to do, and one clear line on standard error", async () => {
  using folder = tempFolder();
  await using server = await startServer({ data: `${folder.path}/data` });
  const ana = new Person("ana", folder.path);
  const stranger = new Person("stranger", folder.path);
  await ana.settleIn(server);
  const nowhere = `mini-chat://127.0.0.1:${freePort()}/code#SHA256:${"A".repeat(43)}`;
  const otherKey = server.inviteLink.replace(/#.*/, "#SHA256:" + "A".repeat(43));
  const cases: readonly [Person, args: string[], input: string, code: number, said: RegExp][] = [
    [ana, ["send", "nobody", "x"], "", REFUSED, /no such user|nobody/],
    [ana, ["send", "ana", "x".repeat(16_385)], "", REFUSED, /16,?384/],
    [ana, ["send", "ana", "-"], "", REFUSED, /at least one/],
    [stranger, ["login", server.inviteLink, "ana"], "wrong password\n", REFUSED, /password/],
    [stranger, ["register", server.inviteLink, "ana"], PASSWORD + "\n", REFUSED, /taken/],
    [stranger, ["register", otherKey, "eve"], PASSWORD + "\n", REFUSED, /key/],
    [ana, ["send"], "", WRONG_USAGE, /--help/],
    [ana, ["users", "--nosuch"], "", WRONG_USAGE, /--help/],
    [ana, ["--nosuch"], "", WRONG_USAGE, /--help/],
    [stranger, ["register", "not a link", "eve"], PASSWORD + "\n", WRONG_USAGE, /link|address/],
    [stranger, ["register", server.inviteLink, "Two Words"], PASSWORD + "\n", REFUSED, /name/],
    [stranger, ["register", server.inviteLink, "eve"], "short\n", REFUSED, /8/],
    [stranger, ["register", nowhere, "eve"], PASSWORD + "\n", UNREACHABLE, /127\.0\.0\.1/],
    [stranger, ["users"], "", NOT_SIGNED_IN, /login|register/],
    [stranger, ["send", "ana", "x"], "", NOT_SIGNED_IN, /login|register/],
  ];
  for (const [person, args, input, expected, said] of cases) {
    const { code, stdout, stderr } = await person.run(args, input);
    const what = `${args.join(" ").slice(0, 100)}: ${stdout}${stderr}`;
    assert.equal(code, expected, what);
    assert.equal(stdout, "", what);
    assert.match(stderr, said, what);
    assert.ok(expected === WRONG_USAGE || stderr.trim().split("\n").length === 1, what);
  }
});

Deno.test("after logout the token is worth nothing, and nobody is signed in", async () => {
  using folder = tempFolder();
  await using server = await startServer({ data: `${folder.path}/data` });
  const ana = new Person("ana", folder.path);
  await ana.settleIn(server);
  await ana.must(["logout"]);
  assert.equal((await ana.run(["users"])).code, NOT_SIGNED_IN);
  await ana.login(server.inviteLink);
  assert.equal((await ana.users()).ana, "online");
});
