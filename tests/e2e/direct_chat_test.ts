import assert from "node:assert/strict";
import { join } from "node:path";
import { startClient, startServer, type TestServer } from "../helpers/mini_chat.ts";
import { Person } from "../helpers/person.ts";
import type { Program } from "../helpers/program.ts";
import { tempFolder } from "../helpers/temp_folder.ts";

/** A server with ana, bob and carol, and a client for each to start. */
class Place implements AsyncDisposable {
  readonly folder: string;
  readonly server: TestServer;
  readonly #dispose: () => void;
  readonly #started: Program[] = []; // since a step last ended

  private constructor(folder: ReturnType<typeof tempFolder>, server: TestServer) {
    this.folder = folder.path;
    this.server = server;
    this.#dispose = () => folder[Symbol.dispose]();
  }

  static async open(): Promise<Place> {
    const folder = tempFolder();
    const server = await startServer({ data: join(folder.path, "data") });
    const place = new Place(folder, server);
    for (const name of ["ana", "bob", "carol"]) await new Person(name, folder.path).settleIn(server);
    return place;
  }

  start(name: string, ...args: string[]): Program {
    const program = startClient([...this.#profile(name), ...args], {
      name,
      env: { XDG_DOWNLOAD_DIR: join(this.folder, "saved") },
    });
    this.#started.push(program);
    return program;
  }

