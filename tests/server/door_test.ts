import assert from "node:assert/strict";
import { Door } from "../../lib/server/door.ts";
import { SILENT_LOG } from "../helpers/chat_server.ts";
import { testIdentity } from "../helpers/socket_pair.ts";

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
