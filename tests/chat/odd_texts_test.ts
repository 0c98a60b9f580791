import assert from "node:assert/strict";
import { newMessageId } from "../../lib/protocol/fields.ts";
import { ChatWorld, PASSWORD } from "../helpers/chat_world.ts";
import { storeTest } from "../store/store_helpers.ts";

const LONE = ["\ud800", "a\udc00b", "\udc00\ud800"]; // halves of surrogate pairs: UTF-8 has no form for them
const NUL = ["\0", "a\0b"]; // PostgreSQL has no form for it, and SQLite's driver reads no further
const ODD = ["\u0001", "\uffff", "\ufffd", "\u{10ffff}"]; // that each has

storeTest("session() keeps an odd text as it is, or refuses it with words", async (newStore) => {
  // A password with a lone surrogate let in whoever typed another one; an e-mail address was published as another one; and
  // U+0000 in the name of a device was a fault where servers share PostgreSQL.
  await using s = await newStore();
  await using world = await ChatWorld.start({ store: s.store, registration: "open" });
  const [ana] = [await world.connectAs("ana"), await world.connectAs("bob")];
  const person = { name: "carl", password: PASSWORD };
  const login = { name: "ana", password: PASSWORD };
  for (const text of [...LONE, ...NUL]) {
    for (
      const [method, params] of [
        ["hello", { protocol: 1, client: { name: "test", version: text } }],
        ["register", { ...person, joinCode: text }],
        ["register", { ...person, deviceName: text }],
        ["login", { ...login, deviceName: text }],
        ["login", { ...login, deviceId: text }],
        ["resume", { token: text }],
        ["update_settings", { email: `ann${text}@example.org` }],
        ["update_settings", { email: `ann@example${text}.org` }],
        ["report_user", { name: "bob", why: `because ${text}` }],
      ] as const
    ) {
      const isOfAccount = method === "update_settings" || method === "report_user";
      const guest = method === "hello" ? world.connect() : await world.connect().greet();
      const code = await (isOfAccount ? ana : guest).refused(method, params);
      assert.equal(code, "invalid", `${method} ${JSON.stringify(params)}`);
    }
  }
  for (const text of LONE) {
    for (
      const [method, params] of [
        ["send_message", { id: newMessageId(), to: "bob", text: `hello ${text}` }],
        ["change_password", { oldPassword: PASSWORD, newPassword: PASSWORD + text }],
        ["change_password", { oldPassword: PASSWORD + text, newPassword: PASSWORD }],
        ["delete_account", { password: PASSWORD + text }],
      ] as const
    ) {
      assert.equal(await ana.refused(method, params), "invalid", `${method} ${JSON.stringify(params)}`);
    }
    const guest = await world.connect().greet();
    assert.equal(await guest.refused("register", { ...person, password: PASSWORD + text }), "invalid");
    assert.equal(await guest.refused("login", { name: "ana", password: PASSWORD + text }), "invalid");
  }
  for (const [index, text] of [...ODD, ...NUL].entries()) {
    const name = `carl${index}`;
    const carl = await world.connect().greet();
    await carl.call("register", { name, password: PASSWORD + text });
    await (await world.connect().greet()).call("login", { name, password: PASSWORD + text });
    const wrong = { name, password: `${PASSWORD}\ufffd${text}` };
    assert.equal(await (await world.connect().greet()).refused("login", wrong), "unauthenticated");
    await carl.call("send_message", { id: newMessageId(), to: name, text });
    const { messages: [message] } = await carl.call("fetch_history", { with: name });
    assert.equal(message.text, text);
    if (NUL.includes(text)) continue;
    await (await world.connect().greet()).call("login", {
      ...login,
      deviceName: text,
      deviceId: text,
    });
    const { report } = await carl.call("report_user", { name: "bob", why: text });
    assert.equal((await s.store.openReport(report)).why, text);
  }
});
