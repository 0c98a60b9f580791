import assert from "node:assert/strict";
import { Readable } from "node:stream";
import type { MailError } from "../../lib/mail/mail_error.ts";
import { checkSignIn, submitMail } from "../../lib/mail/smtp/dialogue.ts";
import type { Credentials, Submission } from "../../lib/mail/submission.ts";
import { makeAuthority } from "../helpers/mail_certificates.ts";
import { GMAIL, OTHERS, type Refusals, TestMailServer } from "../helpers/mail_server.ts";

const ANN = "ann@example.org";
const BOB = "bob@example.org";
const PASSWORD = "abcdefghijklmnop";
const WITH_PASSWORD: Credentials = { kind: "password", user: ANN, password: PASSWORD };

/** A mail of a few bytes, or of many. */
function mailTo(to: readonly string[] = [BOB], body = "Hello\r\n"): Submission {
  const bytes = new TextEncoder().encode(`Subject: test\r\n\r\n${body}`);
  return { envelope: { from: ANN, to }, sizeBytes: bytes.length, open: () => Readable.from([bytes]) };
}

function target(server: TestMailServer, credentials: Credentials = WITH_PASSWORD) {
  return { endpoint: server.endpoint, credentials, address: ANN };
}

/** Sends, and gives back the error that it must end with. */
async function refusalOf(sending: Promise<unknown>): Promise<MailError> {
  const error = await sending.then(() => null, (reason) => reason);
  assert.equal(error?.name, "MailError", `not refused: ${error}`);
  return error;
}

for (const security of ["tls", "starttls"] as const) {
  for (const method of ["PLAIN", "LOGIN"]) {
    Deno.test(`submitMail() delivers over ${security} with AUTH ${method}`, async () => {
      await using server = await TestMailServer.start({
        security,
        authMethods: [method],
        passwords: { [ANN]: PASSWORD },
      });
      const taken = await submitMail(target(server), mailTo());
      assert.equal(taken.reply, "250 2.0.0 OK 1 queued");
      assert.deepEqual(taken.accepted, [BOB]);
      const [mail] = server.mails;
      assert.equal(mail?.isEncrypted, true);
      assert.equal(mail?.user, ANN);
      assert.deepEqual(mail?.envelope, { from: ANN, to: [BOB] });
      assert.deepEqual(server.signIns, [`${method} ${ANN}`]);
    });
  }

  Deno.test(`submitMail() delivers over ${security} with XOAUTH2, and renews a token once`, async () => {
    await using server = await TestMailServer.start({
      security,
      checkToken: (_user, token) => token === "new-token",
    });
    const renewals: boolean[] = [];
    const credentials: Credentials = {
      kind: "oauth2",
      user: ANN,
      getAccessToken: (renew) => {
        renewals.push(renew);
        return Promise.resolve("new-token");
      },
    };
    await submitMail(target(server, credentials), mailTo());
    assert.deepEqual(renewals, [false]);
    assert.deepEqual(server.signIns, [`XOAUTH2 ${ANN}`]);
  });
}

Deno.test("submitMail() never speaks to a server that offers no encryption", async () => {
  await using server = await TestMailServer.start({ security: "plain", passwords: { [ANN]: PASSWORD } });
  const error = await refusalOf(submitMail(target(server), mailTo()));
  assert.equal(error.fault, "no_tls");
  assert.match(error.message, /offers no encryption, so nothing was sent/);
  assert.deepEqual(server.signIns, []);
  assert.deepEqual(server.mails, []);
});

Deno.test("submitMail() says so when TLS is expected where STARTTLS is spoken", async () => {
  await using server = await TestMailServer.start({ security: "starttls" });
  const endpoint = { ...server.endpoint, security: "tls" as const };
  const error = await refusalOf(submitMail({ ...target(server), endpoint }, mailTo()));
  assert.equal(error.fault, "no_tls");
});

