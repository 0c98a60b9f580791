import assert from "node:assert/strict";
import { Connection } from "../../lib/net/connection.ts";
import { CERTIFICATE_NAME, createEphemeralIdentity } from "../../lib/net/identity.ts";
import { Doorway } from "../../lib/peer/route/doorway.ts";
import { proveToHost, takeLink } from "../../lib/peer/link/joiner_link.ts";
import type { ChatTerms, LinkSecrets, PeerLink } from "../../lib/peer/link/peer_link.ts";
import { makeNonce, makeSecret } from "../../lib/peer/link/proof.ts";
import type { JoinedChat } from "../../lib/protocol/chat_messages.ts";
import { waitUntil } from "../helpers/wait_until.ts";
import { ChatPair } from "../helpers/chat_pair.ts";

/** TLS to a chat's port, with its certificate, as somebody who has seen both. */
async function callPort(port: number, certificatePem: string): Promise<Deno.TlsConn> {
  const tls = await Deno.startTls(await Deno.connect({ hostname: "127.0.0.1", port }), {
    hostname: CERTIFICATE_NAME,
    caCerts: [certificatePem],
  });
  await tls.handshake();
  return tls;
}

/** Reads until the other end hangs up; returns how many bytes came. */
async function readToEnd(stream: Deno.Conn): Promise<number> {
  const buffer = new Uint8Array(4096);
  let total = 0;
  try {
    for (let count = await stream.read(buffer); count !== null; count = await stream.read(buffer)) {
      total += count;
    }
  } catch {
    // A reset is an end too.
  }
  return total;
}

/** What a server tells about a chat: the worst case of a leak. */
async function leak(pair: ChatPair): Promise<JoinedChat> {
  const { chatId } = pair.bob.events[0]!.content;
  return await pair.bob.request("join_chat", { chatId });
}

function secretsOf(joined: JoinedChat): LinkSecrets {
  return {
    chatId: joined.chatId,
    certificatePem: joined.certificate,
    secret: joined.secret,
    channelKey: undefined,
  };
}

Deno.test("Doorway tells a stranger nothing, whatever is sent, and disturbs no chat", async () => {
  await using pair = await ChatPair.link({ host: { greetTimeoutMs: 300 } });
  const { port } = pair.hosted;
  const { certificate } = await leakCertificate(pair);
  const greet = JSON.stringify({
    jsonrpc: "2.0",
    id: 1,
    method: "greet",
    params: {
      protocol: 1,
      client: "x",
      chatId: pair.bob.events[0]!.content.chatId,
      isResume: false,
      commitment: "A".repeat(43),
      proof: "A".repeat(43),
    },
  });
  for (
    const sent of [
      "",
      "GET / HTTP/1.1\r\nHost: x\r\n\r\n",
      "{}\n",
      '{"jsonrpc":"2.0","id":1,"method":"ping"}\n',
      `${greet}\n`,
      `${greet.replace('"isResume":false', '"isResume":true')}\n`,
      `${greet}\n${greet}\n`,
      "\xff\xfe\n",
    ]
  ) {
    const stranger = await callPort(port, certificate);
    if (sent !== "") await stranger.write(Uint8Array.from(sent, (letter) => letter.charCodeAt(0)));
    assert.equal(await readToEnd(stranger), 0, JSON.stringify(sent));
    stranger.close();
  }
  const plain = await Deno.connect({ hostname: "127.0.0.1", port });
  await plain.write(new TextEncoder().encode("hello?\n"));
  assert.ok(await readToEnd(plain) < 50, "a TLS alert at most");
  plain.close();
  await pair.joined.chat.say("undisturbed");
  assert.deepEqual(pair.atAna.lines, ["undisturbed"]);
  assert.equal(pair.atBob.shown.filter(({ kind }) => kind === "lost").length, 0);
});

Deno.test("Doorway puts out a stranger who sends a line of a gigabyte after the first frame's worth", async () => {
  await using pair = await ChatPair.invite();
  const { certificate } = await leakCertificate(pair);
  const stranger = await callPort(pair.hosted.port, certificate);
  const piece = new Uint8Array(64 * 1024).fill(0x61);
  let sent = 0;
  try {
    while (sent < 1_000_000_000) sent += await stranger.write(piece);
  } catch {
    // Hung up on, as it should be.
  }
  // What the kernels of both ends hold on the way is not the program's.
  assert.ok(sent < 30_000_000, `${sent} bytes were taken`);
  stranger.close();
  assert.equal((await pair.join()).route.startsWith("direct"), true);
});

Deno.test("Doorway holds a bounded number of strangers, and the friend still gets in", async () => {
  await using pair = await ChatPair.invite({
    host: { greetTimeoutMs: 2_000 },
    joiner: { relayAfterMs: 0 },
  });
  const { port } = pair.hosted;
  const strangers = await Promise.all(
    [...Array(60).keys()].map(() => Deno.connect({ hostname: "127.0.0.1", port }).catch(() => null)),
  );
  const { chat } = await pair.join();
  await chat.say("through the crowd");
  assert.deepEqual(pair.atAna.lines, ["through the crowd"]);
  for (const stranger of strangers) {
    stranger?.closeWrite().catch(() => {});
    stranger?.close();
  }
});

