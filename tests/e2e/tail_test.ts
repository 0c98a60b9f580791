import assert from "node:assert/strict";
import { connectAs } from "../helpers/accounts.ts";
import { startServer } from "../helpers/mini_chat.ts";
import { testWith } from "../helpers/needs.ts";
import { Person } from "../helpers/person.ts";
import { tempFolder } from "../helpers/temp_folder.ts";
import { waitUntil } from "../helpers/wait_until.ts";

Deno.test("tail prints every message of a burst, without another one to wake it", async () => {
  // What came while one message was being noted as read once waited for the next one to arrive.
  using folder = tempFolder();
  await using server = await startServer({ data: `${folder.path}/data` });
  const bob = new Person("bob", folder.path);
  await bob.settleIn(server);
  await using ana = await connectAs(server, "ana");
  await using tail = bob.start(["tail", "--json"]);
  const texts = Array.from({ length: 30 }, (_, index) => `message ${index}`);
  const send = (text: string) => ana.ask("send_message", { id: crypto.randomUUID(), to: "bob", text });
  await send(texts[0]!);
  await tail.waitForLine(/message 0/);
  await Promise.all(texts.slice(1).map(send));
  await tail.waitForLine(/message 29/);
  const shown = tail.stdout.trim().split("\n").map((line) => (JSON.parse(line) as { text: string }).text);
  assert.deepEqual(shown, texts);
});

testWith(
  ["unix"],
  "tail says on standard error, in one line each, that the server has restarted, and goes on",
  async () => {
    using folder = tempFolder();
    const data = `${folder.path}/data`;
    await using servers = new AsyncDisposableStack();
    const bob = new Person("bob", folder.path);
    let server = servers.use(await startServer({ data }));
    const { port } = server;
    await bob.settleIn(server);
    await using tail = bob.start(["tail", "--json"]);
    const send = async (text: string) => {
      const { code, stderr } = await bob.run(["send", "bob", text]);
      assert.equal(code, 0, stderr);
      await tail.waitForLine(new RegExp(text));
    };
    await send("before");
    // More words where this machine is so busy that it takes more than three seconds.
    const restarted =
      /^The server has restarted\. Connected again\.\n|^The server has stopped\. Reconnecting\.\nConnected again\.\n/gm;
    for (let restarts = 1; restarts <= 2; restarts++) {
      await server.stop();
      server = servers.use(await startServer({ data, port }));
      await waitUntil("tail is back", () => tail.stderr.match(restarted)?.length === restarts);
      assert.equal(tail.stderr.replace(restarted, ""), "");
      await send(`after ${restarts}`);
    }
  },
);
