import assert from "node:assert/strict";
import { addPeople, PASSWORD, type Person } from "../helpers/population.ts";
import { startServer } from "../helpers/mini_chat.ts";
import { testWith } from "../helpers/needs.ts";
import { tempFolder } from "../helpers/temp_folder.ts";
import { waitUntil } from "../helpers/wait_until.ts";
import { Wire } from "../helpers/wire.ts";

/** Wrong logins at once from one address: as many as it may have before it is refused. */
const FLOOD = 98;

const TITLE =
  "a flood of wrong logins from one address leaves logins from elsewhere their turn within 3 hash times";

// Only Linux has more than one IPv4 address of its own to call from.
testWith(["linux"], TITLE, async () => {
  using folder = tempFolder();
  const [ana] = await addPeople(folder.path, "p", 1) as [Person];
  await using server = await startServer({ data: folder.path });
  await using honest = await Wire.greet(server.port);
  const codes: string[] = [];
  {
    await using flooder = await Wire.greet(server.port, "127.0.0.1", "127.0.0.2");
    for (let index = 0; index < FLOOD; index++) {
      flooder.refused("login", { name: `nobody${index}`, password: "not the right one" })
        .then((code) => codes.push(code), () => {}); // cut below, before most have an answer
    }
    await waitUntil("the flood is at work", () => Promise.resolve(codes.includes("unauthenticated")));
    const before = codes.length;
    await honest.ask("login", { name: ana.name, password: PASSWORD });
    // Two hashes at once, so three hash times are six hashes.
    const first = codes.slice(before).filter((code) => code === "unauthenticated");
    assert.ok(first.length <= 6, `${first.length} logins of the flood were answered first`);
  }
  assert.ok(codes.includes("unavailable"), "who has too many in line is told so");
});
