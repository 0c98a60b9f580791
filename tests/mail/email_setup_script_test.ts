/**
 * `email setup` with flags: an account without a question, at a real SMTP server.
 * @module
 */
import assert from "node:assert/strict";
import { join } from "node:path";
import { EmailDesk } from "../helpers/email_desk.ts";
import { emailScript as script } from "../helpers/email_script.ts";
import { GMAIL, TestMailServer } from "../helpers/mail_server.ts";

const DONE = 0, REFUSED = 1, WRONG_USAGE = 2, NOT_NOW = 3, SIGN_IN_FIRST = 4;

/** A pipe, a server that knows one password, and the flags that lead there. */
async function start(password = "the-password") {
  const server = await TestMailServer.start({ security: "tls", passwords: { ann: password } });
  const desk = new EmailDesk({ isPipe: true });
  const { host, port, caPem } = server.endpoint;
  const ca = join(desk.folder, "ca.pem");
  await Deno.writeTextFile(ca, caPem);
  const where = ["--host", host, "--port", String(port), "--security", "tls", "--ca", ca];
  return {
    server,
    desk,
    setUp: (args: string[], input = "") =>
      script(desk, ["setup", "--address", "ann@example.org", ...args], input),
    where,
    async [Symbol.asyncDispose]() {
      await desk[Symbol.asyncDispose]();
      await server[Symbol.asyncDispose]();
    },
  };
}

Deno.test("email setup with flags signs in, saves the account, and says nothing; again it changes nothing", async () => {
  await using scene = await start();
  const { server, desk, where, setUp } = scene;
  const flags = [...where, "--user", "ann", "--name", "Ann"];
  for (let run = 1; run <= 2; run++) {
    assert.deepEqual(await setUp(flags, "the-password\n"), { code: DONE, out: "", errors: "" });
    const accounts = await desk.parts.store.listMailAccounts();
    assert.equal(accounts.length, 1);
    const { id: _id, ...account } = accounts[0]!;
    const { caPem, ...endpoint } = account.endpoint;
    assert.equal(caPem, server.endpoint.caPem);
    assert.deepEqual({ ...account, endpoint }, {
      address: "ann@example.org",
      name: "Ann",
      endpoint: { host: "localhost", port: server.endpoint.port, security: "tls" },
      signIn: { kind: "password", user: "ann", password: "the-password" },
    });
  }
  assert.equal(server.signIns.length, 2, "each run signs in");
  assert.equal(server.mails.length, 0);
  assert.equal((await script(desk, ["--to", "bob@example.org", "hi"])).code, DONE);
});

Deno.test("email setup keeps what no flag names, and --json shows the account without its secret", async () => {
  await using scene = await start();
  const { desk, where, setUp, server } = scene;
  const { code, out, errors } = await setUp([...where, "--user", "ann", "--json"], "the-password");
  assert.equal(code, DONE, errors);
  assert.deepEqual(JSON.parse(out), {
    address: "ann@example.org",
    name: "",
    server: `localhost:${server.endpoint.port}`,
    security: "tls",
    signIn: "password, stored",
    default: true,
    created: true,
    checked: true,
  });
  assert.doesNotMatch(out, /the-password/);
  const renamed = await setUp(["--name", "Ann B.", "--json"]);
  assert.equal(renamed.code, DONE, renamed.errors);
  const { name, created } = JSON.parse(renamed.out);
  assert.deepEqual([name, created], ["Ann B.", false]);
  const [account] = await desk.parts.store.listMailAccounts();
  assert.equal(account?.signIn.kind === "password" && account.signIn.password, "the-password");

  await script(desk, [
    "setup",
    "--address",
    "b@example.org",
    ...where,
    "--auth",
    "none",
    "--no-check",
    "--default",
  ]);
  const addresses = (await desk.parts.store.listMailAccounts()).map(({ address }) => address);
  assert.deepEqual(addresses, ["b@example.org", "ann@example.org"]);
});

Deno.test("email setup takes the password from a command that is kept, or keeps none at all", async () => {
  await using scene = await start("from a command");
  const { desk, where, setUp } = scene;
  const command = "echo from a command";
  assert.equal((await setUp([...where, "--user", "ann", "--command", command])).code, DONE);
  const saved = async () => (await desk.parts.store.listMailAccounts())[0]?.signIn;
  assert.deepEqual(await saved(), { kind: "password_command", user: "ann", command });
  const asked = await setUp(["--auth", "asked"], "from a command\n");
  assert.equal(asked.code, DONE, asked.errors);
  assert.deepEqual(await saved(), { kind: "password_asked", user: "ann" });
  const failed = await setUp(["--command", "exit 3"]);
  assert.equal(failed.code, SIGN_IN_FIRST);
  assert.match(failed.errors, /password command ended with status 3/);
  assert.deepEqual(await saved(), { kind: "password_asked", user: "ann" });
});

