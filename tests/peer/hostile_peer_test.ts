import assert from "node:assert/strict";
import { Connection } from "../../lib/net/connection.ts";
import { CERTIFICATE_NAME } from "../../lib/net/identity.ts";
import { proveToHost, takeLink } from "../../lib/peer/link/joiner_link.ts";
import type { LinkServer, PeerLink } from "../../lib/peer/link/peer_link.ts";
import type { JoinedChat } from "../../lib/protocol/chat_messages.ts";
import { within } from "../../lib/waiting.ts";
import { ChatPair } from "../helpers/chat_pair.ts";
import { tempFolder } from "../helpers/temp_folder.ts";

/** Bob with a program of his own, which has proven the secret. */
async function joinByHand(
  pair: ChatPair,
  answer: LinkServer = () => ({}),
): Promise<{ link: PeerLink; connection: Connection }> {
  const { chatId } = pair.bob.events[0]!.content;
  const joined: JoinedChat = await pair.bob.request("join_chat", { chatId });
  const tcp = await Deno.connect({ hostname: "127.0.0.1", port: pair.hosted.port });
  const tls = await Deno.startTls(tcp, { hostname: CERTIFICATE_NAME, caCerts: [joined.certificate] });
  const connection = new Connection(tls);
  const proven = await proveToHost(connection, {
    chatId,
    certificatePem: joined.certificate,
    secret: joined.secret,
    channelKey: undefined,
  });
  const { link } = await takeLink(proven, "direct, LAN", 0);
  link.serve(answer);
  await pair.hosted.linked;
  return { link, connection };
}

for (
  const [what, frame] of [
    ["garbage", "what is this?\n"],
    ["bytes that are no text", new Uint8Array([0xff, 0xfe, 0x0a])],
    ["a message that does not exist", '{"jsonrpc":"2.0","id":9,"method":"run","params":{"seq":1}}\n'],
    ["a line without a text", '{"jsonrpc":"2.0","id":9,"method":"line","params":{"seq":1}}\n'],
    ["a line out of turn", '{"jsonrpc":"2.0","id":9,"method":"line","params":{"seq":7,"text":"x"}}\n'],
    [
      "a chunk that is no base64",
      '{"jsonrpc":"2.0","id":9,"method":"file_chunk","params":{"seq":1,"file":"f","data":"%"}}\n',
    ],
    ["a line of 70 KB without an end", "x".repeat(70_000)],
  ] as const
) {
  Deno.test(`PeerChannel ends with a reason when the friend's program sends ${what}`, async () => {
    await using pair = await ChatPair.invite();
    const { connection, link } = await joinByHand(pair);
    connection.send(frame);
    const end = await pair.hosted.chat.ended;
    assert.equal(end.kind, "protocol");
    assert.ok(end.message.length > 10 && end.message.length < 300, end.message);
    await pair.hosted.close();
    await assert.rejects(Deno.connect({ hostname: "127.0.0.1", port: pair.hosted.port }));
    await link.rpc.closed;
  });
}

Deno.test("PeerChannel sends little to a friend's program that answers nothing, and still ends when it is told to", async () => {
  await using pair = await ChatPair.invite();
  let taken = 0;
  const { connection } = await joinByHand(pair, () => {
    taken += 1;
    return new Promise(() => {});
  });
  const { chat } = pair.hosted;
  const said = [...Array(100)].map(() => chat.say("x".repeat(10_000)));
  const outcomes = Promise.allSettled(said);
  await chat.bye();
  assert.deepEqual(new Set((await outcomes).map(({ status }) => status)), new Set(["rejected"]));
  assert.equal(chat.tally.linesUndelivered, 100);
  assert.ok(taken <= 24, `${taken} were sent`);
  connection.abort("the test is over");
});

for (
  const [when, isAccepting] of [["before it was accepted", false], ["after its first piece", true]] as const
) {
  Deno.test(`FileTransfers do not believe that a file is saved ${when}`, async () => {
    await using pair = await ChatPair.invite();
    const offered = Promise.withResolvers<string>();
    const began = Promise.withResolvers<void>();
    const { link } = await joinByHand(pair, (method, params) => {
      if (method === "file_offer") offered.resolve((params as { file: string }).file);
      if (method === "file_chunk") began.resolve();
      return {};
    });
    using folder = tempFolder();
    await Deno.writeFile(`${folder.path}/a.bin`, new Uint8Array(3_000_000));
    await pair.hosted.chat.files.offer(`${folder.path}/a.bin`);
    const file = await offered.promise;
    if (isAccepting) {
      await link.rpc.request("file_accept", { seq: 1, file, offset: 0 });
      await began.promise;
    }
    await assert.rejects(link.rpc.request("file_saved", { seq: isAccepting ? 2 : 1, file }));
    const end = await pair.hosted.chat.ended;
    assert.match(end.message, /a file that was not sent yet/);
    assert.equal(end.kind, "protocol");
    assert.equal(pair.hosted.chat.tally.filesSent, 0);
    assert.deepEqual(pair.atAna.shown.filter(({ kind }) => kind === "done"), []);
  });
}

Deno.test("FileTransfers end a chat in which files are offered without end and no answer is taken", async () => {
  await using pair = await ChatPair.invite();
  const { link } = await joinByHand(pair, () => new Promise(() => {}));
  const offers = [...Array(60).keys()].map((index) =>
    link.rpc.request("file_offer", {
      seq: index + 1,
      file: `f${index}`,
      name: "a",
      bytes: 3,
      sha256: "A".repeat(43),
    })
  );
  const outcomes = Promise.allSettled(offers);
  const end = await within(8_000, pair.hosted.chat.ended);
  assert.match(`${end?.kind}: ${end?.message}`, /protocol: .*offers files and hears no answer/);
  await outcomes;
});

Deno.test("HostedChat once played every round at once that a friend's program began", async () => {
  await using pair = await ChatPair.invite();
  const { ana } = pair;
  const onEvent = ana.onEvent.bind(ana); // a round listens for its punch
  let [playing, most] = [0, 0];
  ana.onEvent = (hear) => {
    most = Math.max(most, ++playing);
    const stop = onEvent(hear);
    return () => {
      playing -= 1;
      return stop();
    };
  };
  const { chatId } = pair.bob.events[0]!.content;
  await Promise.all([...Array(200)].map(() => pair.bob.request("join_chat", { chatId })));
  assert.equal(most, 1);
  await pair.join();
  await pair.joined.chat.say("in all the same");
});
