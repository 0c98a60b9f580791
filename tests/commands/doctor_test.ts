import assert from "node:assert/strict";
import { runDoctor } from "../../lib/commands/doctor/once.ts";
import { ChatError, NotSignedInError } from "../../lib/errors.ts";
import type { Finding } from "../../lib/findings/finding.ts";
import { ProfileMailStore } from "../../lib/profile/mail_store.ts";
import { Interrupt } from "../../lib/terminal/read_line.ts";
import { Addresses } from "../helpers/addresses.ts";
import { ChatDesk, startLocalServer } from "../helpers/chat_desk.ts";
import { CuttableProxy } from "../helpers/cuttable_proxy.ts";
import { TestMailServer } from "../helpers/mail_server.ts";
import { testWith } from "../helpers/needs.ts";
import { tempFolder } from "../helpers/temp_folder.ts";
import { waitUntil } from "../helpers/wait_until.ts";

interface Examination {
  readonly levels: Record<string, string>; // of the findings, by what they are about
  readonly findings: readonly Finding[];
  readonly failure: unknown; // what the program would end with
}

/** Examines a desk as the account that it was used for last, or at another place. */
async function examine(
  desk: ChatDesk,
  where?: string,
  withinMs?: number,
  largeWithinMs?: number,
): Promise<Examination> {
  const before = desk.tty.written.length;
  const findTarget = () => {
    const [known] = desk.profile.listServers();
    if (!known) throw new NotSignedInError("nobody");
    return { known, login: desk.profile.listLogins(known.serverId)[0] ?? null };
  };
  const options = {
    json: true,
    profileFolder: desk.profileFolder,
    findTarget,
    ...(withinMs && { withinMs }),
    ...(largeWithinMs && { largeWithinMs }),
  };
  const failure = await runDoctor(desk.app, where, options).catch((error) => error);
  await desk.tty.settle();
  const lines = desk.tty.written.slice(before).matchAll(/\{"about".*\}/g);
  const findings = [...lines].map(([line]) => JSON.parse(line) as Finding);
  return {
    findings,
    failure,
    levels: Object.fromEntries(findings.map(({ about, level }) => [about, level])),
  };
}

testWith(["unix"], "doctor: a client that is well, and each thing that may be wrong with it", async () => {
  using folder = tempFolder();
  await using server = await startLocalServer(folder.path);
  await using ana = new ChatDesk();
  await Deno.chmod(ana.profileFolder, 0o700);
  await ana.register(server.inviteLink, "ana");
  await ana.app.leave();
  const well = await examine(ana);
  assert.deepEqual(well.levels, {
    profile: "ok",
    address: "ok",
    key: "ok",
    version: "ok",
    speed: "ok",
    clock: "ok",
    login: "ok",
    large: "ok",
    direct: "ok",
  });
  assert.equal(well.failure, undefined);
  // The login still counts: to examine it takes nothing from it.
  assert.equal((await examine(ana)).levels["login"], "ok");

  await Deno.chmod(ana.profileFolder, 0o755);
  const key = ana.profile.listLogins(ana.profile.listServers()[0]!.serverId)[0]!;
  ana.profile.recordsOf(key).add({ id: crypto.randomUUID(), to: "bob", text: "waits" });
  ana.profile.saveLogin(key, { token: "no-token-of-that-server", deviceId: key.deviceId });
  const ill = await examine(ana);
  assert.deepEqual([ill.levels["profile"], ill.levels["outbox"], ill.levels["login"]], [
    "warning",
    "warning",
    "error",
  ]);
  assert.ok(ill.findings.every(({ level, next }) => level === "ok" || next !== undefined));
  assert.ok(ill.failure instanceof ChatError && ill.failure.message === "Found 1 error, 2 warnings");
});

