/**
 * `deno task demo`: a real server and two real clients, driven through their own input and output, through every option.
 *
 * Each step waits for what the programs themselves print, and the demo fails loudly when that does not come. Everything lives in a
 * temporary folder and on loopback.
 * @module
 */
import assert from "node:assert/strict";
import { join } from "node:path";
import { runClient, runServer, startClient, startServer, type TestServer } from "../helpers/mini_chat.ts";
import type { Program } from "../helpers/program.ts";
import { tempFolder } from "../helpers/temp_folder.ts";
import { playChatScene } from "./chat_scene.ts";
import { playMailScene } from "./mail_scene.ts";
import { Actor, scene, tell } from "./story.ts";

const PASSWORD = "correct horse battery";

/** The stage: folders of the server and of two people, and the server's port, which stays the same when it restarts. */
class Stage implements AsyncDisposable {
  readonly folder: string;
  server!: TestServer;
  readonly #clients: Program[] = [];

  constructor(folder: string) {
    this.folder = folder;
  }

  profileOf(name: string): string {
    return join(this.folder, name);
  }

  get data(): string {
    return join(this.folder, "data");
  }

  async startServer(): Promise<void> {
    const port = this.server?.port;
    this.server = await startServer({
      data: this.data,
      args: ["--log-level", "warning"],
      ...(port === undefined ? {} : { port }),
    });
  }

  /** Starts somebody's client; `where` is the invite link on the first visit. */
  startClient(name: string, where?: string): Actor {
    const args = ["--profile", this.profileOf(name), ...(where === undefined ? [] : [where])];
    const client = startClient(args, { name });
    this.#clients.push(client);
    return new Actor(name, client);
  }

  /** Runs a subcommand as somebody, and returns what it printed. */
  async script(name: string, args: readonly string[], input?: string): Promise<string> {
    tell(
      `  ${"shell".padEnd(7)}| ${input === undefined ? "" : `printf '${input}' | `}mini-chat-client ${
        args.join(" ")
      }`,
    );
    const options = input === undefined ? {} : { input };
    const { code, stdout, stderr } = await runClient(["--profile", this.profileOf(name), ...args], options);
    assert.equal(code, 0, stderr);
    for (const line of stdout.split("\n").filter(Boolean)) tell(`  ${"shell".padEnd(7)}| ${line}`);
    return stdout;
  }