  /** Ends, when disposed of, every program that was started and still runs. */
  endWhatStarts(): AsyncDisposable {
    return {
      [Symbol.asyncDispose]: async () => {
        await Promise.all(this.#started.splice(0).map((program) => program.kill()));
      },
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.server[Symbol.asyncDispose]();
    this.#dispose();
  }

  #profile(name: string): string[] {
    return ["--profile", new Person(name, this.folder).profile];
  }
}

Deno.test("direct chat, with the real programs", async (context) => {
  await using place = await Place.open();
  await context.step("says what is wrong in one sentence, with an exit code", () => showRefusals(place));
  await context.step("says when a port needs rights that this user has not", () => takeLowPort(place));
  await context.step(
    "tells of invitations at the menu, announces third persons, and goes on",
    () => chatAtMenu(place),
  );
  /** A step whose programs are gone when it is over, failed or not: a chat that went on would meet those of the next step. */
  const step = (name: string, run: () => Promise<void>) =>
    context.step(name, async () => {
      await using _ = place.endWhatStarts();
      await run();
    });
  async function begin(): Promise<{ ana: Program; bob: Program; port: number }> {
    const ana = place.start("ana", "chat", "host", "bob");
    const [, port] = await ana.waitForLine(/Listening on port (\d+)/);
    const bob = place.start("bob", "chat", "join", "ana", "--port", port!);
    await bob.waitForLine(/Chatting with ana: direct, LAN after \d/);
    await ana.waitForLine(/Chatting with bob: direct, LAN/);
    await bob.waitForLine(/bye ends the chat/);
    return { ana, bob, port: Number(port) };
  }
  async function ends(program: Program, words: RegExp): Promise<void> {
    await program.waitForLine(words);
    assert.equal((await program.waitForExit()).code, 0);
  }
  await step("bye", async () => {
    const { ana, bob, port } = await begin();
    await ana.writeLine("hello bob");
    await bob.waitForLine(/ana: hello bob/);
    await ana.waitForLine(/✓ bob has it/);
    await bob.writeLine("bye");
    await ends(ana, /bob said goodbye\. .*1 line sent, 0 received/);
    await ends(bob, /You said goodbye\. .*0 lines sent, 1 received/);
    await assert.rejects(Deno.connect({ hostname: "127.0.0.1", port }), Deno.errors.ConnectionRefused);
  });
  await step("messages that arrive meanwhile are not among its lines", async () => {
    const ana = place.start("ana", "chat", "host", "bob");
    await ana.waitForLine(/Waiting for bob/);
    await new Person("carol", place.folder).must(["send", "ana", "psst"]);
    const bob = place.start("bob", "chat", "join", "ana");
    await bob.writeLine("hello ana");
    await ana.waitForLine(/bob: hello ana/);
    assert.doesNotMatch(ana.transcript, /psst/, "a preview was once printed");
    await ana.writeLine("bye");
    await ends(ana, /You said goodbye/);
    assert.deepEqual(await new Person("ana", place.folder).inbox(), ["psst"]);
  });
  if (Deno.build.os === "windows") return;
  await step("Ctrl+C before it has begun", async () => {
    const ana = place.start("ana", "chat", "host", "bob");
    await ana.waitForLine(/Waiting for bob/);
    ana.signal("SIGINT");
    await ana.waitForLine(/The invitation is taken back/);
    assert.equal((await ana.waitForExit()).code, 130, "once 0, as if a chat had been had");
  });
  for (const [signal, words] of [["SIGINT", /said goodbye/], ["SIGTERM", /said goodbye/]] as const) {
    await step(signal, async () => {
      const { ana, bob } = await begin();
      ana.signal(signal);
      await ends(bob, words);
      await ana.waitForExit();
    });
  }
  await step("SIGKILL, and a new chat afterwards", async () => {
    const { ana, bob } = await begin();
    await ana.kill();
    await bob.waitForLine(/Connection to ana lost: .*Looking for a way back for 1 min 30 s/);
    await bob.writeLine("are you there?");
    await bob.writeLine("bye");
    await bob.waitForLine(/✗ Not delivered: bob: are you there\?/);
    await bob.waitForLine(/You said goodbye\. .* 0 lines sent, 1 not delivered, 0 received/);
    assert.equal((await bob.waitForExit()).code, 5);
    assert.match(bob.stderr, /ended before 1 line had reached your friend/);
    const again = await begin();
    await again.bob.closeInput();
    await ends(again.bob, /You said goodbye/);
    await ends(again.ana, /bob said goodbye/);
  });
});

async function showRefusals(place: Place): Promise<void> {
  using taken = Deno.listen({ hostname: "0.0.0.0", port: 0 });
  const cases = [
    [["chat", "host", "bob", "--port", String(taken.addr.port)], /another program already does/, 2],
    [["chat", "host", "bob", "--port", "70000"], /must be a number from 1 to 65535/, 2],
    [["chat", "host", "bob", "--port", "http"], /must be a number/, 2],
    [["chat", "host"], /name a friend/, 2],
    [["chat", "host", "ana"], /with yourself/, 1],
    [["chat", "host", "nobody"], /no user nobody/, 1],
    [["chat", "join"], /nobody has a chat open for you/, 2],
    [["chat", "join", "bob"], /bob has no chat open for you/, 2],
  ] as const;
  await Promise.all(cases.map(async ([args, words, code]) => {
    await using ana = place.start("ana", ...args);
    assert.equal((await ana.waitForExit()).code, code, args.join(" "));
    assert.match(ana.stderr, words);
    assert.equal(ana.stderr.trim().split("\n").length, 1, ana.stderr);
  }));
}

async function takeLowPort(place: Place): Promise<void> {
  if (Deno.build.os === "windows") return;
  await using ana = place.start("ana", "chat", "host", "bob", "--port", "81");
  const [words] = await ana.waitForText(/Listening on port 81|ports below 1024 are often reserved/);
  if (words.startsWith("Listening")) {
    ana.signal("SIGINT");
    await ana.waitForLine(/invitation is taken back/);
  }
  await ana.waitForExit();
}

async function chatAtMenu(place: Place): Promise<void> {
  await using ana = place.start("ana", `127.0.0.1:${place.server.port}`);
  await ana.waitForLine(/No new messages/);
  await ana.writeLine("host bob");
  await ana.waitForLine(/bob is not here now/);
  await using bob = place.start("bob", `127.0.0.1:${place.server.port}`);
  await bob.waitForLine(/ana invites you to a direct chat/);
  await bob.writeLine("5");
  await bob.waitForLine(/Chatting with ana/);
  await new Person("carol", place.folder).must(["send", "bob", "hello from carol"]);
  await bob.waitForLine(/\* carol: hello from carol/);
  await bob.writeLine("//slash");
  await ana.waitForLine(/bob: \/slash/);
  await ana.writeLine("bye");
  await bob.waitForLine(/ana said goodbye/);
  await ana.waitForLine(/You said goodbye/);
  await bob.writeLine("3");
  await bob.waitForLine(/hello from carol/);
  for (const program of [ana, bob]) {
    await program.writeLine("7");
    assert.equal((await program.waitForExit()).code, 0);
  }
}
