/**
 * A client in another language, written from the protocol's page alone, against the real server.
 * @module
 */
import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { connectAs, PASSWORD } from "../helpers/accounts.ts";
import { serverCommand, startServer, type TestServer } from "../helpers/mini_chat.ts";
import { testWith } from "../helpers/needs.ts";
import { Program, runProgram } from "../helpers/program.ts";
import { addNamed } from "../helpers/population.ts";
import { tempFolder } from "../helpers/temp_folder.ts";

const SCRIPT = fileURLToPath(new URL("../python/stranger.py", import.meta.url));
const RULES = fileURLToPath(new URL("../python/stranger_rules.py", import.meta.url));
/** The longest of them waits for half a minute: for a handshake that is not begun. */
const RULE_WITHIN_MS = 120_000;
const STRANGER_PASSWORD = "a stranger's password";
/** People with an account, for the rules that are not about registering. */
const MEMBERS = [
  ...[
    "absent",
    "bob",
    "busy",
    "carol",
    "changer",
    "cursor",
    "device",
    "ended",
    "eve",
    "full",
    "ids",
    "leaver",
    "mallory",
  ],
  ...[
    "numbers",
    "one",
    "open",
    "reader",
    "settings",
    "shut",
    "shy",
    "someone",
    "texts",
    "two",
    "ursula",
    "victor",
    "writer",
  ],
];

function startStranger(
  server: TestServer,
  how: "register" | "login",
  env: Record<string, string> = {},
): Program {
  const args = [SCRIPT, how, server.inviteLink, "stranger"];
  return new Program("python3", args, { name: "stranger", env: { STRANGER_PASSWORD, ...env } });
}

testWith(
  [{ command: "python3" }],
  "a stranger's client registers, sends, receives and acknowledges",
  async () => {
    using folder = tempFolder();
    await using server = await startServer({ data: folder.path });
    await using ana = await connectAs(server, "ana");
    await ana.ask("subscribe", {});

    let device = "";
    {
      await using stranger = startStranger(server, "register");
      device = (await stranger.waitForLine(/^signed in stranger (\S+)$/))[1]!;
      await stranger.waitForLine(/^waiting up to 0$/);

      await stranger.writeLine('send ana Привет, "мир"! 👋');
      const [, sequence] = await stranger.waitForLine(/^stored (\d+)$/);
      const received = await ana.event("message_received");
      assert.deepEqual([received.sequence, received.from, received.text], [
        Number(sequence),
        "stranger",
        'Привет, "мир"! 👋',
      ]);

      const sent = await ana.ask("send_message", {
        id: crypto.randomUUID(),
        to: "stranger",
        text: "two\nlines",
      });
      await stranger.waitForLine(/^message \d+ ana "two\\nlines"$/);
      assert.deepEqual(await ana.event("receipt"), { by: "stranger", delivered: sent.sequence });

      await stranger.writeLine("users");
      await stranger.waitForLine(/^user ana online 1$/);
      await stranger.writeLine("history ana");
      await stranger.waitForLine(/^history \d+ stranger \S+ "Привет, \\"мир\\"! 👋"$/);
      await stranger.writeLine("read");
      await stranger.waitForLine(/^read \d+$/);
      await stranger.writeLine("send nobody hi");
      await stranger.waitForLine(/^refused not_found$/);
      await stranger.writeLine("bye");
      assert.equal((await stranger.waitForExit()).code, 0, stranger.transcript);
    }
    await ana.ask("send_message", { id: crypto.randomUUID(), to: "stranger", text: "while you were away" });

    await using again = startStranger(server, "login", { STRANGER_DEVICE: device });
    await again.waitForLine(/^signed in stranger/);
    const [, sequence] = await again.waitForLine(/^waiting up to (\d+)$/);
    await again.waitForLine(new RegExp(`^message ${sequence} ana "while you were away"$`));
    await again.closeInput();
    await again.waitForExit();
    assert.equal(again.stdout.match(/^message /gm)?.length, 1, "what was read must not come again");
  },
);

testWith(
  [{ command: "python3" }],
  "a stranger registers without a join code where registration is open, and not where it is closed",
  async () => {
    for (const registration of ["open", "closed"]) {
      using folder = tempFolder();
      await using server = await startServer({ data: folder.path, args: ["--registration", registration] });
      await using stranger = startStranger(server, "register");
      await stranger.waitForLine(registration === "open" ? /^signed in stranger / : /^refused forbidden$/);
      await stranger.closeInput();
      assert.equal((await stranger.waitForExit()).code, registration === "open" ? 0 : 1, stranger.transcript);
    }
  },
);

testWith([{ command: "python3" }], "a stranger's client notices a server with another key", async () => {
  using folder = tempFolder();
  await using server = await startServer({ data: folder.path });
  const link = server.inviteLink.replace(/#.*/, "#SHA256:" + "A".repeat(43));
  const { code, stderr } = await runProgram("python3", [SCRIPT, "login", link, "stranger"], {
    env: { STRANGER_PASSWORD: PASSWORD },
  });
  assert.equal(code, 1);
  assert.match(stderr, /the server's key is SHA256:/);
});

testWith(
  [{ command: "python3" }, "unix"],
  "every rule of the protocol's page holds, as a stranger sees it from outside",
  async () => {
    using folder = tempFolder();
    const args = [
      "--failed-logins",
      "3",
      "--registrations-per-address",
      "1000",
      "--mailbox-messages",
      "40",
      "--log-level",
      "error",
    ];
    const members = await addNamed(folder.path, MEMBERS);
    await using server = await startServer({ data: folder.path, args });
    const { command, args: first } = serverCommand();
    const operator = JSON.stringify([command, ...first, "--data", folder.path]);
    const tokens = JSON.stringify(Object.fromEntries(members.map(({ name, token }) => [name, token])));
    await using rules = new Program("python3", [RULES, server.inviteLink, operator, tokens], {
      name: "rules",
      env: { STRANGER_PASSWORD: PASSWORD },
    });
    const step = () => rules.waitForLine(/^(holds \d+ .*|stop the server)$/, RULE_WITHIN_MS);
    for (let [line] = await step(); line.startsWith("holds"); [line] = await step());
    assert.equal(await server.stop(), 0);
    assert.equal((await rules.waitForExit()).code, 0, rules.transcript);
    const sections = [...rules.stdout.matchAll(/^holds (\d+) /gm)].map(([, section]) => Number(section));
    assert.deepEqual([...new Set(sections)].sort((a, b) => a - b), [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]);
    assert.equal(server.program.stderr, "", "no rule may show a fault of the server");
  },
);
