/**
 * The server as its operator meets it: flags, files, signals, a second one, and the subcommands beside it.
 * @module
 */
import assert from "node:assert/strict";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { CHAT_CERTIFICATE } from "../helpers/chat_certificate.ts";
import { runServer, serverCommand, startServer } from "../helpers/mini_chat.ts";
import { testWith } from "../helpers/needs.ts";
import { occupiedPort } from "../helpers/ports.ts";
import { runOnPty } from "../helpers/pty.ts";
import { openFolder } from "../helpers/population.ts";
import { tempFolder } from "../helpers/temp_folder.ts";
import { connectAs, joinCodeOf, registerAs } from "../helpers/accounts.ts";
import { Wire } from "../helpers/wire.ts";

/** Every flag of a serving server, and the default that `--help` shows; null where there is none to show. */
const FLAGS: Record<string, string | null> = {
  "--host": "every address",
  "--port": "7667",
  "--data": "./data",
  "--database": "a file in --data",
  "--database-file": null,
  "--relay-address": null,
  "--registration": "invite",
  "--cert": null,
  "--key": null,
  "--public-host": null,
  "--log-level": "info",
  "--log-format": "text",
  "--max-connections": "10000",
  "--max-connections-per-address": "100",
  "--sends-per-second": "",
  "--failed-logins": "",
  "--mailbox-messages": "",
  "--mailbox-mib": "",
  "--history-days": "",
  "--history-mib": "",
  "--relay-mib": "1024",
  "--metrics": null,
  "--metrics-public": null,
};

const SUBCOMMANDS = [
  "user",
  "invite",
  "ban",
  "lockdown",
  "report",
  "audit",
  "backup",
  "check",
  "restore",
  "move",
  "status",
  "doctor",
  "healthcheck",
];

Deno.test("server --help names every flag, its variable and its default, and every subcommand", async () => {
  const { code, stdout } = await runServer(["--help"]);
  assert.equal(code, 0);
  const lines = stdout.replace(/\n {6,}/g, " ").split("\n"); // a description may go on below
  for (const [flag, shown] of Object.entries(FLAGS)) {
    const line = lines.find((line) => line.trim().startsWith(`${flag} `));
    assert.ok(line, `${flag} is missing in:\n${stdout}`);
    assert.ok(line.includes(`MINI_CHAT_${flag.slice(2).toUpperCase().replaceAll("-", "_")}`), line);
    if (shown !== null) assert.match(line, new RegExp(`default: .*${shown}`));
  }
  for (const name of SUBCOMMANDS) assert.match(stdout, new RegExp(`^ +${name} `, "m"));
});

Deno.test("server refuses a wrong flag with exit code 2 and a pointer to --help", async () => {
  const wrong = ["--port=70000", "--port=many", "--registration=maybe", "--relay-address=7667", "--nosuch"];
  for (const args of wrong.map((flag) => [flag])) {
    const { code, stdout, stderr } = await runServer(args);
    assert.equal(code, 2, `${args}: ${stdout}${stderr}`);
    assert.match(stderr, /--help/);
  }
});

Deno.test("server takes its flags from MINI_CHAT_… variables too, and a flag wins", async () => {
  using folder = tempFolder();
  using taken = occupiedPort();
  const env = {
    MINI_CHAT_DATA: join(folder.path, "from-variable"),
    MINI_CHAT_PORT: String(taken.port),
    MINI_CHAT_REGISTRATION: "closed",
  };
  await using server = await startServer({ data: join(folder.path, "from-flag"), env });
  await using wire = await Wire.connect(server.port);
  const hello = await wire.ask("hello", { protocol: 1, client: { name: "wire", version: "0" } });
  assert.equal(hello.registration, "closed");
  await assert.rejects(Deno.stat(env.MINI_CHAT_DATA), Deno.errors.NotFound);
});

Deno.test("a second server on the same data folder is refused, and the first goes on", async () => {
  using folder = tempFolder();
  await using server = await startServer({ data: folder.path });
  const { code, stdout, stderr } = await runServer(["--data", folder.path, "--port", "0"]);
  assert.notEqual(code, 0);
  assert.equal(stdout, "");
  assert.match(stderr, /a server already uses/);
  assert.ok(stderr.includes(folder.path), stderr);
  await using _wire = await Wire.greet(server.port);
});

