import assert from "node:assert/strict";
import { ChatError, UsageError } from "../../lib/errors.ts";
import type { JoinedChat } from "../../lib/protocol/chat_messages.ts";
import { ChatPair, leadThrough, NO_RELAY, withoutPunch } from "../helpers/chat_pair.ts";
import { CuttableProxy } from "../helpers/cuttable_proxy.ts";
import { HostedChat } from "../../lib/peer/host.ts";
import { joinChat } from "../../lib/peer/joiner.ts";
import { Recorder } from "../helpers/chat_pair.ts";
import { waitUntil } from "../helpers/wait_until.ts";

Deno.test("joinChat() links directly on one network, and both see the same code", async () => {
  await using pair = await ChatPair.invite();
  const { chat, route, linkedAfterMs } = await pair.join();
  assert.equal(route, "direct, LAN");
  assert.ok(linkedAfterMs < 3_000, `${linkedAfterMs}`);
  assert.match(chat.terms!.code, /^\d{3} \d{3} \d{3}$/);
  assert.equal(pair.hosted.chat.terms!.code, chat.terms!.code);
  assert.match(chat.terms!.theirClient, /^mini-chat \d/);
  await Promise.all([chat.say("hello ana"), pair.hosted.chat.say("hello bob")]);
  assert.deepEqual(pair.atAna.lines, ["hello ana"]);
  assert.deepEqual(pair.atBob.lines, ["hello bob"]);
  assert.equal((await pair.atAna.until("linked")).route, "direct, LAN");
});

Deno.test("joinChat() starts relayed where nothing else leads, and a direct way takes over without losing a line", async () => {
  await using pair = await ChatPair.invite({
    server: { onResult: withoutPlacesAtFirst, onParams: withoutPunch },
    joiner: { relayAfterMs: 0, improveAtMs: [50] },
  });
  assert.equal((await pair.join()).route, "relayed");
  await talkWhile(pair, () => Promise.resolve());
});

Deno.test("joinChat() talks over the relay while a direct way is slow to come, and takes it within the same race", async () => {
  await using cable = new CuttableProxy(null);
  cable.clog();
  const rounds: number[] = [];
  await using pair = await ChatPair.invite({
    server: {
      onParams: withoutPunch,
      onResult: (method, result) => {
        if (method === "join_chat") rounds.push((result as JoinedChat).round);
        return leadThrough(cable)(method, result);
      },
    },
  });
  cable.leadTo(pair.hosted.port);
  const { route, linkedAfterMs } = await pair.join();
  assert.equal(route, "relayed");
  assert.ok(linkedAfterMs < 3_000, `${linkedAfterMs}`);
  await talkWhile(pair, () => Promise.resolve(cable.unclog()));
  assert.deepEqual(rounds, [1]);
});

/** Both talk until a direct way has taken over; nothing is lost, doubled or out of order, and nobody hears of a loss. */
async function talkWhile(
  { atAna, atBob, hosted, joined }: ChatPair,
  change: () => Promise<void>,
): Promise<void> {
  const said: Promise<void>[] = [];
  const isDirect = ({ shown }: Recorder) =>
    shown.some((one) => one.kind === "linked" && one.route === "direct, LAN" && !one.wasLost);
  let number = 0;
  await waitUntil("both are linked directly", async () => {
    if (number === 0) await change();
    for (const end = number + 20; number < end; number++) {
      said.push(joined.chat.say(`to ana ${number}`), hosted.chat.say(`to bob ${number}`));
    }
    return isDirect(atAna) && isDirect(atBob);
  });
  await Promise.all(said);
  const numbers = [...Array(number).keys()];
  assert.deepEqual(atAna.lines, numbers.map((number) => `to ana ${number}`));
  assert.deepEqual(atBob.lines, numbers.map((number) => `to bob ${number}`));
  assert.deepEqual([...atAna.shown, ...atBob.shown].filter(({ kind }) => kind === "lost"), []);
}

Deno.test("DirectChat.bye() ends the chat for both, from either side, with counts", async () => {
  for (const side of ["host", "joiner"] as const) {
    await using pair = await ChatPair.link();
    const { chat } = pair.joined;
    await chat.say("one");
    await pair.hosted.chat.say("two");
    await pair.hosted.chat.say("three");
    const [from, to] = side === "host" ? [pair.hosted.chat, chat] : [chat, pair.hosted.chat];
    await from.bye();
    assert.equal((await from.ended).kind, "said_bye");
    assert.equal((await to.ended).kind, "heard_bye");
    assert.equal(chat.tally.linesSent, 1);
    assert.equal(chat.tally.linesReceived, 2);
    assert.ok(chat.tally.durationMs > 0);
    await assert.rejects(to.say("too late"), /over/);
    await assertNothingListens(pair);
  }
});