Deno.test("A joiner who knows the secret of an ended or running chat gets nowhere", async () => {
  await using pair = await ChatPair.link();
  const joined = await leak(pair);
  const tls = await callPort(pair.hosted.port, joined.certificate);
  const proven = await proveToHost(new Connection(tls), secretsOf(joined));
  await assert.rejects(takeLink(proven, "direct, LAN", 0), /begun already/);
  const again = await proveToHost(
    new Connection(await callPort(pair.hosted.port, joined.certificate)),
    secretsOf(joined),
  );
  await assert.rejects(takeLink(again, "direct, LAN", 0, makeNonce()), /does not belong to this chat|closed/);
  await pair.joined.chat.say("still the two of us");
  assert.deepEqual(pair.atAna.lines, ["still the two of us"]);
});

Deno.test("takeLink() puts a link in use that was proven before the chat began on another one", async () => {
  await using pair = await ChatPair.invite();
  const joined = await pair.bob.request("join_chat", { chatId: pair.bob.events[0]!.content.chatId });
  const prove = async () =>
    await proveToHost(
      new Connection(await callPort(pair.hosted.port, joined.certificate)),
      secretsOf(joined),
    );
  const [first, second] = await Promise.all([prove(), prove()]);
  const { link, terms } = await takeLink(first, "relayed", 0);
  link.serve(() => ({}));
  const better = await takeLink(second, "direct, LAN", 0, terms!.channelKey);
  assert.equal(better.terms, undefined);
  better.link.serve(() => ({}));
  await link.rpc.closed;
  await pair.hosted.chat.say("over the better one");
  await better.link.rpc.close("the test is over");
});

Deno.test("proveToHost() trusts nobody who has the certificate's name but not the secret", async () => {
  const identity = await createEphemeralIdentity();
  const chatId = crypto.randomUUID();
  const [right, wrong] = [makeSecret(), makeSecret()];
  const secrets = (secret: string): LinkSecrets => ({
    chatId,
    certificatePem: identity.certificatePem,
    secret,
    channelKey: undefined,
  });
  await using doorway = new Doorway({
    port: 0,
    identity,
    taker: { secretsOf: () => secrets(wrong), onLink: () => 0 },
  });
  const tls = await callPort(doorway.port, identity.certificatePem);
  await assert.rejects(proveToHost(new Connection(tls), secrets(right)));
});

Deno.test("A server that puts itself in between with a key of its own makes the two codes differ", async () => {
  // The lying server: it knows the secret, shows bob its own certificate, and plays bob towards ana.
  const own = await createEphemeralIdentity();
  const liar: { joined?: JoinedChat; terms?: ChatTerms; link?: PeerLink } = {};
  await using doorway = new Doorway({
    port: 0,
    identity: own,
    taker: {
      secretsOf: () => ({ ...secretsOf(liar.joined!), certificatePem: own.certificatePem }),
      onLink: (link, terms) => {
        liar.link = link;
        if (terms) liar.terms = terms;
        return 0;
      },
    },
  });
  await using pair = await ChatPair.invite({
    server: {
      onParams: (method, params) =>
        method === "offer_punch" ? { ...params as object, endpoints: [] } : params,
      onResult: (method, result) => {
        if (method !== "join_chat") return result;
        liar.joined = result as JoinedChat;
        const places: JoinedChat["places"] = [{ address: "127.0.0.1", port: doorway.port, kind: "own" }];
        return { ...liar.joined, certificate: own.certificatePem, places };
      },
    },
  });
  const joining = pair.join();
  joining.catch(() => {});
  await waitUntil("bob has linked to the liar", () => Promise.resolve(liar.link !== undefined));
  const tls = await callPort(pair.hosted.port, liar.joined!.certificate);
  const towardsAna = await proveToHost(new Connection(tls), secretsOf(liar.joined!));
  const { link, terms } = await takeLink(towardsAna, "direct, LAN", 0);
  liar.link!.serve((method, params) => link.rpc.request(method, params));
  link.serve((method, params) => liar.link!.rpc.request(method, params));
  const { chat } = await joining;
  await chat.say("is that you, ana?");
  assert.deepEqual(pair.atAna.lines, ["is that you, ana?"], "the lie works so far");
  const [codeAtAna, codeAtBob] = [pair.hosted.chat.terms!.code, chat.terms!.code];
  assert.notEqual(codeAtAna, codeAtBob);
  assert.equal(codeAtAna, terms!.code, "the liar sees both codes, and can change neither");
  assert.equal(codeAtBob, liar.terms!.code);
});

/** The certificate that anybody gets by a handshake; here the easy way. */
async function leakCertificate(pair: ChatPair): Promise<{ certificate: string }> {
  return await leak(pair);
}
