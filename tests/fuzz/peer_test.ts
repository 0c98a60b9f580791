import assert from "node:assert/strict";
import { join, parse } from "node:path";
import fc from "fast-check";
import { Connection } from "../../lib/net/connection.ts";
import { DirectChat } from "../../lib/peer/direct_chat.ts";
import { safeFileName } from "../../lib/peer/files/file_names.ts";
import { awaitLink } from "../../lib/peer/link/host_link.ts";
import type { LinkSecrets } from "../../lib/peer/link/peer_link.ts";
import { commitTo, makeNonce, makeSecret, proveAsJoiner } from "../../lib/peer/link/proof.ts";
import { parsePeerMessage, PEER_REQUESTS, type PeerMethod } from "../../lib/protocol/peer_messages.ts";
import { openTcpPair, testIdentity } from "../helpers/socket_pair.ts";
import { tempFolder } from "../helpers/temp_folder.ts";
import { fuzzTest, hostileJson, hostileText } from "./fuzz.ts";
import { mutated, withField } from "./request_samples.ts";

const FILE = "f1";
const SHA256 = "A".repeat(43);

const SAMPLES: Record<PeerMethod, Record<string, unknown>> = {
  line: { text: "hello" },
  skip: {},
  bye: {},
  file_offer: { file: FILE, name: "a.txt", bytes: 5, sha256: SHA256 },
  file_accept: { file: FILE, offset: 0 },
  file_chunk: { file: FILE, data: "aGVsbG8=" },
  file_saved: { file: FILE },
  file_failed: { file: FILE, reason: "cancelled" },
};

const methods = Object.keys(PEER_REQUESTS) as PeerMethod[];

const hostileNames = fc.oneof(
  fc.constantFrom(
    "../../escaped",
    "/etc/passwd",
    "..\\..\\escaped",
    "C:\\x",
    "a\u0000b",
    "..",
    ".",
    "~/.profile",
    ".bashrc",
    "con",
    "a/../../escaped",
    "\u202egnp.exe",
    "x".repeat(255),
    "\u00e9".repeat(255),
  ),
  hostileText.filter((name) => name.length > 0).map((name) => name.slice(0, 255)),
);

/** What a friend who means harm says, one after the other, with the right `seq` unless it is part of the harm. */
const speech = fc.array(
  fc.oneof(
    fc.constantFrom(...methods).chain((method) =>
      mutated(SAMPLES[method]).map((params) => ({ method: method as string, params }))
    ),
    hostileNames.map((name) => ({
      method: "file_offer",
      params: withField(SAMPLES.file_offer, "name", name),
    })),
    fc.constantFrom("file_offer", "file_chunk", "line").map((method) => ({
      method,
      params: SAMPLES[method as PeerMethod] as unknown,
    })),
    fc.record({
      method: fc.oneof(fc.string(), fc.constantFrom("__proto__", "take", "greet")),
      params: hostileJson,
    }),
  ),
  { minLength: 1, maxLength: 12 },
);

fuzzTest(
  "parsePeerMessage() knows its messages, and nothing else",
  fc.property(
    fc.oneof(fc.constantFrom<string>(...methods, "__proto__", "toString"), fc.string()),
    hostileJson,
    (method, params) => {
      const message = parsePeerMessage(method, params);
      if (message !== null) assert.ok(Object.hasOwn(PEER_REQUESTS, message.method));
    },
  ),
  1_000,
);