for (const security of ["tls", "starttls"] as const) {
  Deno.test(`submitMail() trusts no certificate of an unknown CA over ${security}`, async () => {
    await using server = await TestMailServer.start({ security, passwords: { [ANN]: PASSWORD } });
    const { caPem: _right, ...builtInRoots } = server.endpoint;
    const otherCa = { ...server.endpoint, caPem: (await makeAuthority()).caPem };
    for (const endpoint of [builtInRoots, otherCa]) {
      const error = await refusalOf(submitMail({ ...target(server), endpoint }, mailTo()));
      assert.equal(error.fault, "certificate");
      assert.equal(error.isTemporary, false);
    }
    assert.deepEqual(server.signIns, []);
  });

  Deno.test(`submitMail() trusts no certificate of another host over ${security}`, async () => {
    await using server = await TestMailServer.start({ security, hosts: ["mail.example.org"] });
    assert.equal((await refusalOf(submitMail(target(server), mailTo()))).fault, "certificate");
  });
}

const REFUSALS: readonly [string, Refusals, string, boolean, RegExp][] = [
  ["534-5.7.9", { signIn: GMAIL.appPassword }, "app_password_needed", false, /wants an app password/],
  ["535-5.7.8", { signIn: GMAIL.badCredentials }, "wrong_password", false, /is wrong, or was revoked/],
  ["534-5.7.14", { signIn: GMAIL.webLogin }, "web_login_needed", false, /once in a web browser/],
  ["454 4.7.0", { signIn: GMAIL.tooManyLogins }, "rate_limited", true, /wait a while/],
  ["535 5.7.139", { signIn: OTHERS.outlookBasic }, "password_login_disabled", false, /choose OAuth2/],
  ["421 4.7.0", { connect: GMAIL.tryLater }, "rate_limited", true, /asked too often/],
  ["421 4.3.0", { sender: GMAIL.systemProblem }, "server_busy", true, /just now/],
  ["450-4.2.1", { recipients: { [BOB]: GMAIL.tooQuickly } }, "rate_limited", true, /wait a while/],
  [
    "452-4.2.2",
    { recipients: { [BOB]: GMAIL.overQuota } },
    "mailbox_full",
    true,
    /bob@example.org has no room/,
  ],
  ["450 4.2.0", { recipients: { [BOB]: OTHERS.postgrey } }, "greylisted", true, /a few minutes later/],
  ["451 4.7.1", { recipients: { [BOB]: OTHERS.greylist } }, "greylisted", true, /a few minutes later/],
  [
    "550-5.1.1",
    { recipients: { [BOB]: GMAIL.noSuchUser } },
    "mailbox_unknown",
    false,
    /bob@example.org does not exist/,
  ],
  ["550 5.1.1", { recipients: { [BOB]: OTHERS.postfixUnknown } }, "mailbox_unknown", false, /typing mistake/],
  ["550-5.4.5", { content: GMAIL.dailyLimit }, "rate_limited", false, /in 24 hours/],
  ["552-5.2.3", { content: GMAIL.tooLarge }, "too_large", false, /smaller attachments/],
  ["552-5.7.0", { content: GMAIL.blockedContent }, "content_refused", false, /leave out the attachment/],
  ["554 5.7.1", { content: OTHERS.spam }, "content_refused", false, /because of its content/],
  ["554 5.6.0", { content: GMAIL.malformed }, "refused", false, /will not help/],
  ["553 5.7.1", { sender: OTHERS.senderRefused }, "sender_refused", false, /send as ann@example.org/],
  ["530 5.7.0", { sender: OTHERS.signInFirst }, "sign_in_needed", false, /only after a sign-in/],
];

