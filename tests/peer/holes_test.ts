import assert from "node:assert/strict";
import type { DirectChat } from "../../lib/peer/direct_chat.ts";
import { ChatPair, leadThrough, through, withoutPunch } from "../helpers/chat_pair.ts";
import { CuttableProxy } from "../helpers/cuttable_proxy.ts";
import { tempFolder } from "../helpers/temp_folder.ts";
import { waitUntil } from "../helpers/wait_until.ts";

/** Handshakes and short lines come through, pieces of files do not. */
const NARROW_BYTES = 4_000;
/** How soon a side notices that nothing gets through. */
const QUICK = { stallMs: 600 };

for (const sender of ["host", "joiner"] as const) {
  Deno.test(`PeerChannel leaves a way alone that carries no large packets, and the relay takes over, when the ${sender} sends`, async () => {
    using folder = tempFolder();
    await using cable = new CuttableProxy(null);
    await using pair = await ChatPair.invite({
      server: { onParams: withoutPunch, onResult: leadThrough(cable) },
      host: QUICK,
      joiner: { ...QUICK, relayAfterMs: 1_500, improveAtMs: [100, 200] },
    });
    cable.leadTo(pair.hosted.port);
    cable.narrowTo = NARROW_BYTES;
    const { chat, route } = await pair.join();
    assert.equal(route, "direct, LAN");
    const [from, to] = sender === "host" ? [pair.hosted.chat, chat] : [chat, pair.hosted.chat];
    await from.say("small lines pass");
    using _chatter = chatter(to);
    const said = from.say("x".repeat(10_000));
    await said;
    assert.equal(from.channel.route, "relayed");
    // The way is not tried again: what is looked for now and then is a better one than that.
    await sendFile(folder.path, from, sender === "host" ? pair.atBob : pair.atAna, to);
    assert.equal(from.channel.route, "relayed");
    assert.deepEqual((sender === "host" ? pair.atBob : pair.atAna).lines, [
      "small lines pass",
      "x".repeat(10_000),
    ]);
  });
}

Deno.test("PeerChannel takes back what no way carries: the file fails with a reason, and the chat lives on", async () => {
  using folder = tempFolder();
  await using cable = new CuttableProxy(null);
  await using pair = await ChatPair.invite({
    server: { onParams: withoutPunch, onResult: (method, result) => withoutPlaces(method, result) },
    host: QUICK,
    joiner: QUICK,
  });
  cable.narrowTo = NARROW_BYTES;
  const { chat } = await pair.join({ rendezvous: through(cable, pair.bob) });
  const { chat: hosts } = pair.hosted;
  const path = `${folder.path}/photo.jpg`;
  await Deno.writeFile(path, new Uint8Array(300_000));
  await hosts.files.offer(path);
  await pair.atBob.until("offered");
  await chat.files.accept();
  using _chatter = chatter(chat);
  await hosts.say("behind the file");
  assert.equal((await pair.atAna.until("failed")).reason, "stuck");
  assert.equal((await pair.atBob.until("failed")).reason, "stuck");
  await assert.rejects(hosts.say("y".repeat(10_000)), /carries nothing over/);
  await Promise.all([hosts.say("still here"), chat.say("me too")]);
  assert.deepEqual(pair.atBob.lines, ["behind the file", "still here"]);
  assert.deepEqual(pair.atAna.lines.filter((line) => line !== CHATTER), ["me too"]);
  assert.equal(hosts.tally.linesUndelivered, 1);
});

Deno.test("PeerChannel once cut a link that had been quiet for long at the next line", async () => {
  await using pair = await ChatPair.link({ isCuttable: true, host: QUICK, joiner: QUICK });
  const { chat } = pair.joined;
  await chat.say("one");
  const quietSince = performance.now();
  await waitUntil("it was quiet", () => Promise.resolve(performance.now() - quietSince > 2 * QUICK.stallMs));
  pair.cable.clog();
  const said = chat.say("two");
  await new Promise((resolve) => setTimeout(resolve, QUICK.stallMs / 3)); // a road that takes its time
  pair.cable.unclog();
  await said;
  assert.deepEqual(pair.atBob.shown.filter(({ kind }) => kind === "lost"), []);
});

Deno.test("PeerChannel waits for a friend who is only slow to look, and ticks nothing before", async () => {
  const looks = Promise.withResolvers<void>();
  await using pair = await ChatPair.link({ host: QUICK, joiner: QUICK });
  pair.atAna.beforeLine = () => looks.promise;
  let isTicked = false;
  const said = pair.joined.chat.say("look at this").then(() => isTicked = true);
  const since = performance.now();
  await waitUntil("it took long", () => Promise.resolve(performance.now() - since > 3 * QUICK.stallMs));
  assert.equal(isTicked, false);
  // A new link says that the line is not shown yet, so the other side still waits for it.
  pair.joined.chat.channel.probe();
  looks.resolve();
  await said;
  assert.deepEqual(pair.atAna.lines, ["look at this"]);
  assert.deepEqual(pair.atBob.shown.filter(({ kind }) => kind === "lost"), []);
});

const CHATTER = "are you there?";

/** Says small things all the time: the other way carries them. */
function chatter(chat: DirectChat): Disposable {
  const timer = setInterval(() => chat.say(CHATTER).catch(() => {}), 50);
  return { [Symbol.dispose]: () => clearInterval(timer) };
}

Deno.test("A goodbye once overtook the answer to a line that was shown, which was then called undelivered", async () => {
  await using pair = await ChatPair.link();
  const shown = Promise.withResolvers<void>();
  const { promise: isThere, resolve: arrive } = Promise.withResolvers<void>();
  pair.atAna.beforeLine = () => {
    arrive();
    return shown.promise;
  };
  const said = pair.joined.chat.say("one last thing");
  await isThere;
  const leaving = pair.hosted.chat.bye();
  shown.resolve();
  await Promise.all([said, leaving]);
  assert.equal((await pair.joined.chat.ended).kind, "heard_bye");
  assert.equal(pair.joined.chat.tally.linesUndelivered, 0);
});

async function sendFile(
  folder: string,
  from: DirectChat,
  atTo: ChatPair["atBob"],
  to: DirectChat,
): Promise<void> {
  const bytes = crypto.getRandomValues(new Uint8Array(60_000));
  await Deno.writeFile(`${folder}/photo.jpg`, bytes);
  await from.files.offer(`${folder}/photo.jpg`);
  await atTo.until("offered");
  await to.files.accept();
  assert.deepEqual(await Deno.readFile((await atTo.until("done")).path!), bytes);
}

function withoutPlaces(method: string, result: unknown): unknown {
  return method === "join_chat" ? { ...result as object, places: [] } : result;
}
