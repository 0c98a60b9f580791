/**
 * A mailbox that is larger than what a client holds of it at once.
 * @module
 */
import assert from "node:assert/strict";
import { join } from "node:path";
import { openLocalStore } from "../../lib/store/open.ts";
import { startServer } from "../helpers/mini_chat.ts";
import { Person } from "../helpers/person.ts";
import { tempFolder } from "../helpers/temp_folder.ts";

/** Each takes 32 KiB in memory; a client holds some 500 of them. */
const MESSAGES = 1_200;

Deno.test("inbox prints a mailbox that is larger than a client holds, whole and in order, kept or not", async () => {
  using folder = tempFolder();
  const data = join(folder.path, "data");
  const bob = new Person("bob", folder.path);
  let port: number;
  {
    await using server = await startServer({ data });
    port = server.port;
    await bob.settleIn(server);
  }
  const texts = Array.from({ length: MESSAGES }, (_, index) => `${index} ${"x".repeat(16_000)}`);
  {
    await using store = await openLocalStore(join(data, "mini-chat.db"));
    const { accountId } = (await store.findCredentials("bob", null))!;
    for (const text of texts) {
      await store.sendMessage({ senderId: accountId, id: crypto.randomUUID(), to: "bob", text });
    }
  }
  await using _server = await startServer({ data, port });
  const kept = await bob.must(["inbox", "--json", "--keep"]);
  const read = (lines: string) => lines.trim().split("\n").map((line) => JSON.parse(line).text as string);
  assert.deepEqual(read(kept), texts);
  assert.deepEqual(await bob.inbox(), texts);
  assert.deepEqual(await bob.inbox(), []);
});
