import assert from "node:assert/strict";
import { join } from "node:path";
import type { Figures } from "../../lib/server/live/figures.ts";
import { connectAs } from "../helpers/accounts.ts";
import { runServer, serverCommand, startServer } from "../helpers/mini_chat.ts";
import { testWith } from "../helpers/needs.ts";
import { Program } from "../helpers/program.ts";
import { tempFolder } from "../helpers/temp_folder.ts";
import { waitUntil } from "../helpers/wait_until.ts";
import { Wire } from "../helpers/wire.ts";
import { askServer } from "../../lib/server/live/control.ts";
import { within } from "../../lib/waiting.ts";

async function statusOf(data: string): Promise<Figures> {
  const { code, stdout, stderr } = await runServer(["status", "--json", "--data", data]);
  assert.equal(code, 0, stderr);
  return JSON.parse(stdout);
}

testWith(["unix"], "status tells what a server with known traffic does, and no name of anybody", async () => {
  using folder = tempFolder();
  const data = join(folder.path, "data");
  const nobody = await runServer(["status", "--data", data]);
  assert.equal(nobody.code, 1);
  assert.match(nobody.stderr, /^Cannot find a server that runs on data folder .+: start it, .+--data DIR\n$/);

  await using server = await startServer({ data });
  await using ana = await connectAs(server, "ana");
  await using _bob = await connectAs(server, "bob");
  await using guest = await Wire.greet(server.port);
  for (let index = 0; index < 20; index++) {
    await ana.ask("send_message", { id: crypto.randomUUID(), to: "bob", text: "four" });
  }
  assert.equal(await guest.refused("login", { name: "ana", password: "wrong password" }), "unauthenticated");

  const { survey, ...figures } = await statusOf(data);
  assert.deepEqual([figures.people, figures.connections], [2, 3]);
  assert.deepEqual([figures.messages, figures.logins, figures.refusedLogins], [20, 2, 1]);
  assert.ok(figures.messagesPerSecond > 0 && figures.messagesPerSecond <= 20);
  assert.ok(figures.commits >= 20 && figures.lastCommitMs! > 0 && figures.commitMs >= figures.lastCommitMs!);
  assert.ok(figures.diskFreeBytes! > 0 && figures.memoryBytes > 0 && figures.databaseLogBytes! > 0);
  assert.deepEqual([survey!.messages, survey!.unreadMessages, survey!.textBytes], [20, 20, 80]);
  assert.ok(survey!.oldestUnreadAt! <= survey!.newestStoredAt! && survey!.newestStoredAt! <= figures.now);

  const { stdout } = await runServer(["status", "--data", data]);
  assert.match(stdout, /^Mini-Chat server .+, up \d+ s\n/);
  assert.match(stdout, /People online +2, on 3 connections\n/);
  assert.match(stdout, /Oldest unread +waits for \d+ s, of 20\n/);
  for (const line of stdout.split("\n")) assert.ok(line.length <= 80, line);
  assert.doesNotMatch(stdout + JSON.stringify(figures), /ana|bob|127\.0\.0\.1/);
});

testWith(
  ["unix"],
  "status --watch goes on over a kill and a restart; the socket is its owner's, and goes with a clean stop",
  async () => {
    using folder = tempFolder();
    const data = folder.path;
    const socket = join(data, "server.sock");
    const { command, args } = serverCommand();
    await using server = await startServer({ data });
    await using watcher = new Program(command, [...args, "status", "--watch", "--data", data]);
    await watcher.waitForLine(/^\S+Z {2}0 online {2}0 connections {2}/);
    await server.program.kill();
    await watcher.waitForLine(/^Cannot find a server that runs on /);
    assert.ok((await Deno.stat(socket)).isSocket, "left behind");
    await using again = await startServer({ data });
    await watcher.waitForLine(/^\S+Z {2}0 online/);
    assert.equal((await Deno.stat(socket)).mode! & 0o777, 0o600);
    watcher.signal("SIGINT");
    assert.equal((await watcher.waitForExit()).signal, "SIGINT");
    assert.equal(await again.stop(), 0);
    await assert.rejects(Deno.stat(socket), Deno.errors.NotFound);
  },
);

testWith(
  ["unix"],
  "a data folder whose path is too long for a socket: the server says so and serves",
  async () => {
    using folder = tempFolder();
    const data = join(folder.path, "d".repeat(120));
    await using server = await startServer({ data });
    assert.match(server.program.stderr, /no control socket.+too long for a socket/);
    const { code, stderr } = await runServer(["status", "--data", data]);
    assert.equal(code, 1);
    assert.match(stderr, /^Cannot ask the running server: .+too long for a socket; .+--data \.,/);
    assert.equal((await runServer(["healthcheck", "--data", data])).code, 0);
    // From inside the folder its own name is short.
    assert.equal(await server.stop(), 0);
    await using near = await startServer({ data: ".", cwd: data });
    await using _guest = await Wire.greet(near.port);
    const seen = await runServer(["status", "--data", "."], { cwd: data });
    assert.equal(seen.code, 0, near.program.stderr);
    assert.match(seen.stdout, /People online +0, on 1 connection\n/);
  },
);

testWith(["linux"], "status is answered again after no file was left for the one who asked", async () => {
  using folder = tempFolder();
  await using server = await startServer({
    data: folder.path,
    wrapper: ["sh", "-c", 'ulimit -n 128; exec "$@"', "sh"],
  });
  const answers = () => askServer(folder.path, "status").then(() => true, () => false);
  const guests: Wire[] = [];
  await waitUntil("nobody is answered", async () => {
    const guest = await within(1_000, Wire.connect(server.port).catch(() => undefined));
    if (guest) guests.push(guest);
    return !await answers();
  });
  for (const guest of guests) await guest[Symbol.asyncDispose]();
  await waitUntil("somebody is answered again", answers, 30_000);
  assert.equal(await server.stop(), 0);
});
