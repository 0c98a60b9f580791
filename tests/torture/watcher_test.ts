import assert from "node:assert/strict";
import { createEphemeralIdentity } from "../../lib/net/identity.ts";
import { within } from "../../lib/waiting.ts";
import { FaultProxy } from "./fault_proxy.ts";
import { Watcher } from "./watcher.ts";

Deno.test("a server that hangs up in the middle of TLS leaves no connection of the watcher open, which would keep a run from ending", async () => {
  const { certificatePem } = await createEphemeralIdentity();
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const twoCalls = Promise.withResolvers<void>();
  const serving = (async () => {
    for (let calls = 1; calls <= 2; calls++) {
      using caller = await listener.accept();
      await caller.read(new Uint8Array(64));
      if (calls === 2) twoCalls.resolve();
    }
  })();
  const proxy = FaultProxy.listen(listener.addr.port);
  const watcher = new Watcher({ port: proxy.port, certificatePem }, { token: "none" });
  await twoCalls.promise;
  await serving;
  await watcher.stop();
  const parted = proxy[Symbol.asyncDispose]().then(() => true);
  assert(await within(5_000, parted), "the proxy still waits for the watcher");
});

Deno.test("a watcher that waits for a server's answer stops at once", async () => {
  const identity = await createEphemeralIdentity();
  using listener = Deno.listenTls({
    hostname: "127.0.0.1",
    port: 0,
    cert: identity.certificatePem,
    key: identity.privateKeyPem,
  });
  const watcher = new Watcher({ port: listener.addr.port, certificatePem: identity.certificatePem }, {
    token: "none",
  });
  using caller = await listener.accept();
  await caller.read(new Uint8Array(64)); // its hello, which nobody answers
  assert(await within(5_000, watcher.stop().then(() => true)), "it waits for the answer");
});
