import assert from "node:assert/strict";
import { findOutlook } from "../../lib/peer/outlook.ts";
import { startTrustedTls } from "../../lib/net/trust.ts";
import type { ServerDoor } from "../../lib/peer/rendezvous.ts";
import { fetchCertificate } from "../../lib/net/trust.ts";
import { startLocalServer } from "../helpers/chat_desk.ts";
import { CuttableProxy } from "../helpers/cuttable_proxy.ts";
import { tempFolder } from "../helpers/temp_folder.ts";

Deno.test("findOutlook() tells ports that are kept outside from ports that are changed, and silence from both", async () => {
  using folder = tempFolder();
  await using server = await startLocalServer(folder.path);
  const certificatePem = await fetchCertificate({ host: "127.0.0.1", port: server.port });
  const door = (port: number): ServerDoor => ({
    address: "127.0.0.1",
    port,
    startTls: (tcp, alpnProtocols) =>
      startTrustedTls(tcp, { host: "127.0.0.1", certificatePem, alpnProtocols }),
  });
  const { signal } = new AbortController();
  const straight = await findOutlook(door(server.port), signal);
  assert.deepEqual([straight.between, straight.seen?.address], ["none", "127.0.0.1"]);
  await using router = new CuttableProxy(server.port); // it calls the server from ports of its own
  assert.equal((await findOutlook(door(router.port), signal)).between, "changes_ports");
  router.leadTo(null);
  assert.deepEqual(await findOutlook(door(router.port), signal), { between: "unknown", seen: null });
  const stop = new AbortController();
  router.leadTo(server.port);
  router.clog();
  const asking = findOutlook(door(router.port), stop.signal);
  stop.abort(new Error("stopped"));
  await assert.rejects(asking, /stopped/);
});
