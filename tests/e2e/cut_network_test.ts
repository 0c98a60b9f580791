/**
 * A network that is cut tells nobody: neither end sees the connection close. In namespaces, with a cable to pull.
 * @module
 */
import assert from "node:assert/strict";
import { startServer } from "../helpers/mini_chat.ts";
import { testWith } from "../helpers/needs.ts";
import { Person } from "../helpers/person.ts";
import { runProgram } from "../helpers/program.ts";
import { tempFolder } from "../helpers/temp_folder.ts";
import { waitUntil } from "../helpers/wait_until.ts";
import { LabNetwork, type LabNode } from "../lab/network.ts";

/** Silence after which the server counts a client as gone (lib/protocol/README.md, section 5), and room for slowness. */
const GONE_WITHIN_MS = 45_000 + 5_000;

const HOST = "10.66.1.1";

testWith(
  ["namespaces"],
  "a client whose network is cut keeps nobody out, goes offline in time, and comes back whole",
  async () => {
    using folder = tempFolder();
    await using network = new LabNetwork();
    const host = await network.addNode("host");
    const laptop = await network.addNode("laptop");
    const desktop = await network.addNode("desktop");
    await network.addCable(
      { node: laptop, interface: "net0", addresses: ["10.66.1.2/24"] },
      { node: host, interface: "net1", addresses: [`${HOST}/24`] },
    );
    await network.addCable(
      { node: desktop, interface: "net0", addresses: ["10.66.2.2/24"] },
      { node: host, interface: "net2", addresses: ["10.66.2.1/24"] },
    );
    await network.addDefaultRoute(desktop, "10.66.2.1");

    await using server = await startServer({
      data: `${folder.path}/data`,
      host: HOST,
      wrapper: inside(host),
    });
    const ana = new Person("ana", folder.path, inside(laptop));
    const elsewhere = new Person("ana", `${folder.path}/another-machine`, inside(desktop));
    const bob = new Person("bob", folder.path, inside(desktop));
    await ana.register(server.inviteLink);
    await bob.register(server.inviteLink);

    await using watcher = bob.start();
    const isAna = async (presence: string) => {
      await watcher.writeLine("users");
      return (await watcher.waitForLine(/^ +ana +(.*)$/))[1]!.startsWith(presence);
    };
    await using client = ana.start();
    await client.waitForLine(/^Connected to /);
    await bob.must(["send", "ana", "before the cut"]);
    await client.waitForText(/before the cut/);

    await setCable(laptop, "down");
    await client.writeLine("send bob written in the dark");
    await bob.must(["send", "ana", "during the cut"]);
    await elsewhere.login(server.inviteLink);
    assert.deepEqual(await elsewhere.inbox(), ["before the cut", "during the cut"]);
    await waitUntil("the cut client counts as gone", () => isAna("last seen"), GONE_WITHIN_MS);

    await setCable(laptop, "up");
    await waitUntil("ana is back", () => isAna("online"), 60_000);
    await bob.must(["send", "ana", "after the cut"]);
    await client.waitForText(/after the cut/);
    await client.closeInput();
    assert.equal((await client.waitForExit()).code, 0, client.transcript);
    assert.deepEqual(await bob.inbox(), ["written in the dark"]);
  },
);

function inside(node: LabNode): string[] {
  return ["ip", "netns", "exec", node.namespace];
}

async function setCable(node: LabNode, state: "up" | "down"): Promise<void> {
  const { code, stderr } = await runProgram("ip", ["-n", node.namespace, "link", "set", "net0", state]);
  assert.equal(code, 0, stderr);
}
