/**
 * What an operator does about people who misbehave, with the real programs on both sides.
 * @module
 */
import assert from "node:assert/strict";
import { joinCodeOf, PASSWORD } from "../helpers/accounts.ts";
import { runServer, startServer } from "../helpers/mini_chat.ts";
import { Person } from "../helpers/person.ts";
import { tempFolder } from "../helpers/temp_folder.ts";
import { waitUntil } from "../helpers/wait_until.ts";
import { Wire } from "../helpers/wire.ts";

/** Runs a subcommand of the server that has to succeed, and returns what it prints. */
async function operate(data: string, ...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await runServer([...args, "--data", data]);
  assert.equal(code, 0, stderr);
  return stdout;
}

/** Runs one that has to be refused, and returns the words. */
async function refusedTo(data: string, ...args: string[]): Promise<string> {
  const { code, stderr } = await runServer([...args, "--data", data]);
  assert.notEqual(code, 0);
  return stderr;
}

Deno.test("a banned person is disconnected within seconds and told until when; after lifting it, nothing is lost", async () => {
  using folder = tempFolder();
  const data = `${folder.path}/data`;
  await using server = await startServer({ data });
  const [ana, eve] = [new Person("ana", folder.path), new Person("eve", folder.path)];
  await ana.settleIn(server);
  await eve.settleIn(server);
  await using tail = eve.start(["tail"]);
  await waitUntil("eve is there", async () => (await ana.users()).eve === "online");

  assert.match(await refusedTo(data, "ban", "account", "eve"), /--for <time>/);
  assert.match(await refusedTo(data, "ban", "account", "nobody", "--for", "1h"), /Cannot find the account/);
  await operate(data, "ban", "account", "eve", "--for", "1h", "--reason", "spam");
  const { code } = await tail.waitForExit(10_000);
  assert.equal(code, 1);
  assert.match(
    tail.stderr,
    /^Cannot come in as eve: the account is banned by the server's operator until .* UTC\n$/,
  );

  const [listed] = (await operate(data, "ban", "list", "--json")).trim().split("\n").map((line) =>
    JSON.parse(line)
  );
  assert.deepEqual([listed.kind, listed.subject, listed.reason], ["account", "eve", "spam"]);
  assert.match(await operate(data, "ban", "list"), /^account eve {2}until .*Z {2}spam\n$/);

  // It survives a restart.
  assert.equal(await server.stop(), 0);
  await using again = await startServer({ data, port: server.port });
  assert.match((await eve.run(["whoami"])).stderr, /banned/);
  await operate(data, "ban", "lift", "account", "eve");
  await waitUntil("eve is let in", async () => (await eve.run(["whoami"])).code === 0);
  assert.equal(await again.stop(), 0);
});

Deno.test("a banned address is refused at hello, and this machine's own only when that is meant", async () => {
  using folder = tempFolder();
  const data = `${folder.path}/data`;
  await using server = await startServer({ data });
  const eve = new Person("eve", folder.path);
  await eve.settleIn(server);
  for (const [kind, what] of [["address", "127.0.0.1"], ["prefix", "::/0"]]) {
    assert.match(
      await refusedTo(data, "ban", kind!, what!, "--for", "1h"),
      /is this machine itself: .*--yes/,
    );
  }
  assert.match(
    await refusedTo(data, "ban", "prefix", "10/8", "--for", "1h"),
    /Cannot read 10\/8 as a prefix/,
  );
  await operate(data, "ban", "prefix", "127.0.0.0/8", "--for", "1h", "--yes");
  await waitUntil("the address is refused", async () => {
    await using wire = await Wire.connect(server.port);
    const { error } = await wire.request("hello", { protocol: 1, client: { name: "wire", version: "0" } });
    if (error) await wire.closed;
    return error?.data.code === "forbidden";
  });
  assert.match(
    (await eve.run(["whoami"])).stderr,
    /^Cannot come in from this address: it is banned .* UTC\n$/,
  );
  const register = await new Person("mia", folder.path).run(["register", server.inviteLink, "mia"], PASSWORD);
  assert.match(register.stderr, /Cannot come in from this address/);
  // Whoever goes on all the same costs no handshake any more.
  await waitUntil("callers are sent away at once", async () => {
    const answer = await Wire.greet(server.port).then(() => "let in", String);
    return !/forbidden|let in/.test(answer);
  });
  assert.match(server.program.stderr, /caller refused address="127.0.0.1" reason="shut_out"/);
  await operate(data, "ban", "lift", "prefix", "127.0.0.0/8");
  await waitUntil("eve is let in", async () => (await eve.run(["whoami"])).code === 0);
});

