/** What one caller does, or many of them, and what it does not do to others. */
import assert from "node:assert/strict";
import { ChatWorld, PASSWORD } from "../helpers/chat_world.ts";
import { FakeClock } from "../helpers/fake_clock.ts";
import { newMessageId } from "../../lib/protocol/fields.ts";

const WRONG = "not the right one";

Deno.test("login() counts the addresses of one IPv6 /64 as one", async () => {
  await using world = await ChatWorld.start();
  await world.connectAs("ana");
  const codes: string[] = [];
  for (let host = 1; host <= 200; host++) {
    const guest = await world.connect(`2001:db8:1:2:${host.toString(16)}::1`).greet();
    codes.push(await guest.refused("login", { name: "ana", password: WRONG }));
  }
  assert.deepEqual(codes.slice(0, 11), [...Array(10).fill("unauthenticated"), "rate_limited"]);
  assert.equal(codes.lastIndexOf("unauthenticated"), 9, "a guesser with a /64 had 2,000 guesses of 2,000");
  const next = await world.connect("2001:db8:1:3::1").greet();
  await next.call("login", { name: "ana", password: PASSWORD });
});

Deno.test("register() counts the addresses of one IPv6 /64 as one", async () => {
  await using world = await ChatWorld.start({ throttles: { registrationsPerAddress: 2 } });
  const register = async (host: number) =>
    (await world.connect(`2001:db8::${host}`).greet()).call("register", {
      name: `p${host}`,
      password: PASSWORD,
    });
  await register(1);
  await register(2);
  await assert.rejects(register(3), { code: "rate_limited" });
});

Deno.test("login() of one account, hundreds at once with its right password, leaves its neighbours at the address theirs", async () => {
  // Those under way count as failed: the address was refused every login for a quarter of an hour.
  await using world = await ChatWorld.start();
  await world.connectAs("ana");
  await world.connectAs("mallory");
  const answered: string[] = [];
  const login = async (name: string) => {
    const guest = await world.connect("192.0.2.99").greet();
    const outcome = await guest.call("login", { name, password: PASSWORD }).then(() => name, String);
    answered.push(outcome);
    return outcome;
  };
  const flood = Array.from({ length: 300 }, () => login("mallory"));
  assert.equal(await login("ana"), "ana");
  const before = answered.length;
  assert.ok(before < 100, `${before} were answered before ana`); // she does not wait behind all of them
  assert.deepEqual(await Promise.all(flood), Array(300).fill("mallory"));
});

Deno.test("change_password() counts its tries", async () => {
  await using world = await ChatWorld.start({ throttles: { failedLoginsPerAccount: 3 } });
  const ana = await world.connectAs("ana");
  const change = { oldPassword: WRONG, newPassword: "battery staple" };
  for (let i = 0; i < 3; i++) assert.equal(await ana.refused("change_password", change), "unauthenticated");
  assert.equal(await ana.refused("change_password", change), "rate_limited");
});

Deno.test("login() lets the owner in at once while strangers guess from everywhere, by device and by address", async () => {
  const clock = new FakeClock();
  clock.stop();
  await using world = await ChatWorld.start({ paceClock: clock });
  const home = await world.connect("2001:db8:aaaa:1::1").greet();
  const { deviceId, token } = await home.call("register", { name: "ana", password: PASSWORD });
  const guess = async (address: string) =>
    await (await world.connect(address).greet()).refused("login", { name: "ana", password: WRONG });
  for (let host = 1; host <= 50; host++) assert.equal(await guess(`198.51.100.${host}`), "unauthenticated");
  // From now on they take turns. Four wait for theirs, and whoever comes fifth is told to come back.
  const waiting = [1, 2, 3, 4].map((host) => guess(`203.0.113.${host}`));
  await world.settle();
  assert.equal(await guess("203.0.113.5"), "rate_limited");

  const login = { name: "ana", password: PASSWORD };
  await (await world.connect("203.0.113.7").greet()).call("resume", { token });
  await (await world.connect("203.0.113.6").greet()).call("login", { ...login, deviceId });
  await (await world.connect("2001:db8:aaaa:1::2").greet()).call("login", login);
  await (await world.connect("203.0.113.7").greet()).call("login", login);
  clock.go();
  assert.deepEqual(await Promise.all(waiting), Array(4).fill("unauthenticated"));
  assert.equal(Math.round(clock.time), 4 * 5_000);
  // Nobody waits any more: the owner gets in from a place that nobody has seen, too, when its turn comes.
  await (await world.connect("203.0.113.8").greet()).call("login", login);
  assert.equal(Math.round(clock.time), 5 * 5_000);
});

Deno.test("send_message() keeps its pace through reconnects", async () => {
  // 50 reconnects sent 10,000 messages at once, where 100 a second are allowed.
  const clock = new FakeClock();
  clock.stop();
  await using world = await ChatWorld.start({ paceClock: clock });
  const bob = await world.connectAs("bob");
  await bob.call("subscribe");
  for (let connection = 0; connection < 20; connection++) {
    const ana = await world.connectAs("ana");
    for (let sends = 0; sends < 50; sends++) {
      ana.call("send_message", { id: newMessageId(), to: "bob", text: "x" }).catch(() => {});
    }
    await world.settle();
    ana.close("reconnects");
  }
  await world.settle();
  assert.equal(bob.received("message_received").length, 200, "what two seconds allow");
});

Deno.test("an account with many connections takes no more of the store than others, whatever it asks", async () => {
  // One that blocked somebody again and again, on 20 connections, made everybody wait 6 s for an acknowledgement.
  const held: (() => void)[] = [];
  const underWay = new Map<string, number>();
  const isHeld = new Set(["updateSettings", "findLogin", "findCredentials", "listMailbox"]);
  let isHolding = false;
  await using world = await ChatWorld.start({
    async gate(verb) {
      if (!isHolding || !isHeld.has(verb)) return;
      underWay.set(verb, (underWay.get(verb) ?? 0) + 1);
      await new Promise<void>((resolve) => held.push(resolve));
    },
  });
  const ana = await world.connectAs("ana");
  const eves = [await world.connectAs("eve"), await world.connectAs("eve")];
  const guests = [await world.connect("192.0.2.9").greet(), await world.connect("192.0.2.9").greet()];
  const asked: Promise<unknown>[] = [];
  const ask = async (callers: typeof eves, method: string, params: unknown) => {
    for (let n = 0; n < 50; n++) {
      for (const caller of callers) asked.push(caller.call(method, params).catch(({ code }) => code));
    }
    await world.settle();
  };
  isHolding = true;
  await ask(eves, "update_settings", { shareRead: true });
  await ask(guests, "resume", { token: "made up" });
  await ask(guests, "login", { name: "ana", password: WRONG });
  assert.deepEqual([...underWay], [["updateSettings", 8], ["findLogin", 8]]);
  assert.deepEqual(await ana.call("list_blocked"), { names: [] }, "others have desks of their own");
  isHolding = false;
  for (const go of held.splice(0)) go();
  await Promise.all(asked);

  isHolding = true;
  underWay.clear();
  asked.length = 0;
  await ask(eves, "subscribe", { after: 0 });
  assert.deepEqual([...underWay], [["listMailbox", 2]], "one page for each connection");
  isHolding = false;
  for (const go of held.splice(0)) go();
  await Promise.all(asked);
  for (let turn = 0; turn < 100 && world.services.desks.size > 0; turn++) await world.settle();
  assert.equal(world.services.desks.size, 0, "whoever has been served leaves nothing behind");
});
