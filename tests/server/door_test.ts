import assert from "node:assert/strict";
import { Door } from "../../lib/server/door.ts";
import { SILENT_LOG } from "../helpers/chat_server.ts";
import { testIdentity } from "../helpers/socket_pair.ts";
import { waitUntil } from "../helpers/wait_until.ts";

Deno.test("Door tells once that small frames may wait, as no native library may be called here, however often it opens", async () => {
  let told = 0;
  const door = new Door({
    host: "127.0.0.1",
    port: 0,
    identity: await testIdentity(),
    onConnection: (connection) => connection.abort(),
    onDelayed: () => told += 1,
  }, SILENT_LOG);
  await door.shut();
  await door.reopen();
  await door.close();
  assert.equal(told, 1);
});

Deno.test("Door opens once, however quickly a database goes and comes back again", async () => {
  const failures: string[] = [];
  const door = new Door({
    host: "127.0.0.1",
    port: 0,
    identity: await testIdentity(),
    onConnection: (connection) => connection.abort(),
  }, { ...SILENT_LOG, error: (words: string) => failures.push(words) });
  // Both of these once listened: the later one tried in vain, every second, for as long as the server ran.
  const going = [door.shut(), door.reopen(), door.shut(), door.reopen()];
  await waitUntil("the port is open", () => Deno.connect({ port: door.port }).then(closed, () => false));
  await door.close();
  await Promise.all(going);
  assert.deepEqual(failures, []);
});

function closed(socket: Deno.TcpConn): true {
  socket.close();
  return true;
}
