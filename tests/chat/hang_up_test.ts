/** A caller who hangs up costs nothing more: what it asked for and nobody will read is not done. */
import assert from "node:assert/strict";
import { FakeClock } from "../helpers/fake_clock.ts";
import { type Caller, ChatWorld, type ChatWorldOptions, PASSWORD } from "../helpers/chat_world.ts";
import { newMessageId } from "../../lib/protocol/fields.ts";

/** Enough for eight pages of a mailbox. */
const MESSAGES = 4_000;

/** A world that counts what is asked of the store and how many passwords are hashed. */
async function startCounting(options: ChatWorldOptions = {}) {
  const asked: string[] = [];
  const gate = (verb: string) => {
    asked.push(verb);
    return Promise.resolve();
  };
  const world = await ChatWorld.start({ ...options, gate });
  return {
    world,
    /** How often something was asked for since the last time this was called. */
    count(verb: string): number {
      return asked.splice(0).filter((each) => each === verb).length;
    },
    [Symbol.asyncDispose]: () => world[Symbol.asyncDispose](),
  };
}

async function send(world: ChatWorld, from: Caller, to: string, amount: number): Promise<void> {
  const senderId = from.session.accountId;
  const texts = Array.from({ length: amount }, (_, index) => `${index}`);
  await Promise.all(texts.map((text) => world.store.sendMessage({ senderId, id: newMessageId(), to, text })));
}

/** What a connection is while it waits for the other end to close: nothing more is sent, and `ended` comes later. */
function beginToClose(caller: Caller): void {
  caller.closeReason = "the client said goodbye";
}

/** Lets so many promises go on. */
async function hop(times: number): Promise<void> {
  for (let time = 0; time < times; time++) await Promise.resolve();
}

Deno.test("subscribe × hang-up: once the caller has gone, no page of the mailbox is read any more", async () => {
  await using counting = await startCounting();
  const { world, count } = counting;
  const ana = await world.connectAs("ana");
  await world.connectAs("bob");
  await send(world, ana, "bob", MESSAGES);
  let readBefore = 0;
  for (let hops = 0; hops < 150; hops += 3) {
    const bob = await world.connectAs("bob");
    const subscribing = bob.call("subscribe", { after: 0 }).catch(() => {});
    await hop(hops);
    readBefore += count("listMailbox");
    bob.close("hung up");
    await subscribing;
    for (let turn = 0; turn < 20; turn++) await world.settle();
    assert.equal(count("listMailbox"), 0, `hung up after ${hops} steps`);
  }
  assert.ok(readBefore > 20, "some were in the middle of it");
});

Deno.test("a mailbox is read no further while its connection is being closed", async () => {
  await using counting = await startCounting();
  const { world, count } = counting;
  const ana = await world.connectAs("ana");
  const bob = await world.connectAs("bob");
  await send(world, ana, "bob", MESSAGES);
  count("");
  await bob.call("subscribe", { after: 0 });
  beginToClose(bob);
  for (let turn = 0; turn < 20; turn++) await world.settle();
  assert.ok(count("listMailbox") <= 1);
});

Deno.test("fetch_history × hang-up: of a hundred pages asked for at once, only the one under way is read", async () => {
  await using counting = await startCounting();
  const { world, count } = counting;
  const ana = await world.connectAs("ana");
  await world.connectAs("bob");
  await send(world, ana, "bob", 300);
  const hangUp = { ended: (bob: Caller) => bob.close("hung up"), closing: beginToClose };
  for (const [how, hang] of Object.entries(hangUp)) {
    for (let hops = 0; hops < 100; hops += 5) {
      const bob = await world.connectAs("bob");
      const asked = Array.from({ length: 100 }, () => bob.call("fetch_history", { with: "ana" }));
      const pages = Promise.allSettled(asked);
      await hop(hops);
      count("");
      hang(bob);
      const refused = (await pages).filter(({ status }) => status === "rejected");
      assert.equal(count("listHistory"), 0, `${how} after ${hops} steps`);
      assert.ok(refused.length > 50);
    }
  }
});

Deno.test("login × hang-up: a password that waits for its turn is not hashed for a caller who has gone", async () => {
  await using world = await ChatWorld.start();
  await world.connectAs("ana");
  const floods = await Promise.all(Array.from({ length: 40 }, () => world.connect("192.0.2.9").greet()));
  const outcomes = floods.map((caller, index) =>
    caller.call("login", { name: `name${index}`, password: PASSWORD }).catch(({ code }) => code)
  );
  for (const caller of floods) caller.close("hung up");
  const codes = await Promise.all(outcomes);
  assert.ok(codes.filter((code) => code === "unauthenticated").length <= 2, `${codes}`);
  assert.ok(codes.filter((code) => code === "unavailable").length >= 38, `${codes}`);
});

Deno.test("send_message × hang-up: what still waits for its turn is not sent, and takes no turn", async () => {
  const clock = new FakeClock();
  clock.stop();
  await using counting = await startCounting({ throttles: { sendsPerSecond: 50 }, paceClock: clock });
  const { world, count } = counting;
  const ana = await world.connectAs("ana");
  await world.connectAs("bob");
  count("");
  const outcomes = Promise.allSettled(
    Array.from({ length: 250 }, () => ana.call("send_message", { id: newMessageId(), to: "bob", text: "x" })),
  );
  await world.settle();
  ana.close("hung up");
  clock.go();
  const codes = (await outcomes).map((sent) => sent.status === "fulfilled" ? "sent" : sent.reason.code);
  assert.deepEqual(codes, [...Array(100).fill("sent"), ...Array(150).fill("unavailable")]);
  assert.equal(count("sendMessage"), 100);
  assert.equal(Math.round(clock.time), 20, "one turn's wait: there was somebody to ask");
});
