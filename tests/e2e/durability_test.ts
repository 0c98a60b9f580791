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

const SENDERS = ["ana", "cleo"];
const KILLS = 6;
const MESSAGES_A_ROUND = 100;

testWith(
  ["unix"],
  `killing the server ${KILLS} times in a storm of sends loses, doubles and reorders nothing`,
  async () => {
    using folder = tempFolder();
    const flags = {
      data: `${folder.path}/data`,
      args: ["--log-level", "error", "--sends-per-second", "100000"],
    };
    let server: TestServer = await startServer(flags);
    await using _server: AsyncDisposable = { [Symbol.asyncDispose]: () => server[Symbol.asyncDispose]() };
    const { port } = server;
    const bob = new Person("bob", folder.path);
    const senders = SENDERS.map((name) => new Person(name, folder.path));
    for (const person of [bob, ...senders]) await person.settleIn(server);

    let sent = 0;
    for (let kill = 0; kill < KILLS; kill++) {
      const texts = Array.from({ length: MESSAGES_A_ROUND }, () => `send bob ${sent++}\n`);
      await using clients = new AsyncDisposableStack();
      const running = senders.map((sender) => clients.use(sender.start()));
      await Promise.all(running.map((client) => client.waitForLine(/^Connected to /)));
      await Promise.all(running.map((client) => client.write(texts.join(""))));
      const early = new RegExp(`send bob ${sent - MESSAGES_A_ROUND + 10 + kill}\n`);
      await Promise.any(running.map((client) => client.waitForText(early)));
      await server.program.kill();
      assert.ok(!running.some(isDone(sent - 1)), "killed too late: the storm was over");

      server = await startServer({ ...flags, port });
      // Each comes back by itself and sends again; what is still unsent when it leaves, its next run sends.
      // News may come between a command and its answer.
      const last = new RegExp(`send bob ${sent - 1}\n(?:.*\n)*?(Sent: it is|Queued for)`);
      await Promise.all(running.map(async (client) => {
        const [, fate] = await client.waitForText(last);
        if (fate === "Queued for") await client.waitForLine(/^Sent: your queued/);
      }));
      await Promise.all(running.map((client) => client.closeInput()));
      for (const client of running) assert.equal((await client.waitForExit()).code, 0, client.transcript);
    }
    // The last message of each is behind all others in its outbox: once it is stored, all are.
    for (const sender of senders) await sender.must(["send", "bob", "the end"]);

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

/** Whether a client has got as far as this message, and the server has taken it. */
function isDone(last: number): (client: Program) => boolean {
  return ({ stdout }) => new RegExp(`send bob ${last}\nSent: it is`).test(stdout);
}
