import assert from "node:assert/strict";
import { join } from "node:path";
import { Account } from "../../lib/commands/account.ts";
import { connect } from "../../lib/commands/chat/connect.ts";
import { printInbox } from "../../lib/commands/chat/inbox.ts";
import { openAccount } from "../../lib/commands/scripts.ts";
import { isServerName } from "../../lib/commands/chat/servers.ts";
import { ChatError, ConnectionError, TrustError, UsageError } from "../../lib/errors.ts";
import { Interrupt } from "../../lib/terminal/read_line.ts";
import { knowServer, type OddServer, SIGNS_IN, startOddServer } from "../helpers/odd_server.ts";
import { ChatDesk, PASSWORD, startLocalServer } from "../helpers/chat_desk.ts";
import { CuttableProxy } from "../helpers/cuttable_proxy.ts";
import { tempFolder } from "../helpers/temp_folder.ts";
import { waitUntil } from "../helpers/wait_until.ts";

Deno.test("connect() with an invite link trusts, registers and is in, and comes back without a password", async () => {
  using folder = tempFolder();
  await using server = await startLocalServer(folder.path);
  await using desk = new ChatDesk();
  await desk.register(server.inviteLink, "ana");
  assert.equal(desk.app.prompt(), "ana> ");
  assert.ok(!desk.tty.screen.text().includes(PASSWORD));
  await desk.app.leave();
  await connect(desk.app, "");
  await desk.screen.sees("Connected to 127.0.0.1 as ana.");
});

Deno.test("connect() without a fingerprint shows it and asks; no means that nothing is kept", async () => {
  using folder = tempFolder();
  await using server = await startLocalServer(folder.path, { registration: "open" });
  await using desk = new ChatDesk();
  const refusing = connect(desk.app, `127.0.0.1:${server.port}`);
  await desk.screen.answers([server.fingerprint, ""]);
  await refusing;
  assert.deepEqual(desk.profile.listServers(), []);
  const accepting = connect(desk.app, `127.0.0.1:${server.port}`);
  await desk.screen.answers([server.fingerprint, "y"], ["Name:", ""]);
  await accepting;
  assert.equal(desk.profile.listServers()[0]?.fingerprint, server.fingerprint);
});

Deno.test("connect() in a pipe trusts nobody without a fingerprint", async () => {
  using folder = tempFolder();
  await using server = await startLocalServer(folder.path);
  await using desk = new ChatDesk({ isPipe: true });
  await assert.rejects(connect(desk.app, `127.0.0.1:${server.port}`), UsageError);
});