Deno.test("doctor: names, addresses, keys and links that are wrong, and a server that is not known yet", async () => {
  using folder = tempFolder();
  using other = tempFolder();
  await using ana = new ChatDesk();
  const unknown = await examine(ana);
  assert.deepEqual([unknown.levels["server"], unknown.failure], ["warning", undefined]);
  {
    await using server = await startLocalServer(folder.path);
    await ana.register(server.inviteLink, "ana");
    await ana.app.leave();
    await using bob = new ChatDesk();
    const withLink = await examine(bob, server.inviteLink);
    assert.deepEqual([withLink.levels["key"], withLink.levels["login"]], ["ok", "warning"]);
    const without = await examine(bob, `127.0.0.1:${server.port}`);
    assert.deepEqual([without.levels["key"], without.levels["version"]], ["warning", undefined]);
    const wrong = await examine(bob, server.inviteLink.replace(/#SHA256:...../, "#SHA256:AAAAA"));
    assert.deepEqual([wrong.levels["key"], wrong.levels["version"]], ["error", undefined]);
    assert.deepEqual(bob.profile.listServers(), []); // nothing was trusted by looking at it
  }
  const { port } = ana.profile.listServers()[0]!;
  assert.equal((await examine(ana)).levels["address"], "error");
  await using _impostor = await startLocalServer(other.path, { port });
  const changed = await examine(ana);
  assert.deepEqual([changed.levels["key"], changed.levels["login"]], ["error", undefined]);
  assert.equal((await examine(ana, "no-such-name.invalid:1")).levels["name"], "error");
});

Deno.test("doctor: the mail account is signed in to, and nothing is sent", async () => {
  await using mail = await TestMailServer.start({ passwords: { ann: "right" } });
  await using desk = new ChatDesk();
  const store = new ProfileMailStore(desk.profile.database);
  const account = { id: "1", name: "Ann", address: "ann@example.org", endpoint: mail.endpoint };
  const signIn = (password: string) => ({ kind: "password", user: "ann", password }) as const;
  await store.saveMailAccount({ ...account, signIn: signIn("right") });
  assert.equal((await examine(desk)).levels["mail"], "ok");
  await store.saveMailAccount({ ...account, signIn: signIn("wrong-secret") });
  const wrong = await examine(desk);
  assert.equal(wrong.levels["mail"], "error");
  assert.equal(JSON.stringify(wrong.findings).includes("wrong-secret"), false);
  await store.saveMailAccount({ ...account, signIn: { kind: "password_asked", user: "ann" } });
  assert.equal((await examine(desk)).levels["mail"], "warning");
  assert.deepEqual(mail.mails, []);
});

Deno.test("doctor ends in time where a server stays silent, and at once by Ctrl+C", async () => {
  using folder = tempFolder();
  await using server = await startLocalServer(folder.path);
  await using cable = new CuttableProxy(server.port);
  await using ana = new ChatDesk();
  await ana.register(server.inviteLink.replace(`:${server.port}/`, `:${cable.port}/`), "ana");
  await ana.app.leave();
  cable.clog();
  const late = await examine(ana, undefined, 300);
  assert.deepEqual([late.levels["address"], late.levels["time"]], ["ok", "warning"]);
  const calls = cable.calls;
  const stopped = examine(ana);
  await waitUntil("the server was called", () => cable.calls > calls + 1);
  ana.tty.signal("SIGINT");
  assert.ok((await stopped).failure instanceof Interrupt);
});

Deno.test("doctor finds out that nothing long gets through: all else is well where large packets are dropped in silence", async () => {
  using folder = tempFolder();
  await using server = await startLocalServer(folder.path);
  await using cable = new CuttableProxy(server.port);
  await using ana = new ChatDesk();
  await ana.register(server.inviteLink.replace(`:${server.port}/`, `:${cable.port}/`), "ana");
  await ana.app.leave();
  cable.narrowTo = 4_000;
  const { levels, findings } = await examine(ana, undefined, undefined, 300);
  assert.deepEqual([levels["login"], levels["large"]], ["ok", "error"]);
  const { seen, next } = findings.find(({ about }) => about === "large")!;
  assert.match(seen, /A question of 8 kB gets no answer, though small ones do/);
  assert.match(next ?? "", /smaller MTU/);
});

testWith(
  ["linux"],
  "doctor calls an address that answers late slow, with the time it took, and no error",
  async () => {
    using addresses = await Addresses.open(["slow"]);
    await using desk = new ChatDesk();
    const examining = examine(desk, `${addresses.list[0]}:${addresses.port}`);
    await addresses.waitForCalls(1);
    await addresses.drain(addresses.list[0]!);
    await desk.screen.sees("answers, but slowly");
    desk.tty.signal("SIGINT");
    const { findings } = await examining;
    const { level, seen } = findings.find(({ about }) => about === "address")!;
    assert.equal(level, "warning");
    assert.match(seen, /\((1\d{3} ms|\d\.\d s)\)\.$/);
  },
);
