import assert from "node:assert/strict";
import { ConnectionError } from "../../lib/errors.ts";
import { connectToFirst, dial } from "../../lib/net/dial.ts";
import { Addresses, type Manner } from "../helpers/addresses.ts";
import { testWith } from "../helpers/needs.ts";

/** When a test fails, in milliseconds; nothing below waits so long when all is well. */
const LIMIT_MS = 30_000;

for (
  const manners of [
    ["slow", "silent"],
    ["silent", "slow"],
    ["refuses", "slow", "silent"],
    ["refuses", "silent", "slow"],
  ] as const
) {
  testWith(["linux"], `connectToFirst() takes the address that answers: ${manners.join(", ")}`, async () => {
    using addresses = await Addresses.open(manners);
    const slow = addresses.list[(manners as readonly Manner[]).indexOf("slow")]!;
    const limit = AbortSignal.timeout(LIMIT_MS);
    const connecting = connectToFirst(addresses.list, addresses.port, limit);
    await addresses.waitForCalls(2);
    await addresses.drain(slow);
    using socket = await connecting;
    assert.equal(socket.remoteAddr.hostname, slow);
    assert.ok(!limit.aborted, "it waited for an address that is silent");
  });
}

testWith(["linux"], "connectToFirst() calls no further address once one has answered", async () => {
  using addresses = await Addresses.open(["silent", "answers", "silent"]);
  using socket = await connectToFirst(addresses.list, addresses.port, AbortSignal.timeout(LIMIT_MS));
  assert.equal(socket.remoteAddr.hostname, addresses.list[1]);
  await addresses.waitForCalls(0);
});

testWith(["linux"], "connectToFirst() tries every address, and says why the first one failed", async () => {
  using addresses = await Addresses.open(["refuses", "refuses"]);
  await assert.rejects(
    connectToFirst(addresses.list, addresses.port, AbortSignal.timeout(LIMIT_MS)),
    Deno.errors.ConnectionRefused,
  );
  using one = await Addresses.open(["refuses", "refuses", "answers"]);
  using socket = await connectToFirst(one.list, one.port, AbortSignal.timeout(LIMIT_MS));
  assert.equal(socket.remoteAddr.hostname, one.list[2]);
});

testWith(["linux"], "connectToFirst() stops at its signal while every address is silent", async () => {
  using addresses = await Addresses.open(["silent", "silent"]);
  const stop = new AbortController();
  const connecting = connectToFirst(addresses.list, addresses.port, stop.signal);
  stop.abort(new Error("changed my mind"));
  await assert.rejects(connecting, { message: "changed my mind" });
});

testWith(["linux"], "dial() says that a silent machine gave no answer, and when it gave up", async () => {
  using addresses = await Addresses.open(["silent"]);
  await assert.rejects(
    dial({ host: addresses.list[0]!, port: addresses.port, timeoutMs: 300 }),
    (error: unknown) => error instanceof ConnectionError && /no answer within 0\.3 s$/.test(error.message),
  );
});
