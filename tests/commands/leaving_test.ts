import assert from "node:assert/strict";
import { deleteAccount } from "../../lib/commands/chat/leaving.ts";
import { connect } from "../../lib/commands/chat/connect.ts";
import { logOutOnce, openAccount } from "../../lib/commands/scripts.ts";
import { ChatError } from "../../lib/errors.ts";
import { ChatDesk, PASSWORD, startLocalServer } from "../helpers/chat_desk.ts";
import { knowServer, SIGNS_IN, startOddServer } from "../helpers/odd_server.ts";
import { tempFolder } from "../helpers/temp_folder.ts";

Deno.test("delete-account wants the name and the password, and leaves nothing of the account on this machine", async () => {
  using folder = tempFolder();
  await using server = await startLocalServer(folder.path);
  await using desk = new ChatDesk();
  await desk.register(server.inviteLink, "ana");
  const { key } = desk.app.account!;
  const doubting = deleteAccount(desk.app, {});
  await desk.screen.answers(["Type the name of the account", "yes"]);
  await doubting;
  await desk.screen.sees("Nothing was deleted.");
  const mistyped = deleteAccount(desk.app, {});
  await desk.screen.answers(["Type the name of the account", "Ana"], ["Password of ana:", "wrong horse"]);
  await assert.rejects(mistyped, /Cannot delete the account: the password is wrong/);
  desk.profile.recordsOf(key).add({ id: "m1", to: "bob", text: "unsent" });
  const deleting = deleteAccount(desk.app, {});
  await desk.screen.answers(["Type the name of the account", "ana"], ["Password of ana:", PASSWORD]);
  await deleting;
  await desk.screen.sees("Deleted ana.");
  assert.ok(!desk.tty.screen.text().includes(PASSWORD));
  assert.equal(desk.app.account, null);
  assert.equal(desk.profile.findLogin(key), null);
  assert.equal(desk.profile.recordsOf(key).first(), null);
  assert.equal(desk.profile.listServers().length, 1);
  // Nobody gets the name again.
  const registering = connect(desk.app, server.inviteLink);
  await desk.screen.answers(["Name:", "ana"], ["Password:", PASSWORD], ["Make a new account?", "y"], [
    "Once more:",
    PASSWORD,
  ], [
    "taken",
    "",
  ]);
  await registering;
});

Deno.test("logout removes what is kept of a login that the server has ended", async () => {
  await using server = await startOddServer({
    ...SIGNS_IN,
    resume: () => {
      throw new ChatError("unauthenticated", "Cannot resume: this login has ended");
    },
  });
  await using desk = new ChatDesk();
  const key = { serverId: knowServer(desk.app, server).serverId, name: "ana" };
  desk.profile.addHistory("send bob secret");
  const { copy } = desk.profile.recordsOf(key);
  desk.profile.recordsOf(key).seen([
    { sequence: 1, id: crypto.randomUUID(), from: "bob", text: "secret", storedAt: 0 },
  ]);
  assert.equal(copy.reach("bob").messages, 1);
  await assert.rejects(openAccount(desk.app, {}), {
    name: "NotSignedInError",
    message: `Cannot resume: this login has ended: run mini-chat-client login 127.0.0.1:${server.port} ana`,
  });
  await logOutOnce(desk.app, { json: false });
  assert.equal(desk.profile.findLogin(key)?.token, null);
  assert.equal(desk.profile.recordsOf(key).copy.reach("bob").messages, 0);
  assert.deepEqual(desk.profile.listHistory(), []);
});