Deno.test("DirectChat says what was typed while the link was lost once it is back, once and in order", async () => {
  await using pair = await ChatPair.link({ isCuttable: true });
  const { chat } = pair.joined;
  await chat.say("before");
  pair.cable.leadTo(null);
  pair.cable.cut();
  await pair.atBob.until("lost");
  await pair.atAna.until("lost");
  const said = [
    chat.say("typed while lost"),
    pair.hosted.chat.say("me too"),
    chat.say("and more"),
  ];
  pair.cable.leadTo(pair.hosted.port);
  await Promise.all(said);
  await pair.atAna.until("linked", (one) => one.wasLost);
  assert.deepEqual(pair.atAna.lines, ["before", "typed while lost", "and more"]);
  assert.deepEqual(pair.atBob.lines, ["me too"]);
});

Deno.test("DirectChat survives cuts in the middle of talk, over and over, with every line once", async () => {
  await using pair = await ChatPair.link({ isCuttable: true });
  const { chat } = pair.joined;
  const said: Promise<void>[] = [];
  for (let number = 0; number < 400; number++) {
    said.push(chat.say(`a${number}`), pair.hosted.chat.say(`b${number}`));
    if (number % 40 === 39) pair.cable.cut();
    if (number % 7 === 0) await new Promise((resolve) => setTimeout(resolve, 3));
  }
  await Promise.all(said);
  assert.deepEqual(pair.atAna.lines, [...Array(400).keys()].map((number) => `a${number}`));
  assert.deepEqual(pair.atBob.lines, [...Array(400).keys()].map((number) => `b${number}`));
  assert.ok(pair.cable.calls > 2, `${pair.cable.calls} calls`);
});

Deno.test("DirectChat ends as lost when no link comes back in time, on both sides", async () => {
  await using pair = await ChatPair.link({
    isCuttable: true,
    host: { comeBackWithinMs: 400 },
    joiner: { comeBackWithinMs: 400 },
  });
  pair.cable.leadTo(null);
  pair.cable.cut();
  const [atHost, atJoiner] = await Promise.all([
    pair.hosted.chat.ended,
    pair.joined.chat.ended,
  ]);
  // Whoever is later may hear from the server that the other has given up.
  for (const end of [atHost, atJoiner]) assert.match(end.kind, /^(lost|closed)$/);
  assert.match(`${atHost.message} ${atJoiner.message}`, /did not come back in/);
  await assertNothingListens(pair);
});

Deno.test("DirectChat takes a link that moves nothing for lost, and goes on over a new one", async () => {
  await using pair = await ChatPair.link({ isCuttable: true, joiner: { stallMs: 300 } });
  pair.cable.clog();
  const said = pair.joined.chat.say("into the void");
  assert.match((await pair.atBob.until("lost")).why, /took nothing/);
  pair.cable.unclog();
  await said;
  assert.deepEqual(pair.atAna.lines, ["into the void"]);
});

Deno.test("DirectChat goes on without the server, and comes back after it", async () => {
  await using pair = await ChatPair.link({ isCuttable: true });
  pair.server.cutSessions();
  await pair.joined.chat.say("who needs a server");
  assert.deepEqual(pair.atAna.lines, ["who needs a server"]);
  await pair.ana.comeBack();
  await pair.bob.comeBack();
  pair.cable.cut();
  await pair.atBob.until("linked", (one) => one.wasLost);
  await pair.joined.chat.say("still here");
  assert.deepEqual(pair.atAna.lines, ["who needs a server", "still here"]);
});

Deno.test("HostedChat takes an invitation back, and nothing listens any more", async () => {
  await using pair = await ChatPair.invite();
  assert.equal(pair.hosted.isFriendOnline, true);
  assert.deepEqual(pair.bob.events.map(({ name }) => name), ["chat_invited"]);
  await pair.hosted.close();
  await assert.rejects(pair.hosted.linked, /took the invitation back/);
  await assertNothingListens(pair);
  assert.deepEqual((await pair.bob.request("list_chats", {})).chats, []);
  const chatId = pair.bob.events[0]!.content.chatId;
  await assert.rejects(
    joinChat(new Recorder(), joinOptions(pair, chatId)),
    (error) => error instanceof ChatError && error.code === "not_found" && /closed/.test(error.message),
  );
});

