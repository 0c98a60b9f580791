/**
 * The acknowledgement leaves after the commit: the server is killed in the middle of a storm, and nothing is lost or doubled.
 * @module
 */
import assert from "node:assert/strict";
import { startServer, type TestServer } from "../helpers/mini_chat.ts";
import { testWith } from "../helpers/needs.ts";
import { Person } from "../helpers/person.ts";
import type { Program } from "../helpers/program.ts";
import { tempFolder } from "../helpers/temp_folder.ts";

const SENDERS = ["ana", "cleo", "dan"];
const KILLS = 10;
const MESSAGES_A_ROUND = 40;

/** How often a client says that a message is in the mailbox. */
function acknowledged(clients: readonly Program[]): number {
  return clients.reduce((sum, { stdout }) => sum + (stdout.match(/^Sent: /gm)?.length ?? 0), 0);
}

testWith(
  ["unix"],
  `killing the server ${KILLS} times in a storm of sends loses, doubles and reorders nothing`,
  async () => {
    using folder = tempFolder();
    const data = `${folder.path}/data`;
    const flags = { data, args: ["--log-level", "error", "--sends-per-second", "100000"] };
    const first = await startServer(flags);
    const { port, inviteLink } = first;
    let server: TestServer = first;
    await using cleanup = new AsyncDisposableStack();
    cleanup.defer(() => server[Symbol.asyncDispose]());

    const bob = new Person("bob", folder.path);
    await bob.register(inviteLink);
    const clients: Program[] = [];
    for (const name of SENDERS) {
      const sender = new Person(name, folder.path);
      await sender.register(inviteLink);
      const client = cleanup.use(sender.start());
      await client.waitForLine(/^Connected to /);
      clients.push(client);
    }

    let sent = 0;
    const sendRound = async () => {
      const from = sent;
      sent += MESSAGES_A_ROUND;
      const lines = Array.from({ length: MESSAGES_A_ROUND }, (_, index) => `send bob ${from + index}\n`);
      await Promise.all(clients.map((client) => client.write(lines.join(""))));
    };
    for (let kill = 0; kill < KILLS; kill++) {
      const before = acknowledged(clients);
      await sendRound();
      await clients[kill % clients.length]!.waitForLine(/^Sent: /);
      await server.program.kill();
      assert.ok(
        acknowledged(clients) - before < MESSAGES_A_ROUND * clients.length,
        "killed too late: the storm was over",
      );
      server = await startServer({ ...flags, port });
    }
    // Each client ends when all that it was told is stored: the last message of each is behind all others in its outbox.
    await sendRound();
    for (const client of clients) await client.closeInput();
    for (const client of clients) assert.equal((await client.waitForExit()).code, 0, client.transcript);
    for (const name of SENDERS) await new Person(name, folder.path).must(["send", "bob", "the end"]);

    const received: Record<string, string[]> = {};
    for (const line of (await bob.must(["inbox", "--json"])).trim().split("\n")) {
      const { from, text } = JSON.parse(line) as { from: string; text: string };
      (received[from] ??= []).push(text);
    }
    const expected = [...Array.from({ length: sent }, (_, index) => String(index)), "the end"];
    for (const name of SENDERS) assert.deepEqual(received[name], expected, name);
    assert.equal(await server.stop(), 0);
  },
);