Deno.test("email setup saves nothing that the server refuses, unless it was told not to look", async () => {
  await using scene = await start();
  const { desk, where, setUp, server } = scene;
  const flags = [...where, "--user", "ann"];
  const wrong = await setUp(flags, "wrong\n");
  assert.equal(wrong.code, SIGN_IN_FIRST, wrong.errors);
  server.refusals = { connect: GMAIL.tryLater };
  assert.equal((await setUp(flags, "the-password\n")).code, NOT_NOW);
  server.refusals = {};
  const [, , ...elsewhere] = where;
  const strange = await setUp(["--host", "127.0.0.2", ...elsewhere, "--user", "ann"], "the-password\n");
  assert.ok([REFUSED, NOT_NOW].includes(strange.code), strange.errors);
  assert.deepEqual(await desk.parts.store.listMailAccounts(), []);
  assert.equal((await setUp([...flags, "--no-check"], "wrong\n")).code, DONE);
  assert.equal((await desk.parts.store.listMailAccounts()).length, 1);
});

Deno.test("email setup says which flag is missing or wrong", async () => {
  await using desk = new EmailDesk({ isPipe: true });
  const ann = ["--address", "ann@example.org"];
  const cases: readonly [args: string[], said: RegExp][] = [
    [["--name", "Ann"], /give --address/],
    [["--json"], /give --address/],
    [["--address", "ann"], /it has no @/],
    [ann, /give it with --host, or the provider with --provider/],
    [[...ann, "--provider", "nosuch"], /Cannot find the provider/],
    [[...ann, "--provider", "Gmail", "--host", "x.example.org"], /give one/],
    [[...ann, "--host", "a b"], /--host: it looks like/],
    [[...ann, "--host", "x.example.org", "--port", "0"], /from 1 to 65535/],
    [[...ann, "--host", "x.example.org", "--port", "2525"], /give --security/],
    [[...ann, "--host", "x.example.org", "--security", "plain"], /Allowed choices are tls, starttls/],
    [[...ann, "--host", "x.example.org", "--ca", join(desk.folder, "none")], /Cannot read the CA file/],
    [[...ann, "--provider", "Gmail"], /without a password: give it on standard input/],
    [[...ann, "--provider", "Gmail", "--auth", "command"], /without --command/],
    [[...ann, "--provider", "Gmail", "--auth", "none", "--command", "x"], /--auth command/],
    [[...ann, "--provider", "Gmail", "--auth", "asked"], /or --no-check/],
    [[...ann, "--auth", "oauth2"], /Allowed choices/],
  ];
  for (const [args, said] of cases) {
    const { code, errors } = await script(desk, ["setup", ...args]);
    assert.equal(code, WRONG_USAGE, `${args.join(" ")}: ${errors}`);
    assert.match(errors, said);
  }
  assert.deepEqual(await desk.parts.store.listMailAccounts(), []);
});

Deno.test("email setup finds server, port and encryption by provider, by address, and by each other", async () => {
  await using desk = new EmailDesk({ isPipe: true });
  const cases: readonly [args: string[], server: string, security: string][] = [
    [["--address", "ann@gmail.com"], "smtp.gmail.com:465", "tls"],
    [["--address", "a@example.org", "--provider", "gmail"], "smtp.gmail.com:465", "tls"],
    [["--address", "b@gmail.com", "--security", "starttls"], "smtp.gmail.com:587", "starttls"],
    [["--address", "c@example.org", "--host", "x.example.org"], "x.example.org:465", "tls"],
    [
      ["--address", "d@example.org", "--host", "x.example.org", "--port", "587"],
      "x.example.org:587",
      "starttls",
    ],
    [
      ["--address", "e@example.org", "--host", "x.example.org", "--security", "starttls"],
      "x.example.org:587",
      "starttls",
    ],
  ];
  for (const [args, server, security] of cases) {
    const { out, errors } = await script(
      desk,
      ["setup", ...args, "--no-check", "--json"],
      "abcd efgh ijkl mnop\n",
    );
    assert.equal(errors, "");
    const account = JSON.parse(out);
    assert.deepEqual(
      [account.server, account.security, account.checked],
      [server, security, false],
      args.join(" "),
    );
  }
  const [first] = await desk.parts.store.listMailAccounts();
  assert.equal(first?.signIn.kind === "password" && first.signIn.password, "abcdefghijklmnop");
});