Deno.test("a port in use is one line that says so", async () => {
  using folder = tempFolder();
  using taken = occupiedPort();
  const { code, stderr } = await runServer(["--data", folder.path, "--port", String(taken.port)]);
  assert.notEqual(code, 0);
  const lines = stderr.trim().split("\n");
  assert.equal(lines.length, 1, stderr);
  assert.match(lines[0]!, /another program/);
  assert.match(lines[0]!, new RegExp(`\\b${taken.port}\\b`));
});

Deno.test("a database that a newer program wrote is one line that says so, also while the key is still being made", async () => {
  using folder = tempFolder();
  using database = new DatabaseSync(join(folder.path, "mini-chat.db"));
  database.exec("PRAGMA user_version = 999");
  const { code, stderr } = await runServer(
    ["--data", folder.path, "--new-key", "--port", "0", "--log-level", "error"],
  );
  assert.notEqual(code, 0);
  assert.match(stderr, /^Cannot open the database, as a newer version of Mini-Chat wrote it.*\n$/);
});

for (const signal of ["SIGTERM", "SIGINT"] as const) {
  testWith(
    ["unix"],
    `${signal}: the server tells its clients to come back at different times, and ends with 0 within 5 seconds`,
    async () => {
      using folder = tempFolder();
      await using server = await startServer({ data: folder.path });
      await using wire = await connectAs(server, "ana");
      // These have not even said hello.
      await using first = await Wire.connect(server.port);
      await using second = await Wire.connect(server.port);
      // A client may have finished its handshake before the server has: then it is nobody's client yet.
      for (let count = 0; count < 3; count++) await server.program.waitForLine(/ connected /);
      // And these come and go; the log has a line for each of the first only.
      const came = signal === "SIGINT" ? 65 : 3;
      for (let count = 3; count < came; count++) (await Wire.greet(server.port)).send("goodbye\n");

      server.program.signal(signal);
      const told = await Promise.all([wire, first, second].map((client) => client.event("server_stopping")));
      const times = told.map(({ retryAfterMs }) => retryAfterMs as number);
      for (const ms of times) assert.ok(ms >= 250 && ms <= 1_000, `${ms}`);
      assert.equal(new Set(times).size, 3);
      await wire.closed;
      const { code } = await server.program.waitForExit(5_000);
      assert.equal(code, 0, server.program.transcript);
      assert.match(server.program.stderr, / signed in connection="c\d+" name="ana" address="127\.0\.0\.1"\n/);
      assert.equal(/ more callers connected more=5\n/.test(server.program.stderr), came === 65);
      await assert.rejects(Wire.connect(server.port));
    },
  );
}

testWith(["unix"], "SIGTERM: what the server had received by then is stored and acknowledged", async () => {
  using folder = tempFolder();
  const count = 200;
  {
    await using server = await startServer({ data: folder.path });
    await using ana = await connectAs(server, "ana");
    const replies = Array.from(
      { length: count },
      (_, index) =>
        ana.request("send_message", { id: crypto.randomUUID(), to: "ana", text: `note ${index}` }),
    );
    await ana.request("ping", {}); // behind the others in the same stream: so all were received
    server.program.signal("SIGTERM");
    const results = await Promise.all(replies);
    assert.ok(results.every(({ result }) => result?.duplicate === false));
    assert.equal((await server.program.waitForExit(5_000)).code, 0);
  }
  const { code, stdout, stderr } = await runServer(["check", "--data", folder.path]);
  assert.equal(code, 0, stderr);
  assert.match(stdout, new RegExp(`\\b${count}\\b`));
});

testWith(["unix"], "the data folder and its files can be read by their owner alone", async () => {
  using folder = tempFolder();
  const data = join(folder.path, "made", "by-the-server");
  await using server = await startServer({ data });
  await using _wire = await registerAs(server, "ana");
  const modeOf = async (path: string) => ((await Deno.stat(path)).mode! & 0o777).toString(8);
  assert.equal(await modeOf(data), "700");
  for await (const { name } of Deno.readDir(data)) {
    // A certificate is shown to every caller anyway.
    assert.equal(await modeOf(join(data, name)), name.endsWith(".crt") ? "644" : "600", name);
  }
});

