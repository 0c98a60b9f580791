import assert from "node:assert/strict";
import { ConnectionError } from "../../lib/errors.ts";
import type { JoinedChat } from "../../lib/protocol/chat_messages.ts";
import { ChatPair, NO_RELAY, withoutPunch } from "../helpers/chat_pair.ts";
import { waitUntil } from "../helpers/wait_until.ts";

/** A server through whose relay alone the two can meet. */
const RELAY_ONLY = { onParams: withoutPunch, onResult: withoutPlaces };

Deno.test("A relayed chat once did not survive a restart of the server", async () => {
  await using pair = await ChatPair.link({ server: RELAY_ONLY });
  const { chat } = pair.joined;
  await chat.say("before");
  await pair.server[Symbol.asyncDispose]();
  await Promise.all([pair.atAna.until("lost"), pair.atBob.until("lost")]);
  const said = [chat.say("meanwhile"), pair.hosted.chat.say("me too")];
  await using restarted = pair.server.startAnew(RELAY_ONLY);
  // The joiner is back first: nobody knows the chat, and that does not mean that it is over.
  await pair.bob.comeBack();
  await assert.rejects(
    pair.bob.request("join_chat", { chatId: pair.bob.events[0]!.content.chatId, secret: "x".repeat(22) }),
    /not reconnected/,
  );
  await pair.ana.comeBack();
  await Promise.all(said);
  assert.deepEqual(pair.atAna.lines, ["before", "meanwhile"]);
  assert.deepEqual(pair.atBob.lines, ["me too"]);
  const invitations = pair.bob.events.filter(({ name }) => name === "chat_invited");
  assert.equal(invitations.length, 1, "nobody is invited to a chat that goes on");
  assert.ok(pair.ana.checks > 0 && pair.bob.checks > 0, "a lost link has the server's connection checked");
  assert.equal(restarted.relay.count, 2);
});

Deno.test("Signing in again begins a round at once, in place of one that leads nowhere any more", async () => {
  // Takes callers, and says nothing to them.
  using silent = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const nowhere: JoinedChat["places"] = [{ address: "127.0.0.1", port: silent.addr.port, kind: "own" }];
  const rounds: number[] = [];
  let canMeet = true;
  await using pair = await ChatPair.link({
    server: {
      onParams: withoutPunch,
      onResult: (method, result) => {
        if (method !== "join_chat") return result;
        rounds.push((result as JoinedChat).round);
        return canMeet
          ? withoutPlaces(method, result)
          : { ...result as JoinedChat, relayTicket: "x".repeat(22), places: nowhere };
      },
    },
    joiner: { relayAfterMs: 0 },
  });
  await pair.joined.chat.say("before");
  canMeet = false;
  pair.server.cutRelays();
  await pair.atBob.until("lost");
  await waitUntil("a round leads nowhere", () => Promise.resolve(rounds.length === 2));
  canMeet = true;
  const startedAt = performance.now();
  const said = pair.hosted.chat.say("found again");
  await pair.ana.comeBack();
  await said;
  assert.ok(performance.now() - startedAt < 10_000, "the round that leads nowhere takes 15 s");
  assert.deepEqual(pair.atBob.lines, ["found again"]);
});

Deno.test("A refused relay ticket once passed for the host's goodbye", async () => {
  let isTicketGood = true;
  await using pair = await ChatPair.link({
    server: {
      onParams: withoutPunch,
      onResult: (method, result) =>
        method === "join_chat" && !isTicketGood
          ? { ...result as JoinedChat, relayTicket: "x".repeat(22), places: [] }
          : withoutPlaces(method, result),
    },
    joiner: { comeBackWithinMs: 1_500 },
  });
  isTicketGood = false;
  pair.server.cutRelays();
  const end = await pair.joined.chat.ended;
  assert.equal(end.kind, "lost", end.message);
});

Deno.test("joinChat() says why the relay was refused where nothing else leads", async () => {
  await using pair = await ChatPair.invite({ server: { ...RELAY_ONLY, relay: NO_RELAY } });
  await assert.rejects(pair.join(), (error) => {
    assert.ok(error instanceof ConnectionError);
    assert.match(error.message, /no way leads there: Cannot relay: the server's relay is off/);
    return true;
  });
});

Deno.test("A host that is gone for the server is not gone for a friend who looks for a way back", async () => {
  await using pair = await ChatPair.link({ isCuttable: true });
  pair.cable.leadTo(null);
  pair.cable.cut();
  await pair.atBob.until("lost");
  const { chatId } = pair.bob.events[0]!.content;
  pair.bob.hear({ name: "chat_closed", content: { chatId, by: "ana", reason: "gone" } });
  pair.cable.leadTo(pair.hosted.port);
  await pair.joined.chat.say("still here");
  assert.deepEqual(pair.atAna.lines, ["still here"]);
});

Deno.test("whose friend's program has given the chat up is not told that the friend has ended it", async () => {
  await using pair = await ChatPair.link({ isCuttable: true });
  pair.cable.leadTo(null);
  pair.cable.cut();
  await pair.atBob.until("lost");
  const { chatId } = pair.bob.events[0]!.content;
  pair.bob.hear({ name: "chat_closed", content: { chatId, by: "ana", reason: "closed" } });
  assert.deepEqual(await pair.joined.chat.ended, { kind: "closed", message: "ana has left the chat" });
});

function withoutPlaces(method: string, result: unknown): unknown {
  return method === "join_chat" ? { ...result as object, places: [] } : result;
}
