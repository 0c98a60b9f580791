import assert from "node:assert/strict";
import { join } from "node:path";
import { connect } from "../../lib/commands/chat/connect.ts";
import { rendezvousOf } from "../../lib/commands/direct/rendezvous.ts";
import { CERTIFICATE_FILE, KEY_FILE, loadIdentity } from "../../lib/net/identity.ts";
import { ChatDesk, PASSWORD, startLocalServer } from "../helpers/chat_desk.ts";
import { CuttableProxy } from "../helpers/cuttable_proxy.ts";
import { renew } from "../helpers/renewed_certificate.ts";
import { tempFolder } from "../helpers/temp_folder.ts";
import { waitUntil } from "../helpers/wait_until.ts";

/** Renews the certificate of a server that does not run, under another name and with the same key; gives the new one. */
async function renewCertificate(data: string): Promise<string> {
  const path = join(data, CERTIFICATE_FILE);
  const { certificatePem } = await renew(await loadIdentity(path, join(data, KEY_FILE)), "chat.example.org");
  await Deno.writeTextFile(path, certificatePem);
  return certificatePem;
}

/** How many connections to the server something costs. */
async function callsOf(proxy: CuttableProxy, work: () => Promise<unknown>): Promise<number> {
  const before = proxy.calls;
  await work();
  return proxy.calls - before;
}

Deno.test("a renewed certificate is kept by the session: the next connection costs one handshake, and direct chat uses it", async () => {
  using folder = tempFolder();
  await using desk = new ChatDesk();
  await using proxy = new CuttableProxy(null);
  {
    await using server = await startLocalServer(folder.path);
    proxy.leadTo(server.port);
    await desk.register(server.inviteLink.replace(`:${server.port}`, `:${proxy.port}`), "ana");
    await desk.app.leave();
  }
  const renewed = await renewCertificate(folder.path);
  await using server = await startLocalServer(folder.path);
  proxy.leadTo(server.port);

  assert.ok(await callsOf(proxy, () => connect(desk.app, `127.0.0.1:${proxy.port}`)) > 1);
  const known = desk.profile.findServer("127.0.0.1", proxy.port);
  assert.equal(known?.certificate?.trim(), renewed.trim());
  assert.equal(known?.fingerprint, server.fingerprint);
  const tcp = await Deno.connect({ hostname: "127.0.0.1", port: proxy.port });
  using tls = await rendezvousOf(desk.app.account!).server.startTls(tcp, []);
  await tls.handshake();

  proxy.cut(); // the session comes back by itself
  const again = Promise.withResolvers<void>();
  desk.app.account!.onSignedIn(() => again.resolve());
  assert.equal(await callsOf(proxy, () => again.promise), 1);
  await desk.app.leave();
  assert.equal(await callsOf(proxy, () => connect(desk.app, `127.0.0.1:${proxy.port}`)), 1);
});

Deno.test("a renewed certificate that was met at the login is kept for the session", async () => {
  using folder = tempFolder();
  await using desk = new ChatDesk();
  await using proxy = new CuttableProxy(null);
  {
    await using server = await startLocalServer(folder.path);
    proxy.leadTo(server.port);
    await desk.register(server.inviteLink.replace(`:${server.port}`, `:${proxy.port}`), "ana");
    await desk.app.logOut();
  }
  await renewCertificate(folder.path);
  await using server = await startLocalServer(folder.path);
  proxy.leadTo(server.port);
  const logIn = async () => {
    const connecting = connect(desk.app, `127.0.0.1:${proxy.port}`);
    await desk.screen.answers(["Name:", "ana"], ["Password:", PASSWORD]);
    await connecting;
    await desk.app.logOut();
  };
  const first = await callsOf(proxy, logIn);
  assert.equal(await callsOf(proxy, logIn), 2, "one to log in, one for the session");
  assert.equal(first, 5, "only the login finds out about the new certificate");
});

Deno.test("who gives up waiting for a connection hears why the last attempt failed, also while the next is under way", async () => {
  using folder = tempFolder();
  await using server = await startLocalServer(folder.path);
  await using proxy = new CuttableProxy(server.port);
  await using desk = new ChatDesk();
  await desk.register(server.inviteLink.replace(`:${server.port}`, `:${proxy.port}`), "ana");
  const account = desk.app.account!;
  proxy.leadTo(null);
  proxy.cut();
  const reason = async () => {
    const outcome = await account.firstOutcome(0);
    return outcome.kind === "waiting" ? outcome.reason : outcome.kind;
  };
  await waitUntil("the connection is lost", async () => await reason() !== "online");
  proxy.leadTo(server.port);
  proxy.clog();
  const { calls } = proxy;
  await waitUntil("the next is under way", () => {
    account.retryNow();
    return proxy.calls > calls;
  });
  assert.doesNotMatch(await reason(), /online|in time/);
});
