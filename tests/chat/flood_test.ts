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
