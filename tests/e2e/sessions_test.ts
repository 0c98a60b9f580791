/**
 * A client that dies never keeps its owner out, never lingers in the user list, and loses nothing.
 * @module
 */
import assert from "node:assert/strict";
import { connectAs } from "../helpers/accounts.ts";
import { startServer } from "../helpers/mini_chat.ts";
import { testWith } from "../helpers/needs.ts";
import { Person } from "../helpers/person.ts";
import { tempFolder } from "../helpers/temp_folder.ts";
import { waitUntil } from "../helpers/wait_until.ts";
import type { Wire } from "../helpers/wire.ts";

/** How soon the user list tells the truth about a client whose connection the system closed, in milliseconds. */
const GONE_WITHIN_MS = 5_000;

const ENDINGS: readonly { signal: Deno.Signal; how: string }[] = [
  { signal: "SIGKILL", how: "killed" },
  { signal: "SIGHUP", how: "left by its terminal" },
  { signal: "SIGTERM", how: "terminated" },
];

async function presenceOf(name: string, watcher: Wire): Promise<unknown> {
  const { users } = await watcher.ask("list_users", { name });
  return (users as { presence: string }[])[0]?.presence;
}

for (const { signal, how } of ENDINGS) {
  testWith(
    ["unix"],
    `a client ${how} (${signal}): its owner is back at once, here and elsewhere`,
    async () => {
      using folder = tempFolder();
      await using server = await startServer({ data: `${folder.path}/data` });
      await using bob = await connectAs(server, "bob");
      const ana = new Person("ana", folder.path);
      await ana.settleIn(server);
      let sent = 0;
      const sendToAna = () =>
        bob.ask("send_message", { id: crypto.randomUUID(), to: "ana", text: `note ${++sent}` });

      await using client = ana.start();
      await client.waitForLine(/^Connected to /);
      assert.equal(await presenceOf("ana", bob), "online");
      await sendToAna();
      await client.waitForText(/note 1/); // announced, and not yet shown by option 3
      await client.writeLine("send bob from ana");
      await client.waitForLine(/^Sent: /);

      client.signal(signal);
      await sendToAna();
      await client.waitForExit(5_000);
      await waitUntil(
        "ana is offline",
        async () => await presenceOf("ana", bob) === "offline",
        GONE_WITHIN_MS,
      );
      await sendToAna();

      const elsewhere = new Person("ana", `${folder.path}/another-machine`);
      await elsewhere.login(server.inviteLink);
      const everything = ["note 1", "note 2", "note 3"];
      assert.deepEqual(lines(await elsewhere.must(["inbox", "--json", "--keep"])), everything);
      assert.deepEqual(await ana.inbox(), everything);
      assert.deepEqual(await ana.inbox(), [], "what was shown must not come again");
      assert.equal((await bob.ask("subscribe", {})).upTo, (await bob.event("message_received")).sequence);
    },
  );
}

/** The texts of messages printed as JSON. */
function lines(output: string): string[] {
  return output.split("\n").filter((line) => line !== "").map((line) =>
    (JSON.parse(line) as { text: string }).text
  );
}