Deno.test("submitMail() turns every refusal into the next step, with the server's words beneath", async (context) => {
  await using server = await TestMailServer.start({ security: "tls", passwords: { [ANN]: PASSWORD } });
  for (const [code, refusals, fault, isTemporary, sentence] of REFUSALS) {
    await context.step(`${code} is ${fault}`, async () => {
      server.refusals = refusals;
      const error = await refusalOf(submitMail(target(server), mailTo()));
      assert.equal(error.fault, fault);
      assert.equal(error.isTemporary, isTemporary);
      assert.match(error.message, sentence);
      assert.doesNotMatch(error.message, /is tried|by itself/, "only the outbox's owner knows");
      assert.equal(error.smtpCode, Number(code.slice(0, 3)));
      assert.ok(error.serverWords?.startsWith(code.replace("-", " ")), error.serverWords);
      assert.ok(!error.serverWords?.includes("\n"));
    });
  }
  server.refusals = {};
  assert.equal((await submitMail(target(server), mailTo())).refused.length, 0);
});

Deno.test("submitMail() calls a refused token a sign-in that has ended", async () => {
  await using server = await TestMailServer.start({ security: "tls", checkToken: () => false });
  const renewals: boolean[] = [];
  const credentials: Credentials = {
    kind: "oauth2",
    user: ANN,
    getAccessToken: (renew) => {
      renewals.push(renew);
      return Promise.resolve("revoked-token");
    },
  };
  const error = await refusalOf(submitMail(target(server, credentials), mailTo()));
  assert.equal(error.fault, "token_refused");
  assert.match(error.message, /sign in again/);
});

Deno.test("submitMail() reports each recipient that is refused while others get the mail", async () => {
  await using server = await TestMailServer.start({ security: "tls", passwords: { [ANN]: PASSWORD } });
  server.refusals = {
    recipients: { "no@example.org": GMAIL.noSuchUser, "later@example.org": OTHERS.greylist },
  };
  const taken = await submitMail(target(server), mailTo([BOB, "no@example.org", "later@example.org"]));
  assert.deepEqual(taken.accepted, [BOB]);
  assert.deepEqual(taken.refused.map((error) => [error.recipients, error.fault, error.isTemporary]), [
    [["no@example.org"], "mailbox_unknown", false],
    [["later@example.org"], "greylisted", true],
  ]);
});

Deno.test("submitMail() sees a mail over the announced size before it sends it", async () => {
  await using server = await TestMailServer.start({
    security: "tls",
    sizeLimit: 1000,
    passwords: { [ANN]: PASSWORD },
  });
  let sent = 0;
  const big = mailTo([BOB], "x".repeat(2000));
  const error = await refusalOf(submitMail(target(server), big, { onProgress: (bytes) => sent = bytes }));
  assert.equal(error.fault, "too_large");
  assert.match(error.message, /\(2\.\d kB with its encoding\)/);
  assert.equal(sent, 0);
});

Deno.test("submitMail() tells a stopped server, an unknown host and a blocked port apart", async () => {
  const credentials = WITH_PASSWORD;
  const closed = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = closed.addr;
  closed.close();
  const at = (host: string, port: number) => ({
    endpoint: { host, port, security: "tls" as const },
    credentials,
    address: ANN,
  });
  // `localhost` stands for two addresses, and then Node's error has no words of its own.
  for (const host of ["127.0.0.1", "localhost"]) {
    const stopped = await refusalOf(submitMail(at(host, port), mailTo()));
    assert.equal(stopped.fault, "connection_refused");
    assert.equal(stopped.isTemporary, true);
    assert.match(
      stopped.message,
      new RegExp(`${host} refuses connections to port ${port}: .* may be stopped`),
    );
    assert.match(stopped.serverWords ?? "", new RegExp(`connect ECONNREFUSED 127\\.0\\.0\\.1:${port}$`));
  }

  const unknown = await refusalOf(submitMail(at("mail.invalid", 465), mailTo(), { connectTimeoutMs: 5000 }));
  assert.equal(unknown.fault, "no_network");
  assert.equal(unknown.isTemporary, true);

  using silent = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const waiting = refusalOf(
    submitMail(at("127.0.0.1", silent.addr.port), mailTo(), { connectTimeoutMs: 100 }),
  );
  using _accepted = await silent.accept();
  const blocked = await waiting;
  assert.equal(blocked.fault, "port_blocked");
  assert.match(blocked.message, /the network may block that port/);
  assert.equal(blocked.serverWords, "Connection timeout (ETIMEDOUT)");
});