fuzzTest(
  "safeFileName() is one harmless name, and the same when taken twice",
  fc.property(hostileNames, (offered) => {
    const name = safeFileName(offered);
    assert.doesNotMatch(name, /[/\\<>:"|?*\p{Cc}\p{Cf}]/u);
    assert.doesNotMatch(name, /^\.|[. ]$|^$/);
    assert.ok(new TextEncoder().encode(name).length <= 200);
    assert.deepEqual(parse(join("folder", name)), { ...parse(name), dir: "folder" });
    assert.equal(safeFileName(name), name);
  }),
  2_000,
);

fuzzTest(
  "a caller without the secret gets not one byte, whatever it sends",
  fc.asyncProperty(
    fc.oneof(fc.uint8Array({ minLength: 1, maxLength: 200 }), hostileGreetings()),
    async (bytes) => {
      const [near, far] = await openTcpPair();
      const attempt = awaitLink(new Connection(near), {
        secretsOf: () => secrets,
        onLink: () => {
          throw new Error("a stranger got a link");
        },
      }, 200);
      // Not a TLS socket, so that each case is quick; what is under test begins behind TLS.
      await far.write(bytes);
      await far.closeWrite();
      const answer = await far.read(new Uint8Array(100)).catch(() => null);
      assert.equal(answer, null);
      assert.equal(await attempt, false);
      far.close();
    },
  ),
  60,
);

fuzzTest(
  "a friend who means harm ends the chat at most, and writes no file outside the download folder",
  fc.asyncProperty(speech, fc.boolean(), async (messages, isAccepting) => {
    using folder = tempFolder();
    const downloadFolder = join(folder.path, "downloads");
    await using attacker = await Attacker.link(downloadFolder, isAccepting);
    await attacker.say(messages);
    const names = (await Array.fromAsync(Deno.readDir(folder.path))).map(({ name }) => name);
    assert.deepEqual(names.filter((name) => name !== "downloads"), []);
  }),
  60,
);

const secrets: LinkSecrets = {
  chatId: "01920000-0000-7000-8000-000000000001",
  certificatePem: (await testIdentity()).certificatePem,
  secret: makeSecret(),
  channelKey: undefined,
};

function hostileGreetings(): fc.Arbitrary<Uint8Array> {
  const greet = {
    protocol: 1,
    client: "fuzz",
    chatId: "01920000-0000-7000-8000-000000000001",
    isResume: false,
    commitment: SHA256,
    proof: SHA256,
  };
  return mutated(greet).map((params) =>
    new TextEncoder().encode(JSON.stringify({ jsonrpc: "2.0", id: 1, method: "greet", params }) + "\n")
  );
}

/** The other end of a real chat: it has the secret, and says what it likes. */
class Attacker implements AsyncDisposable {
  readonly #connection: Connection;
  readonly #chat: DirectChat;
  readonly #reading: Promise<void>;
  #seq = 0;

  private constructor(connection: Connection, chat: DirectChat) {
    this.#connection = connection;
    this.#chat = chat;
    this.#reading = this.#read();
  }

  static async link(downloadFolder: string, isAccepting: boolean): Promise<Attacker> {
    const [near, far] = await openTcpPair();
    const chat: DirectChat = new DirectChat({
      onLine: () => {},
      onLinked: () => {},
      onLost: () => {},
      onFileOffered: () => {
        if (isAccepting) chat.files.accept().catch(() => {});
      },
      onFileProgress: () => {},
      onFileDone: () => {},
      onFileFailed: () => {},
    }, {
      friend: "mallory",
      downloadFolder,
      comeBackWithinMs: 50,
      rendezvous: { checkConnection: () => {} },
    });
    const linked = Promise.withResolvers<void>();
    const awaiting = awaitLink(new Connection(near), {
      secretsOf: () => secrets,
      onLink: (link) => {
        queueMicrotask(() => {
          chat.channel.attach(link);
          linked.resolve();
        });
        return 0;
      },
    });
    const connection = new Connection(far);
    const nonce = makeNonce();
    const commitment = commitTo(nonce);
    const proof = proveAsJoiner({ ...secrets, key: secrets.secret }, commitment);
    const { chatId } = secrets;
    const greet = { protocol: 1, client: "fuzz", chatId, isResume: false, commitment, proof };
    connection.send(JSON.stringify({ jsonrpc: "2.0", id: "g", method: "greet", params: greet }) + "\n");
    assert.equal(await awaiting, true);
    await connection.readLines();
    const take = { nonce, route: "direct, LAN", received: 0 };
    connection.send(JSON.stringify({ jsonrpc: "2.0", id: "t", method: "take", params: take }) + "\n");
    await linked.promise;
    return new Attacker(connection, chat);
  }

  /** Says it all, and waits until the other side has taken it or hung up. */
  async say(messages: readonly { method: string; params: unknown }[]): Promise<void> {
    for (const { method, params } of messages) {
      const isPlain = typeof params === "object" && params !== null && !Array.isArray(params);
      const content = isPlain ? { seq: ++this.#seq, ...params } : params;
      this.#connection.send(JSON.stringify({ jsonrpc: "2.0", id: method, method, params: content }) + "\n");
      // Lets an offer be accepted before the next piece comes, as it would be over a network.
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
    this.#connection.send('{"jsonrpc":"2.0","id":"end","method":"ping"}\n');
    await this.#reading;
  }

  async #read(): Promise<void> {
    for (let lines = await this.#connection.readLines(); lines; lines = await this.#connection.readLines()) {
      if (lines.some((line) => line.includes('"id":"end"'))) return;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#connection.abort();
    await this.#chat.bye();
    await this.#chat.ended;
    await this.#connection.released;
  }
}
