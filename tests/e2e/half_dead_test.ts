/**
 * A client that is stopped (SIGSTOP) holds its connection open and says nothing: it hinders nobody, and ends by its silence.
 * @module
 */
import assert from "node:assert/strict";
import { connectAs, loginAs } from "../helpers/accounts.ts";
import { startServer } from "../helpers/mini_chat.ts";
import { testWith } from "../helpers/needs.ts";
import { Person } from "../helpers/person.ts";
import { tempFolder } from "../helpers/temp_folder.ts";
import { waitUntil } from "../helpers/wait_until.ts";

testWith(
  ["unix"],
  "a stopped client (SIGSTOP) keeps nobody out, goes offline in time, and comes back whole",
  async () => {
    using folder = tempFolder();
    await using server = await startServer({ data: `${folder.path}/data` });
    await using bob = await connectAs(server, "bob");
    const { deadAfterMs } = bob.greeting.limits as { deadAfterMs: number };
    const ana = new Person("ana", folder.path);
    await ana.settleIn(server);
    const presence = async () =>
      (await bob.ask("list_users", { name: "ana" }) as { users: { presence: string }[] })
        .users[0]?.presence;
    const send = (text: string) => bob.ask("send_message", { id: crypto.randomUUID(), to: "ana", text });

    await using client = ana.start();
    await client.waitForLine(/^Connected to /);
    await send("before");
    await client.waitForText(/before/);
    client.signal("SIGSTOP");
    try {
      await send("while it was stopped");
      const elsewhere = new Person("ana", `${folder.path}/another-machine`);
      await elsewhere.login(server.inviteLink);
      assert.deepEqual(await elsewhere.inbox(), ["before", "while it was stopped"]);
      {
        await using again = await loginAs(server, "ana");
        assert.equal(await presence(), "online");
        await again.ask("bye", {});
      }
      const offline = async () => await presence() === "offline";
      await waitUntil("the stopped client counts as gone", offline, deadAfterMs + 5_000);
      await send("while it was gone");
    } finally {
      client.signal("SIGCONT");
    }
    await waitUntil("ana is back", async () => await presence() === "online");
    await client.waitForText(/while it was gone/);
    await client.writeLine("inbox");
    await client.waitForLine(/^[0-9]+ messages?$/);
    const shown = client.stdout.match(/^ {2}(before|while it was (stopped|gone))$/gm)?.map((line) =>
      line.trim()
    );
    assert.deepEqual(new Set(shown).size, shown?.length, "nothing may be doubled");
    assert.equal(shown?.at(-1), "while it was gone");
  },
);
