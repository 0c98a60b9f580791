import assert from "node:assert/strict";
import { Handshakes } from "../../lib/net/accept/handshakes.ts";

/** A caller whose handshake ends when it is told to. */
function caller() {
  const { promise, resolve } = Promise.withResolvers<Deno.TlsHandshakeInfo>();
  const socket = { handshake: () => promise, close: () => {} } as unknown as Deno.TlsConn;
  return { socket, finish: () => resolve({ alpnProtocol: null }) };
}

Deno.test("Handshakes are stuck after a second, but after five while others get through: where this process is slow, nobody is silent", async () => {
  let time = 0;
  const handshakes = new Handshakes(() => {}, () => time);
  const slow = [caller(), caller()];
  const waiting = slow.map(({ socket }) => handshakes.wait(socket, 60_000));
  assert.equal(handshakes.untilStuckMs(2), 1_000);
  assert.equal(handshakes.untilStuckMs(3), 1_000, "there are not so many");
  time = 900;
  assert.equal(handshakes.untilStuckMs(2), 100);

  const getThrough = async () => {
    const quick = caller();
    const done = handshakes.wait(quick.socket, 60_000);
    quick.finish();
    await done;
  };
  await getThrough();
  assert.equal(handshakes.untilStuckMs(2), 250);
  time = 1_100;
  assert.equal(handshakes.untilStuckMs(2), 50);
  for (time = 1_150; time < 5_000; time += 200) {
    await getThrough();
    assert.ok(handshakes.untilStuckMs(2) > 0, `stuck after ${time} ms`);
  }
  time = 5_000;
  await getThrough();
  assert.equal(
    handshakes.untilStuckMs(2),
    0,
    "or a few who get through would keep this entrance from being closed",
  );

  for (const { finish } of slow) finish();
  await Promise.all(waiting);
  assert.equal(handshakes.count, 0);
});
