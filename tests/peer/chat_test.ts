import assert from "node:assert/strict";
import { ChatPair } from "../helpers/chat_pair.ts";

Deno.test("joinChat() links directly on one network, and both see the same code", async () => {
  await using pair = await ChatPair.invite();
  const { conversation, route, linkedAfterMs } = await pair.join();
  assert.equal(route, "direct, LAN");
  assert.ok(linkedAfterMs < 3_000, `${linkedAfterMs}`);
  assert.match(conversation.terms!.code, /^\d{3} \d{3} \d{3}$/);
  assert.equal(pair.hosted.conversation.terms!.code, conversation.terms!.code);
  await Promise.all([conversation.say("hello ana"), pair.hosted.conversation.say("hello bob")]);
  assert.deepEqual(pair.atAna.lines, ["hello ana"]);
  assert.deepEqual(pair.atBob.lines, ["hello bob"]);
});

Deno.test("joinChat() goes over the relay where nothing else leads, and a direct way takes over without losing a line", async () => {
  await using pair = await ChatPair.invite({
    host: { relayAfterMs: 0 },
    joiner: { relayAfterMs: 0, isDialing: false, improveAtMs: [] },
  });
  const { conversation, route } = await pair.join();
  assert.equal(route, "relayed");
  await conversation.say("over the relay");
  assert.deepEqual(pair.atAna.lines, ["over the relay"]);
  assert.equal(pair.server.relay.count, 2);
});
