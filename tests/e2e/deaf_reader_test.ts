/**
 * A client that signs in, asks for all there is, and never reads a byte of it: it costs the server little, and is cut.
 * @module
 */
import assert from "node:assert/strict";
import { MAX_TEXT_BYTES } from "../../lib/protocol/limits.ts";
import { residentKib } from "../bench/proc.ts";
import { HostileConnection } from "../fuzz/hostile_connection.ts";
import { connectWith } from "../helpers/accounts.ts";
import { startServer } from "../helpers/mini_chat.ts";
import { testWith } from "../helpers/needs.ts";
import { addMessages, addPeople, certificateOf, type Person } from "../helpers/population.ts";
import { tempFolder } from "../helpers/temp_folder.ts";
import { waitUntil } from "../helpers/wait_until.ts";

/** What waits for it, and how much of that the server may hold: it grows by 20, and without any guard by more than what waits. */
const WAITING_MIB = 128;
const MOST_MIB = 80;
/** The server cuts whoever has taken nothing for 30 s. */
const CUT_WITHIN_MS = 45_000;

testWith(
  ["linux"],
  "a client that never reads costs the server a bounded amount of memory, and is cut",
  async () => {
    using folder = tempFolder();
    const [sender, reader] = await addPeople(folder.path, "p", 2) as [Person, Person];
    const perMib = 2 ** 20 / MAX_TEXT_BYTES;
    await addMessages(folder.path, [sender], [reader], WAITING_MIB * perMib, "x".repeat(MAX_TEXT_BYTES));
    await using server = await startServer({ data: folder.path, args: ["--log-level", "info"] });
    await using watcher = await connectWith(server, sender.token);
    const { pid } = server.program;
    const before = await residentKib(pid);
    const target = { port: server.port, certificatePem: await certificateOf(folder.path) };
    const deaf = await HostileConnection.openDeaf(target, reader.token);
    await deaf.tell("subscribe", { after: 0 });
    // Beside what is pushed, replies that it does not read either. Asking for these all at once once killed the store.
    for (let count = 0; count < 500; count++) {
      await deaf.tell("fetch_history", { with: sender.name, limit: 200 }, 200);
    }
    let most = before;
    const isCut = async () => {
      most = Math.max(most, await residentKib(pid));
      await watcher.ask("ping", {});
      return /disconnected.*the other end has read nothing for 3\d s/.test(server.program.stderr);
    };
    await waitUntil("it is cut", isCut, CUT_WITHIN_MS);
    const grownMib = Math.round((most - before) / 1024);
    assert.ok(grownMib < MOST_MIB, `the server grew by ${grownMib} MiB while ${WAITING_MIB} MiB waited`);
    deaf.close();
  },
);