Deno.test("check says so, and fails, when the database is damaged", async () => {
  using folder = tempFolder();
  await using server = await startServer({ data: folder.path });
  await using wire = await connectAs(server, "ana");
  for (let index = 0; index < 100; index++) {
    await wire.ask("send_message", { id: crypto.randomUUID(), to: "ana", text: "x".repeat(500) });
  }
  assert.equal(await server.stop(), 0);
  await (await openFolder(folder.path))[Symbol.asyncDispose](); // takes in what a server that was killed has left in the log
  using file = await Deno.open(join(folder.path, "mini-chat.db"), { read: true, write: true });
  const { size } = await file.stat();
  await file.seek(Math.floor(size / 2), Deno.SeekMode.Start);
  await file.write(crypto.getRandomValues(new Uint8Array(8192)));
  const { code, stdout, stderr } = await runServer(["check", "--data", folder.path]);
  assert.notEqual(code, 0, stdout);
  assert.match(stderr, /damaged|corrupt|malformed|integrity/i);
});

Deno.test("user disable ends the account's live session and its invitations within seconds; user enable lets it in again", async () => {
  using folder = tempFolder();
  await using server = await startServer({ data: folder.path });
  await using wire = await connectAs(server, "ana");
  await using bob = await connectAs(server, "bob");
  const chatId = crypto.randomUUID();
  const secret = "A".repeat(22);
  const chat = { chatId, to: "ana", port: 1, places: [], certificate: CHAT_CERTIFICATE, secret };
  await bob.ask("open_chat", chat);
  const disable = await runServer(["user", "disable", "ana", "--data", folder.path]);
  assert.equal(disable.code, 0, disable.stderr);
  assert.equal((await wire.event("session_ended")).reason, "revoked");
  await wire.closed;
  // He once waited for ever in a direct chat.
  assert.deepEqual(await bob.event("chat_closed"), { chatId, by: "ana", reason: "declined" });

  await using again = await Wire.greet(server.port);
  const login = { name: "ana", password: "correct horse" };
  assert.equal(await again.refused("login", login), "forbidden");
  assert.equal((await runServer(["user", "enable", "ana", "--data", folder.path])).code, 0);
  await again.ask("login", login);
});

testWith(
  ["unix", { command: "python3" }],
  "a question to the operator: nobody there, no and Ctrl+C change nothing, and the exit code says so",
  async () => {
    using folder = tempFolder();
    await using server = await startServer({ data: folder.path });
    await using _ana = await connectAs(server, "ana");
    const remove = ["user", "remove", "ana", "--data", folder.path];
    for (const input of ["", "n\n"]) {
      const { code, stderr } = await runServer(remove, { input });
      assert.deepEqual(
        [code, stderr],
        [2, "Nothing was removed: answer yes, or give --yes\n"],
        "once 0, without a word",
      );
    }
    const { command, args } = serverCommand();
    const { code, output } = await runOnPty([command, ...args, ...remove], [
      { wait: "permanently? [y/N]" },
      { keys: "\x03" },
    ]);
    assert.equal(code, 130);
    assert.doesNotMatch(output, /Interrupt/, "a stack trace was once shown");
    assert.match((await runServer(["user", "list", "--data", folder.path])).stdout, /^ana /);
  },
);

Deno.test("a revoked invite registers nobody, a new one does", async () => {
  using folder = tempFolder();
  await using server = await startServer({ data: folder.path });
  const revoked = joinCodeOf(server.inviteLink);
  const { code, stderr } = await runServer(["invite", "revoke", revoked, "--data", folder.path]);
  assert.equal(code, 0, stderr);
  await using wire = await Wire.greet(server.port);
  const account = { name: "eve", password: "correct horse" };
  assert.equal(await wire.refused("register", { ...account, joinCode: revoked }), "forbidden");
  assert.equal(await wire.refused("register", account), "forbidden");

  const { stdout } = await runServer(["invite", "new", "--uses", "1", "--data", folder.path]);
  const fresh = joinCodeOf(stdout.trim());
  await wire.ask("register", { ...account, joinCode: fresh });
  assert.equal(
    stdout.trim(),
    server.inviteLink.replace(revoked, fresh),
    "host, port and key are the running server's",
  );
});