Deno.test("HostedChat says what is wrong with a port, and leaves nothing behind", async () => {
  await using pair = await ChatPair.invite();
  await assert.rejects(
    HostedChat.open(new Recorder(), {
      rendezvous: pair.ana,
      friend: "bob",
      port: pair.hosted.port,
      downloadFolder: pair.folderOf("ana"),
    }),
    (error) => error instanceof UsageError && /another program/.test(error.message),
  );
  assert.equal((await pair.bob.request("list_chats", {})).chats.length, 1);
});

Deno.test("joinChat() can be called off, and the invitation stays open", async () => {
  await using pair = await ChatPair.invite({
    server: { relay: NO_RELAY, onParams: withoutPunch },
  });
  const { chatId } = (await pair.bob.request("list_chats", {})).chats[0];
  const controller = new AbortController();
  const recorder = new Recorder();
  const joining = joinChat(recorder, {
    ...joinOptions(pair, chatId),
    isDialing: false,
    signal: controller.signal,
  });
  await recorder.until("trying");
  controller.abort(new Error("changed my mind"));
  await assert.rejects(joining, /changed my mind/);
  await waitUntil("the invitation is open", async () => {
    return (await pair.bob.request("list_chats", {})).chats.length === 1;
  });
});

Deno.test("A host once waited for ever for a friend whose program ended before the first link", async () => {
  let isHostLinked = false;
  const onParams = (method: string, params: unknown) => {
    if (method === "open_chat") isHostLinked = (params as { isJoined?: boolean }).isJoined ?? false;
    return params;
  };
  await using pair = await ChatPair.invite({ server: { onParams } });
  const program = await pair.server.connectAs("bob");
  const { chatId } = (await program.request("list_chats", {})).chats[0]!;
  await program.request("join_chat", { chatId });
  assert.deepEqual((await pair.bob.request("list_chats", {})).chats, []);
  await program[Symbol.asyncDispose]();
  const invited = async () => (await pair.bob.request("list_chats", {})).chats.length;
  await waitUntil("the friend is invited again", async () => await invited() === 1);
  const chat = await joinChat(new Recorder(), joinOptions(pair, chatId));
  await waitUntil("the server knows of the link", () => isHostLinked);
  await chat.bye();
});

Deno.test("joinChat() is refused to a third person, whatever they know", async () => {
  await using pair = await ChatPair.invite();
  await using eve = await pair.server.connectAs("eve");
  const { chatId } = (await pair.bob.request("list_chats", {})).chats[0];
  assert.deepEqual((await eve.request("list_chats", {})).chats, []);
  await assert.rejects(
    joinChat(new Recorder(), { ...joinOptions(pair, chatId), rendezvous: eve }),
    (error) => error instanceof ChatError && error.code === "not_found",
  );
  assert.equal(pair.ana.events.length, 0);
});

Deno.test("joinChat() is refused to a second device of the friend while the first is in the chat", async () => {
  await using pair = await ChatPair.link();
  await using other = await pair.server.connectAs("bob");
  const { chatId } = pair.bob.events[0]!.content;
  await assert.rejects(
    joinChat(new Recorder(), { ...joinOptions(pair, chatId), rendezvous: other }),
    (error) => error instanceof ChatError && error.code === "conflict",
  );
  await pair.joined.chat.say("undisturbed");
});

function joinOptions(pair: ChatPair, chatId: string) {
  return {
    rendezvous: pair.bob,
    chatId,
    friend: "ana",
    downloadFolder: pair.folderOf("bob"),
    signal: new AbortController().signal,
  };
}

/** In the first round the joiner hears of no address. */
function withoutPlacesAtFirst(method: string, result: unknown): unknown {
  const isFirst = method === "join_chat" && (result as { round: number }).round === 1;
  return isFirst ? { ...result as object, places: [] } : result;
}

async function assertNothingListens({ hosted }: ChatPair): Promise<void> {
  await hosted.close();
  const { port } = hosted;
  await assert.rejects(Deno.connect({ hostname: "127.0.0.1", port }), Deno.errors.ConnectionRefused);
}

Deno.test("HostedChat waits no longer for a friend who takes no invitation any more", async () => {
  await using pair = await ChatPair.invite();
  const { chatId } = pair.bob.events[0]!.content;
  pair.ana.hear({ name: "chat_closed", content: { chatId, by: "bob", reason: "closed" } });
  assert.equal(pair.hosted.chat.channel.isEnded, false, "one attempt of his has ended");
  pair.ana.hear({ name: "chat_closed", content: { chatId, by: "bob", reason: "declined" } });
  await assert.rejects(pair.hosted.linked, {
    message: "Cannot chat with bob: the invitation is over, as bob takes none from you any more",
  });
  await pair.hosted.chat.ended;
});
