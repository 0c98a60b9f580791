import assert from "node:assert/strict";
import { newMessageId } from "../../lib/protocol/fields.ts";
import { CHAT_CERTIFICATE } from "../helpers/chat_certificate.ts";
import { ChatWorld, PASSWORD } from "../helpers/chat_world.ts";
import { waitUntil } from "../helpers/wait_until.ts";

const HELLO = { protocol: 1, client: { name: "test", version: "1" } };
const HOUR_MS = 3_600_000;

Deno.test("a banned account is turned out, and refused with the time at which the ban ends, until then", async () => {
  await using world = await ChatWorld.start();
  const { store, services: { rules } } = world;
  const eve = await world.connectAs("eve");
  const bob = await world.connectAs("bob");
  const { token } = await (await world.connect().greet()).call("login", { name: "eve", password: PASSWORD });
  await store.ban({ kind: "account", subject: "eve", endsAt: Date.UTC(2100, 0, 1), reason: "spam" });
  await rules.refresh();
  assert.match(eve.closeReason, /banned/);
  assert.equal(bob.closeReason, "");
  const again = await world.connect().greet();
  for (const [method, params] of [["resume", { token }], ["login", { name: "eve", password: PASSWORD }]]) {
    await assert.rejects(
      again.call(method as string, params),
      /^ChatError: Cannot come in as eve: .* until 2100-01-01 00:00 UTC$/,
    );
    assert.equal(await again.refused(method as string, params), "forbidden");
  }
  // Nobody learns of a ban who does not know the password.
  assert.equal(await again.refused("login", { name: "eve", password: "wrong horse" }), "unauthenticated");
  await store.ban({ kind: "account", subject: "eve", endsAt: Date.now() + 1, reason: "" });
  await rules.refresh();
  await waitUntil("the ban is over", () => again.call("resume", { token }).then(() => true, () => false));
});

Deno.test("nobody from a banned network comes in, and whoever is here from it is turned out", async () => {
  await using world = await ChatWorld.start();
  const { store, services: { rules } } = world;
  const eve = await world.connect("2001:db8::7").greet();
  await eve.call("register", { name: "eve", password: PASSWORD });
  const guest = await world.connect("2001:db8::8").greet();
  const bob = await world.connectAs("bob");
  const ban = {
    kind: "network",
    subject: "2001:db8::/64",
    endsAt: Date.now() + HOUR_MS,
    reason: "",
  } as const;
  await store.ban(ban);
  await rules.refresh();
  assert.match(eve.closeReason, /banned/);
  assert.equal(bob.closeReason, "");
  assert.equal(await guest.refused("register", { name: "eve2", password: PASSWORD }), "forbidden");
  const caller = world.connect("2001:db8::9");
  await assert.rejects(caller.call("hello", HELLO), /from this address: it is banned .* until \d{4}-/);
  await new Promise((resolve) => setTimeout(resolve, 0));
  assert.match(caller.closeReason, /banned/);
  await store.liftBan(ban);
  await rules.refresh();
  await world.connect("2001:db8::9").greet();
});

Deno.test("orders that cannot be read leave those that were read before in force", async () => {
  let isBroken = false;
  await using world = await ChatWorld.start({
    gate: (verb) =>
      isBroken && verb === "standingOrders" ? Promise.reject(new Error("away")) : Promise.resolve(),
  });
  const ban = { kind: "network", subject: "192.0.2.9/32", endsAt: Date.now() + HOUR_MS, reason: "" } as const;
  await world.store.ban(ban);
  await world.services.rules.refresh();
  isBroken = true;
  await assert.rejects(world.services.rules.refresh(), /away/);
  assert.equal(await world.connect("192.0.2.9").refused("hello", HELLO), "forbidden");
  isBroken = false;
  await world.store.liftBan(ban);
  await world.services.rules.refresh();
  await world.connect("192.0.2.9").greet();
});

Deno.test("a locked server registers nobody, and takes messages and chats for those alone whom one has met", async () => {
  await using world = await ChatWorld.start();
  const { store, services: { rules } } = world;
  const [ana, bob, eve] = [
    await world.connectAs("ana"),
    await world.connectAs("bob"),
    await world.connectAs("eve"),
  ];
  const message = (to: string) => ({ id: newMessageId(), to, text: "hello" });
  const first = message("bob");
  await ana.call("send_message", first);
  await store.lockDown(Date.UTC(2100, 0, 1));
  await rules.refresh();
  const guest = await world.connect().greet();
  await assert.rejects(
    guest.call("register", { name: "mia", password: PASSWORD }),
    /^ChatError: Cannot register now: .* until 2100-01-01 00:00 UTC$/,
  );
  await assert.rejects(
    eve.call("send_message", message("bob")),
    /Cannot write to bob for the first time now: .* until 2100/,
  );
  const chat = {
    chatId: crypto.randomUUID(),
    port: 5000,
    places: [],
    certificate: CHAT_CERTIFICATE,
    secret: "s".repeat(22),
  };
  assert.equal(await eve.refused("open_chat", { ...chat, to: "ana" }), "forbidden");
  assert.equal(await eve.refused("send_message", message("nobody")), "not_found");
  assert.equal((await ana.call("send_message", first)).duplicate, true);
  await bob.call("send_message", message("ana"));
  await bob.call("send_message", message("bob"));
  await bob.call("open_chat", { ...chat, to: "ana" });
  await store.endLockdown();
  await rules.refresh();
  await guest.call("register", { name: "mia", password: PASSWORD });
  await eve.call("send_message", message("bob"));
});

Deno.test("what a session writes keeps its order while it is asked whom it has met, and when that ends in the middle", async () => {
  const asked = Promise.withResolvers<void>();
  let isHeld = false;
  await using world = await ChatWorld.start({
    gate: (verb) => isHeld && verb === "haveMet" ? asked.promise : Promise.resolve(),
  });
  const { store, services: { rules } } = world;
  const [ana, bob] = [await world.connectAs("ana"), await world.connectAs("bob")];
  const send = (text: string) => ana.call("send_message", { id: newMessageId(), to: "bob", text });
  await send("0");
  await bob.call("subscribe");
  await store.lockDown(null);
  await rules.refresh();
  isHeld = true;
  const sending = [
    send("1"),
    send("2"),
    ana.refused("send_message", { id: newMessageId(), to: "nobody", text: "x" }),
  ];
  await store.endLockdown();
  await rules.refresh();
  isHeld = false;
  sending.push(send("3"));
  asked.resolve();
  await Promise.all(sending);
  await world.settle();
  assert.deepEqual(bob.received("message_received").map(({ text }) => text), ["0", "1", "2", "3"]);
  assert.equal(ana.session.asking, null);
});
