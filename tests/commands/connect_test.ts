import assert from "node:assert/strict";
import { join } from "node:path";
import { connect } from "../../lib/commands/connect.ts";
import { LinkError, TrustError, UsageError } from "../../lib/errors.ts";
import { ChatDesk, PASSWORD, startLocalServer } from "../helpers/chat_desk.ts";
import { tempFolder } from "../helpers/temp_folder.ts";

Deno.test("connect() with an invite link trusts, registers and is in, and comes back without a password", async () => {
  using folder = tempFolder();
  await using server = await startLocalServer(folder.path);
  await using desk = new ChatDesk();
  await desk.register(server.inviteLink, "ana");
  assert.equal(desk.app.prompt(), "ana> ");
  assert.ok(!desk.tty.screen.text().includes(PASSWORD));
  await desk.app.leave();
  const again = connect(desk.app, "");
  await desk.screen.answers([`[127.0.0.1:${server.port}]`, ""]);
  await again;
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
  await desk.screen.answers([server.fingerprint, "y"], ["account on this server", "n"], ["Name:", ""]);
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
    ["account on this server", "n"],
    ["Name:", "Ana Maria"],
    ["a name is 1 to 32 of the characters", "Ana"],
    ["Password:", "short"],
    ["at least 8 characters", PASSWORD],
    ["Once more:", "something else"],
    ["do not match", PASSWORD],
    ["Once more:", PASSWORD],
    ["taken", "bob"],
    ["Password:", PASSWORD],
    ["Once more:", PASSWORD],
  );
  await connecting;
  await desk.screen.sees("as bob.");
  await using other = new ChatDesk();
  const loggingIn = connect(other.app, server.inviteLink);
  await other.screen.answers(
    ["account on this server", "y"],
    ["Name:", "bob"],
    ["Password:", "wrong one"],
    ["wrong name or password", "bob"],
    ["Password:", PASSWORD],
  );
  await loggingIn;
  await other.screen.sees("as bob.");
});

Deno.test("connect() says in words that nothing listens there", async () => {
  await using desk = new ChatDesk();
  await assert.rejects(connect(desk.app, "127.0.0.1:1"), (error: Error) => {
    assert.ok(error instanceof LinkError, String(error));
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
  await desk.screen.sees("Trying again until it is there");
  const client = desk.app.client();
  const sending = client.send("ana", "to myself");
  await using _server = await startLocalServer(folder.path, { port });
  assert.equal((await sending.outcome).kind, "stored");
});