  /** Ends whatever still runs, so that its files can be removed. */
  async [Symbol.asyncDispose](): Promise<void> {
    const programs = [...this.#clients, ...this.server ? [this.server.program] : []];
    await Promise.all(programs.map((program) => program.kill()));
  }
}

async function register(stage: Stage, name: string): Promise<Actor> {
  const actor = stage.startClient(name, stage.server.inviteLink);
  await actor.prints(/Name: /);
  await actor.types(name);
  await actor.prints(/Password: /);
  await actor.types(PASSWORD);
  await actor.prints(/Make a new account/);
  await actor.types("y");
  await actor.prints(/Connected to .* as /);
  return actor;
}

async function comeBack(stage: Stage, name: string): Promise<Actor> {
  const actor = stage.startClient(name);
  await actor.prints(/disconnect/);
  await actor.types("0");
  await actor.prints(/Connected to .* as /);
  return actor;
}

/** Types a line again until what it asks for is so: the server hears of a killed program a moment later. */
async function until(actor: Actor, line: string, pattern: RegExp, wanted: string): Promise<void> {
  for (let tries = 0; tries < 50; tries++) {
    await actor.types(line);
    const [, seen] = await actor.prints(pattern);
    if (seen === wanted) return;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  throw new Error(`After ${line} was typed 50 times nobody is ${wanted}`);
}

async function tellStory(stage: Stage): Promise<void> {
  scene("A server starts: its own key, its own database, an invite link");
  await stage.startServer();
  tell(`  server | ${stage.server.inviteLink}`);

  scene("Ana and Bob join with the link: trust, name, password (0, connect)");
  const ana = await register(stage, "ana");
  let bob = await register(stage, "bob");

  scene("Who is there? (1, users)");
  await ana.types("1");
  await ana.prints(/bob\s+online/);
  await ana.prints(/2 users/);

  scene("A message with quotes, emoji and two alphabets (2, send), and its way to Bob (3, inbox)");
  await ana.types('send bob Привет, "мир"! 👋 & <b>');
  await ana.prints(/Sent: it is in bob's mailbox/);
  await bob.prints(/ana: Привет, "мир"! 👋 & <b>/);
  await ana.prints(/bob has received your message/);
  await bob.types("3");
  await bob.prints(/ Привет, "мир"! 👋 & <b>\n/);
  await bob.prints(/1 message\n.*bob> /s);

  scene("Bob's client is killed. The list tells the truth, his mailbox goes on, and he is back in at once");
  await bob.isKilled();
  await until(ana, "1", /bob\s+(online|last seen just now)/, "last seen just now");
  await ana.types("2");
  await ana.prints(/To: /);
  await ana.types("bob");
  await ana.prints(/Text: /);
  await ana.types("You were gone; this waited for you");
  await ana.prints(/Sent: it is in bob's mailbox/);
  bob = await comeBack(stage, "bob");
  await bob.prints(/1 new message/);
  await bob.types("inbox");
  await bob.prints(/ this waited for you/);

  scene("The server is killed. What Ana writes meanwhile is kept on her disk, and goes out once");
  await stage.server.program.kill();
  tell("  server | (killed)");
  await ana.prints(/Reconnecting; anything you write now is saved/);
  await ana.types("send bob Written while there was no server");
  await ana.prints(/Queued for bob/);
  await stage.startServer();
  tell("  server | (started again, same data)");
  await ana.prints(/Sent: your queued message to bob/);
  await bob.prints(/ana: Written while there was no server/);
  await bob.types("3");
  await bob.prints(/ Written while there was no server\n/);

  scene("Wrong input gets a sentence, and nothing else happens");
  await ana.types("send nobody hello");
  await ana.prints(/Cannot .*nobody/);
  await ana.types("dance");
  await ana.prints(/There is no command dance/);

  await playChatScene(ana, bob);
  await playMailScene(stage.folder, ana, bob);

  scene("Both leave (7, disconnect)");
  await ana.types("7");
  await ana.prints(/Goodbye/);
  await ana.ends(0);
  await bob.types("7");
  await bob.ends(0);

  scene("Everything is a subcommand too, for scripts");
  await stage.script("ana", ["send", "bob", "-"], "backup done");
  const inbox = await stage.script("bob", ["inbox", "--json"]);
  assert.equal(JSON.parse(inbox).text, "backup done");
  const history = await stage.script("ana", ["history", "bob", "--json"]);
  const texts = history.trim().split("\n").map((line) => JSON.parse(line).text as string);
  assert.deepEqual(texts, [
    'Привет, "мир"! 👋 & <b>',
    "You were gone; this waited for you",
    "Written while there was no server",
    "backup done",
  ]);
  tell("  Four messages, each once and in order, through two kills.");

  scene("The server stops cleanly, and its database is not damaged");
  const startedAt = performance.now();
  assert.equal(await stage.server.stop(), 0);
  assert.ok(performance.now() - startedAt < 5_000);
  const check = await runServer(["check", "--data", stage.data]);
  assert.equal(check.code, 0, check.stderr);
  assert.match(check.stdout, /messages: 4\n/);
  tell("  server | stopped with exit code 0; check: 4 messages, the database is not damaged");
}

const startedAt = performance.now();
{
  using folder = tempFolder("mini-chat-demo-");
  await using stage = new Stage(folder.path);
  await tellStory(stage);
}
tell(`\nEverything above really happened, in ${((performance.now() - startedAt) / 1000).toFixed(1)} s.`);
Deno.exit(0);