Deno.test("connect() stops loudly when the key is not the one in the link", async () => {
  using folder = tempFolder();
  await using server = await startLocalServer(folder.path);
  await using desk = new ChatDesk();
  const link = server.inviteLink.replace(/#SHA256:..../, "#SHA256:AAAA");
  await assert.rejects(connect(desk.app, link), (error: Error) => {
    assert.ok(error instanceof TrustError);
    assert.ok(error.message.includes(server.fingerprint), error.message);
    assert.match(error.message, /such as a network that wants you to sign in first; nothing was sent$/);
    return true;
  });
  assert.deepEqual(desk.profile.listServers(), []);
});

Deno.test("connect() stops loudly when a known server has another key, and sends it nothing", async () => {
  using folder = tempFolder();
  await using desk = new ChatDesk();
  let port: number;
  {
    await using server = await startLocalServer(join(folder.path, "one"));
    port = server.port;
    await desk.register(server.inviteLink, "ana");
    await desk.app.leave();
  }
  await using impostor = await startLocalServer(join(folder.path, "two"), { port });
  await assert.rejects(connect(desk.app, `127.0.0.1:${port}`), (error: Error) => {
    assert.ok(error instanceof TrustError, String(error));
    assert.ok(error.message.includes(impostor.fingerprint), error.message);
    return true;
  });
  await assert.rejects(connect(desk.app, impostor.inviteLink), TrustError);
});

Deno.test("connect() lets a person try again after a taken name, a short and a wrong password", async () => {
  using folder = tempFolder();
  await using server = await startLocalServer(folder.path);
  await using first = new ChatDesk();
  await first.register(server.inviteLink, "ana");
  await using desk = new ChatDesk();
  const connecting = connect(desk.app, server.inviteLink);
  await desk.screen.answers(
    ["Name:", "Ana Maria"],
    ["a name is 1 to 32 of the characters", "Ana"],
    ["Password:", "short"],
    ["Nobody has the name ana and this password yet. Make a new account?", "y"],
    ["at least 8 characters", "another horse"],
    ["Once more:", "something else"],
    ["do not match", "another horse"],
    ["Once more:", "another horse"],
    ["taken", "bob"],
    ["Password:", PASSWORD],
    ["Make a new account?", "y"],
    ["Once more:", PASSWORD],
  );
  await connecting;
  await desk.screen.sees("as bob.");
  await using other = new ChatDesk();
  const loggingIn = connect(other.app, server.inviteLink);
  await other.screen.answers(
    ["Name:", "bob"],
    ["Password:", "wrong one"],
    ["Make a new account?", "n"],
    ["wrong name or password", "bob"],
    ["Password:", PASSWORD],
  );
  await loggingIn;
  await other.screen.sees("as bob.");
});

Deno.test("connect() after a first visit that was stopped once needed the link again", async () => {
  using folder = tempFolder();
  await using server = await startLocalServer(folder.path);
  await using desk = new ChatDesk();
  const stopped = connect(desk.app, server.inviteLink);
  await desk.screen.sees("Choose a name and a password for a new account, or give those you have here.");
  await desk.screen.answers(["Name:", "ana"]);
  await desk.screen.sees("Password:");
  desk.tty.type("\x03");
  await assert.rejects(stopped, Interrupt);
  const connecting = connect(desk.app, "");
  await desk.screen.answers(
    ["Server or invite link [", ""],
    ["Name:", "ana"],
    ["Password:", PASSWORD],
    ["Make a new account?", "y"],
    ["Once more:", PASSWORD],
  );
  await connecting;
  await desk.screen.sees("as ana.");
  assert.equal(desk.profile.joinCodeOf(desk.profile.listServers()[0]!), undefined, "it was used");
});

Deno.test("connect() says in words that nothing listens there", async () => {
  await using desk = new ChatDesk();
  await assert.rejects(connect(desk.app, "127.0.0.1:1"), (error: Error) => {
    assert.ok(error instanceof ConnectionError, String(error));
    assert.match(error.message, /127\.0\.0\.1:1/);
    return true;
  });
});

Deno.test("connect() to a known server that is away goes on behind the menu, and is online when it is back", async () => {
  using folder = tempFolder();
  await using desk = new ChatDesk();
  let port: number;
  {
    await using server = await startLocalServer(folder.path);
    port = server.port;
    await desk.register(server.inviteLink, "ana");
    await desk.app.leave();
  }
  const away = connect(desk.app, `127.0.0.1:${port}`, { withinMs: 50 });
  await away;
  await desk.screen.sees("Still trying. Anything you write now is saved");
  const client = desk.app.client();
  const sending = client.send("ana", "to myself");
  await using _server = await startLocalServer(folder.path, { port });
  assert.equal((await sending.outcome).kind, "stored");
});

Deno.test("connect() alone asks where several servers have a login, and takes a number there for the menu's option", async () => {
  using folder = tempFolder();
  await using one = await startLocalServer(join(folder.path, "one"));
  await using two = await startLocalServer(join(folder.path, "two"));
  await using desk = new ChatDesk();
  for (const server of [one, two]) {
    await desk.register(server.inviteLink, "ana");
    await desk.app.leave();
  }
  const lines: string[] = [];
  const instead = (line: string) => lines.push(line) > 0 && line !== "chatbox";
  const choosing = connect(desk.app, "", { instead });
  await desk.screen.answers([`Server or invite link [127.0.0.1:${two.port}]`, "1"]);
  await choosing;
  assert.deepEqual(lines, ["1"]);
  const mistyping = connect(desk.app, "", { instead });
  await desk.screen.answers(["Server or invite link", "chatbox"]);
  await assert.rejects(mistyping, /Cannot use chatbox as a server: .* a dot or a port/);
  assert.equal(desk.app.account, null);
  assert.equal(isServerName(desk.profile, "chatbox"), false);
  desk.profile.saveServer({ host: "chatbox", port: 7667, certificate: null, fingerprint: null });
  assert.equal(isServerName(desk.profile, "ChatBox"), true, "known from an earlier visit");
});

Deno.test("connect() to a server that accepts and stays silent says so, and Ctrl+C ends it at every stage", async () => {
  using folder = tempFolder();
  await using server = await startLocalServer(folder.path);
  await using proxy = new CuttableProxy(server.port);
  await using mute = await startMuteServer([]);
  const link = server.inviteLink.replace(`:${server.port}/`, `:${proxy.port}/`);
  /** Each begins to connect, and comes to where the server is silent. */
  const stages: Record<
    string,
    (desk: ChatDesk) => { connecting: Promise<void> } | Promise<{ connecting: Promise<void> }>
  > = {
    "certificate, nothing known of it": (desk) => {
      proxy.clog();
      return { connecting: connect(desk.app, `127.0.0.1:${proxy.port}`) };
    },
    "certificate, with a link": (desk) => {
      proxy.clog();
      return { connecting: connect(desk.app, link) };
    },
    "greeting": (desk) => {
      desk.profile.saveServer({ ...mute, host: "127.0.0.1" });
      return { connecting: connect(desk.app, `127.0.0.1:${mute.port}`) };
    },
    "reply to the login": async (desk) => {
      const connecting = connect(desk.app, link);
      await desk.screen.answers(["Name:", "ana"]);
      await desk.screen.sees("Password:");
      proxy.clog();
      desk.tty.type(`${PASSWORD}\r`);
      return { connecting };
    },
    "coming back": async (desk) => {
      await desk.register(link, "bob");
      await desk.app.leave();
      proxy.clog();
      return { connecting: connect(desk.app, "") };
    },
  };
  for (const [stage, begin] of Object.entries(stages)) {
    await using desk = new ChatDesk();
    const { connecting } = await begin(desk);
    await desk.screen.sees("… (Ctrl+C stops)");
    const at = performance.now();
    desk.tty.signal("SIGINT");
    await assert.rejects(connecting, Interrupt, stage);
    // Far below every limit of the network, of which the shortest is 10 s.
    assert.ok(performance.now() - at < 5_000, stage);
    assert.equal(desk.app.account, null, stage);
    await desk.tty.settle();
    assert.ok(!desk.tty.screen.text().includes("Ctrl+C stops"), stage);
    proxy.unclog();
  }
});

Deno.test("connect() says connected only when it is", async () => {
  using folder = tempFolder();
  await using server = await startLocalServer(folder.path);
  await using proxy = new CuttableProxy(server.port);
  await using desk = new ChatDesk();
  const link = server.inviteLink.replace(`:${server.port}/`, `:${proxy.port}/`);
  const connecting = connect(desk.app, link, { withinMs: 50 });
  await desk.screen.answers(["Name:", "ana"], ["Password:", PASSWORD], ["Make a new account", "y"]);
  // The greeted connection goes on; the one that the account would work over is refused.
  proxy.leadTo(null);
  await desk.screen.answers(["Once more:", PASSWORD]);
  await connecting;
  await desk.screen.sees("Still trying. Anything you write now is saved");
  assert.ok(!desk.tty.screen.text().includes("Connected"));
  assert.equal(desk.app.prompt(), "ana (offline)> ");
  proxy.leadTo(server.port);
  await desk.screen.sees("Connected again.", 60_000);
});

Deno.test("a break that is over at once was once told: a network that cuts every quiet connection filled the screen", async () => {
  using folder = tempFolder();
  await using server = await startLocalServer(folder.path);
  await using proxy = new CuttableProxy(server.port);
  await using desk = new ChatDesk();
  const { app, screen, tty } = desk;
  const connecting = connect(app, server.inviteLink.replace(`:${server.port}/`, `:${proxy.port}/`));
  await screen.answers(["Name:", "ana"], ["Password:", PASSWORD], ["Make a new account", "y"]);
  await screen.answers(["Once more:", PASSWORD]);
  await connecting;
  await screen.sees("No new messages.");
  let lastedMs = Infinity;
  let told = "";
  // On a machine with too much to do a break may last, and be told.
  while (lastedMs >= 3_000) {
    const before = tty.screen.text();
    const cutAt = performance.now();
    const { promise: isBack, resolve } = Promise.withResolvers<void>();
    app.account?.onSignedIn(resolve);
    proxy.cut();
    await isBack;
    lastedMs = performance.now() - cutAt;
    await tty.settle();
    told = tty.screen.text().slice(before.length);
  }
  assert.equal(told.trim(), "");
});

Deno.test("invitations that cannot be listed for now are no fault: a slow network once said that something went wrong", async () => {
  await using server = await startOddServer({
    ...SIGNS_IN,
    subscribe: () => ({ upTo: 0 }),
    list_chats: () => {
      throw new ChatError("timeout", "Cannot wait longer");
    },
    list_users: () => ({}),
  });
  await using desk = new ChatDesk();
  knowServer(desk.app, server);
  const connecting = connect(desk.app, "");
  await desk.screen.sees("Connected to 127.0.0.1 as ana.");
  // Asked for later, and answered later.
  await desk.app.account!.request("list_users", {});
  await desk.tty.settle();
  assert.doesNotMatch(desk.tty.screen.text(), /went wrong/);
  server.cut();
  await connecting;
});

Deno.test("connect() says once that it is connected, where the first attempt has failed", async () => {
  await using server = await startOddServer({ ...SIGNS_IN, subscribe: () => ({ upTo: 0 }) });
  await using proxy = new CuttableProxy(null);
  await using desk = new ChatDesk();
  knowServer(desk.app, { ...server, port: proxy.port });
  const connecting = connect(desk.app, "");
  await waitUntil("it was tried", () => proxy.calls > 0);
  proxy.leadTo(server.port);
  await desk.screen.sees("Connected to 127.0.0.1 as ana.");
  assert.doesNotMatch(desk.tty.screen.text(), /Connected again/);
  server.cut();
  await connecting;
});

Deno.test("connect() does not hold the menu for messages that do not come", async () => {
  for (const end of ["interrupt", "cut"] as const) {
    await using server = await startMuteServer(["hello", "resume"]);
    await using desk = new ChatDesk();
    const { serverId } = desk.profile.saveServer({ ...server, host: "127.0.0.1" });
    desk.profile.saveLogin({ serverId, name: "ana" }, { token: "token", deviceId: crypto.randomUUID() });
    const connecting = connect(desk.app, "");
    await desk.screen.sees("Connected to 127.0.0.1 as ana.");
    await desk.screen.sees("Fetching your messages… (Ctrl+C stops)");
    if (end === "interrupt") desk.tty.signal("SIGINT");
    else server.cut();
    await connecting;
    await desk.screen.sees("Your messages are still arriving");
    assert.equal(desk.app.account?.name, "ana");
  }
});

Deno.test("printInbox() fails with words when the connection breaks before all has arrived", async () => {
  await using server = await startMuteServer(["hello", "resume"]);
  await using desk = new ChatDesk();
  const { serverId } = desk.profile.saveServer({ ...server, host: "127.0.0.1" });
  desk.profile.saveLogin({ serverId, name: "ana" }, { token: "token", deviceId: crypto.randomUUID() });
  await openAccount(desk.app, {});
  const printing = printInbox(desk.app, { json: false, keep: false });
  server.cut();
  await assert.rejects(printing, (error: Error) => {
    assert.ok(error instanceof ConnectionError, String(error));
    assert.match(error.message, /Cannot fetch the messages/);
    return true;
  });
});

Deno.test("an account on a slow network once failed while it was still signing in: a server that was reached gets more time", async () => {
  const asked = Promise.withResolvers<void>();
  const mayAnswer = Promise.withResolvers<void>();
  await using server = await startMuteServer(["hello", "resume"], () => (asked.resolve(), mayAnswer.promise));
  await using desk = new ChatDesk();
  const known = desk.profile.saveServer({ ...server, host: "127.0.0.1" });
  const login = { token: "token", deviceId: crypto.randomUUID() };
  desk.profile.saveLogin({ serverId: known.serverId, name: "ana" }, login);
  await using account = new Account({ profile: desk.profile, server: known, name: "ana", news: null });
  await asked.promise;
  const impatient = await account.firstOutcome(0);
  assert.ok(impatient.kind === "waiting");
  assert.match(impatient.reason, /^Cannot reach 127\.0\.0\.1:\d+ in time/);
  const patient = account.firstOutcome(0, undefined, 60_000);
  mayAnswer.resolve();
  assert.deepEqual(await patient, { kind: "online" });
});

Deno.test("a first attempt that something on the way holds up is waited for, and the line that is shown counts the seconds", async () => {
  await using server = await startMuteServer(["hello", "resume"]);
  await using cable = new CuttableProxy(server.port);
  let laterMs = 0;
  await using desk = new ChatDesk({ now: () => performance.now() + laterMs });
  const known = desk.profile.saveServer({ ...server, port: cable.port, host: "127.0.0.1" });
  const login = { token: "token", deviceId: crypto.randomUUID() };
  desk.profile.saveLogin({ serverId: known.serverId, name: "ana" }, login);
  cable.clog();
  await using account = new Account({ profile: desk.profile, server: known, name: "ana", news: null });
  const waiting = desk.app.waitFor("Connecting", (signal) => account.firstOutcome(0, signal, 60_000));
  await desk.screen.sees("Connecting… (Ctrl+C stops)");
  laterMs = 12_000;
  await desk.screen.sees("12 s so far (Ctrl+C stops)");
  cable.unclog();
  assert.deepEqual(await waiting, { kind: "online" });
  server.cut(); // else its silence holds up the goodbye
});

/** A server that answers these requests, once it may, and nothing more. */
function startMuteServer(
  answered: readonly ("hello" | "resume")[],
  mayAnswer: () => Promise<void> = () => Promise.resolve(),
): Promise<OddServer> {
  return startOddServer(
    Object.fromEntries(answered.map((method) => [method, () => mayAnswer().then(() => SIGNS_IN[method]())])),
  );
}
