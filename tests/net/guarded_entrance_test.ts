import assert from "node:assert/strict";
import { once } from "node:events";
import { connect } from "node:net";
import { connect as connectTls } from "node:tls";
import { type GuardedCaller, GuardedEntrance } from "../../lib/net/accept/guarded_entrance.ts";
import { writeAll } from "../../lib/net/byte_stream.ts";
import { type RefusedCaller, Slots } from "../../lib/net/slots.ts";
import { freePort } from "../helpers/ports.ts";
import { countDescriptors } from "../helpers/program.ts";
import { testIdentity } from "../helpers/socket_pair.ts";
import { testWith } from "../helpers/needs.ts";
import { waitUntil } from "../helpers/wait_until.ts";

Deno.test("GuardedEntrance sends a caller away whom its TLS listener cannot accept, and lives on", async () => {
  // The reset of its connection on loopback, which nobody listened to, once ended the whole server.
  const inside = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  inside.accept = () => {
    inside.close();
    return Promise.reject(new Error("Too many open files"));
  };
  const refused: RefusedCaller[] = [];
  const port = freePort();
  const entrance = await GuardedEntrance.open({
    hosts: ["127.0.0.1"],
    port,
    listenInside: () => inside,
    maxUnfinished: 8,
    handshakeTimeoutMs: 5_000,
    slots: new Slots(8, 8),
    onCaller: () => assert.fail("nobody gets in"),
    onRefused: (caller) => refused.push(caller),
  });
  const caller = connect(port, "127.0.0.1");
  caller.on("error", () => {}); // a reset, as likely as an end
  caller.write("anything");
  await once(caller, "close");
  assert.deepEqual(refused, [{
    address: "127.0.0.1",
    reason: "handshake_failed",
    message: "Too many open files",
  }]);
  entrance.close();
});

testWith(
  ["linux"],
  "GuardedEntrance keeps no file of a caller that it hung up on, whether that one leaves or not",
  async () => {
    const { certificatePem: cert, privateKeyPem: key } = await testIdentity();
    const got: GuardedCaller[] = [];
    const port = freePort();
    const entrance = await GuardedEntrance.open({
      hosts: ["127.0.0.1"],
      port,
      listenInside: () => Deno.listenTls({ hostname: "127.0.0.1", port: 0, cert, key }),
      maxUnfinished: 8,
      handshakeTimeoutMs: 5_000,
      slots: new Slots(8, 8),
      onCaller: (caller) => got.push(caller),
      onRefused: ({ message }) => assert.fail(message),
    });
    using _closing = { [Symbol.dispose]: () => entrance.close() };
    const files = () => countDescriptors(Deno.pid);
    const before = await files();
    // Their half stays open whatever they hear.
    const options = { port, host: "127.0.0.1", rejectUnauthorized: false, allowHalfOpen: true };
    const callers = Array.from({ length: 4 }, () => connectTls(options));
    await waitUntil("all are in", () => Promise.resolve(got.length === callers.length));
    const last = "x".repeat(100_000);
    await writeAll(got[0]!.socket, new TextEncoder().encode(last));
    for (const { socket, place } of got) {
      socket.close();
      place.release();
    }
    // Of the four that each took, its own is left; of the three, two stayed.
    await waitUntil("its files are back", async () => await files() <= before + 1.5 * callers.length);
    let heard = "";
    for await (const some of callers[0]!.setEncoding("utf8")) heard += some;
    assert.equal(heard.length, last.length);
    for (const caller of callers) caller.destroy();
  },
);