Deno.test("submitMail() that loses the connection after the last byte leaves the mail in doubt", async () => {
  await using server = await TestMailServer.start({
    security: "starttls",
    passwords: { [ANN]: PASSWORD },
    onMail: (_mail, cut) => cut(),
  });
  const marks: string[] = [];
  const error = await refusalOf(submitMail(target(server), mailTo(), {
    beforeLastByte: () => Promise.resolve(void marks.push("marked")),
  }));
  assert.equal(error.fault, "in_doubt");
  assert.equal(error.isTemporary, false);
  assert.deepEqual(marks, ["marked"]);
});

Deno.test("submitMail() that loses the connection before the last byte may try again", async () => {
  await using server = await TestMailServer.start({ security: "tls", passwords: { [ANN]: PASSWORD } });
  const { promise, resolve } = Promise.withResolvers<void>();
  const mail: Submission = {
    ...mailTo(),
    open: () =>
      Readable.from((async function* () {
        yield new TextEncoder().encode("Subject: half\r\n");
        server.cutAll();
        await promise;
      })()),
  };
  const error = await refusalOf(submitMail(target(server), mail).finally(resolve));
  assert.equal(error.fault, "connection_lost");
  assert.equal(error.isTemporary, true);
});

Deno.test("submitMail() reports progress up to the whole of a large mail", async () => {
  await using server = await TestMailServer.start({ security: "starttls", passwords: { [ANN]: PASSWORD } });
  const chunk = new TextEncoder().encode(`${"x".repeat(76)}\r\n`.repeat(800));
  const head = new TextEncoder().encode("Subject: big\r\n\r\n");
  const sizeBytes = head.length + 40 * chunk.length;
  const seen: number[] = [];
  await submitMail(
    target(server),
    {
      envelope: { from: ANN, to: [BOB] },
      sizeBytes,
      open: () => Readable.from([head, ...Array(40).fill(chunk)]),
    },
    { onProgress: (sent, total) => (assert.equal(total, sizeBytes), void seen.push(sent)) },
  );
  assert.ok(seen.length > 30);
  assert.deepEqual(seen, seen.toSorted((a, b) => a - b));
  assert.equal(seen.at(-1), sizeBytes);
  assert.equal(server.mails[0]?.raw.length, sizeBytes);
});

Deno.test("submitMail() gives up when it is told to", async () => {
  await using server = await TestMailServer.start({ security: "tls", passwords: { [ANN]: PASSWORD } });
  const stop = new AbortController();
  const mail: Submission = {
    ...mailTo(),
    open: () => (stop.abort(), mailTo().open()),
  };
  const error = await refusalOf(submitMail(target(server), mail, { signal: stop.signal }));
  assert.equal(error.fault, "connection_lost");
  assert.deepEqual(server.mails, []);
});

Deno.test("submitMail() keeps a secret out of the error even when the server repeats it", async () => {
  await using server = await TestMailServer.start({ security: "tls" });
  const encoded = btoa(`\0${ANN}\0${PASSWORD}`);
  server.refusals = { signIn: `535 5.7.8 wrong: AUTH PLAIN ${encoded} (${PASSWORD})` };
  const error = await refusalOf(checkSignIn(target(server)));
  const everything = Deno.inspect(error, { depth: 10 }) + JSON.stringify(error) + error.stack;
  assert.ok(!everything.includes(PASSWORD));
  assert.ok(!everything.includes(encoded));
  assert.match(error.serverWords ?? "", /wrong: AUTH PLAIN \[hidden\] \(\[hidden\]\)/);
});