Deno.test("a locked server refuses strangers in plain words, across a restart; those who have met go on", async () => {
  using folder = tempFolder();
  const data = `${folder.path}/data`;
  await using server = await startServer({ data });
  const [ana, bob, eve] = ["ana", "bob", "eve"].map((name) => new Person(name, folder.path)) as [
    Person,
    Person,
    Person,
  ];
  for (const person of [ana, bob, eve]) await person.settleIn(server);
  await ana.must(["send", "bob", "before"]);
  assert.equal(await operate(data, "lockdown"), "The server is not locked.\n");
  assert.match(await refusedTo(data, "lockdown", "off", "--for", "1h"), /lockdown on --for 2h/);
  await operate(data, "lockdown", "on", "--for", "2h");
  let tried = 0;
  await waitUntil("the server is locked", async () => {
    await using guest = await Wire.greet(server.port);
    const joinCode = joinCodeOf(server.inviteLink);
    const { error } = await guest.request("register", {
      name: `guest${++tried}`,
      password: PASSWORD,
      joinCode,
    });
    return error?.data.code === "forbidden";
  });
  assert.equal(await server.stop(), 0);
  await using again = await startServer({ data, port: server.port });
  const { code, stderr } = await eve.run(["send", "ana", "spam"]);
  assert.equal(code, 1);
  assert.match(
    stderr,
    /^Cannot write to ana for the first time now: the server's operator has locked it .* UTC\n$/,
  );
  const mia = await new Person("mia", folder.path).run(["register", again.inviteLink, "mia"], PASSWORD);
  assert.match(mia.stderr, /^Cannot register now: .*/m);
  await bob.must(["send", "ana", "answer"]);
  assert.match(await operate(data, "lockdown", "--json"), /"endsAt":\d+/);
  assert.equal(await operate(data, "lockdown", "off"), "The server is not locked.\n");
  await waitUntil("the server is open", async () => (await eve.run(["send", "ana", "hello"])).code === 0);
});

Deno.test("a person takes their messages along, and deletes the account for good; an operator can export one too", async () => {
  using folder = tempFolder();
  const data = `${folder.path}/data`;
  await using server = await startServer({ data });
  const [ana, eve] = [new Person("ana", folder.path), new Person("eve", folder.path)];
  await ana.settleIn(server);
  await eve.settleIn(server);
  await eve.must(["send", "ana", "a word too many"]);
  const own = `${folder.path}/own`;
  assert.equal(await eve.must(["export", own]), `Exported 1 message with 1 person to ${own}.\n`);
  assert.match((await eve.run(["export", own])).stderr, /as it is there already/);
  const theirs = `${folder.path}/theirs`;
  await operate(data, "user", "export", "ana", theirs);
  for (const [to, state] of [[own, "stored"], [theirs, undefined]] as const) {
    const line = JSON.parse(await Deno.readTextFile(`${to}/messages.jsonl`));
    assert.deepEqual([line.from, line.to, line.text, line.state], ["eve", "ana", "a word too many", state]);
  }
  assert.match(await operate(data, "audit"), / user export ana$/m);
  assert.match((await eve.run(["delete-account"], PASSWORD)).stderr, /give --yes/);
  assert.match((await eve.run(["delete-account", "--yes"], "wrong horse")).stderr, /the password is wrong/);
  assert.equal((await eve.must(["delete-account", "--yes", "--json"], PASSWORD)).trim(), '{"name":"eve"}');
  assert.match((await eve.run(["whoami"])).stderr, /Nobody is signed in on this device/);
  assert.match(await refusedTo(data, "user", "reset-password", "eve"), /Cannot find user eve/);
  assert.deepEqual(Object.keys(await ana.users()), ["ana"]);
});
