import assert from "node:assert/strict";
import { emailAtMenu } from "../../lib/commands/email/option.ts";
import { resolveRecipients } from "../../lib/commands/email/recipients.ts";
import { ChatDesk } from "../helpers/chat_desk.ts";
import { join } from "node:path";
import { Interrupt } from "../../lib/terminal/read_line.ts";
import { EmailDesk } from "../helpers/email_desk.ts";
import { GMAIL, OTHERS, type Refusals, TestMailServer } from "../helpers/mail_server.ts";
import { TestOAuthServer } from "../helpers/mail_oauth_server.ts";

const ANN = "ann@example.org";
const APP_PASSWORD = "abcd efgh ijkl mnop";
const PASSWORD = APP_PASSWORD.replaceAll(" ", "");

/** Server questions for a server of one's own. */
function ownServer(server: TestMailServer, encryption: "TLS" | "STARTTLS"): [string, string][] {
  return [
    ["Who is your mail provider?", "Host and port"],
    ["Host of the mail server:", "localhost"],
    // The prompt holds 465: Ctrl+U empties the line.
    ["Port (465", `\x15${server.endpoint.port}`],
    ["How is it encrypted?", encryption],
  ];
}

async function writeCa(desk: EmailDesk, server: TestMailServer): Promise<string> {
  const path = join(desk.folder, "ca.pem");
  await Deno.writeTextFile(path, server.endpoint.caPem);
  return path;
}

Deno.test("option 6 leads from no account, by app password, to a delivered mail with an attachment", async () => {
  await using server = await TestMailServer.start({ security: "starttls", passwords: { [ANN]: PASSWORD } });
  await using desk = new EmailDesk();
  const photo = join(desk.folder, "Фото 🎉.bin");
  const content = crypto.getRandomValues(new Uint8Array(60_000));
  await Deno.writeFile(photo, content);
  const done = desk.run();
  await desk.answers(
    ["Your e-mail address:", ANN],
    ["Name that recipients see", "Ännchen 👵🏽"],
    ...ownServer(server, "STARTTLS"),
    ["How do you sign in?", "1"],
    ["User name:", ""],
    ["Where does the password come from?", "1"],
    ["Password:", APP_PASSWORD],
  );
  await desk.sees("The certificate of localhost cannot be trusted, so nothing was sent");
  await desk.answers(
    ["File with the server's own CA", await writeCa(desk, server)],
    ["Send a test mail to", "y"],
    ["To:", "Bob <bob@example.org>, carol@example"],
    ["has no ending such as .org", ".org"],
    ["Copies to", ""],
    ["Subject:", "Grüße 東京"],
    ["End the text with a line", "Привет,\n👩🏽‍🚀 line two\n."],
    ["Attach a file", photo],
    ["Attach another", ""],
    ["Send it?", "y"],
  );
  await done;
  await desk.sees("Sent to bob@example.org, carol@example.org.");
  await desk.sees("The server says: 250 2.0.0 OK 2 queued");
  await desk.sees("Message id: <");
  assert.deepEqual(server.signIns.slice(-1), [`PLAIN ${ANN}`]);
  const [test, mail] = await Promise.all(server.mails.map((item) => item.parse()));
  assert.equal(test?.subject, "Mini-Chat can send from this account");
  assert.deepEqual(mail?.from.value, [{ name: "Ännchen 👵🏽", address: ANN }]);
  assert.equal(mail?.subject, "Grüße 東京");
  assert.equal(mail?.text?.trimEnd(), "Привет,\n👩🏽‍🚀 line two");
  assert.equal(mail?.attachments[0]?.filename, "Фото 🎉.bin");
  assert.deepEqual(new Uint8Array(mail?.attachments[0]?.content ?? []), content);
  assert.ok(!desk.tty.screen.written.includes(PASSWORD), "the password is never shown");
  assert.deepEqual(await desk.parts.store.listMailDrafts(), []);
  assert.deepEqual(await desk.parts.outbox.list(), []);
});

/** Questions and answers that set up OAuth2 at a provider of one's own, up to the browser. */
function ownOAuth(oauth: TestOAuthServer): [string, string][] {
  return [
    ["How do you sign in?", "2"],
    ["User name:", ""],
    ["Authorization address", oauth.service.authorizationUrl],
    ["Token address", oauth.service.tokenUrl],
    ["Scope:", "mail"],
    ["Client id:", "our-client"],
    ["Client secret", "client-secret"],
  ];
}

Deno.test("email setup signs in with OAuth2 through the browser, and again once consent was revoked", async () => {
  await using oauth = await TestOAuthServer.start();
  await using server = await TestMailServer.start({
    security: "tls",
    checkToken: (user, token) => oauth.isGood(user, token),
  });
  await using desk = new EmailDesk({
    openBrowser: async (url) => {
      const page = await fetch(await oauth.visit(url)); // a browser follows the redirect to the loopback address
      await page.body?.cancel();
      return true;
    },
  });
  const ca = await writeCa(desk, server);
  const setUp = desk.run(`setup --ca ${ca}`);
  await desk.answers(
    ["Your e-mail address:", ANN],
    ["Name that recipients see", ""],
    ...ownServer(server, "TLS"),
    ...ownOAuth(oauth),
    ["The provider lets Mini-Chat send for you.", "y"],
  );
  await setUp;
  await desk.sees("The server accepted the test mail to ann@example.org");
  assert.deepEqual(server.signIns, [`XOAUTH2 ${ANN}`, `XOAUTH2 ${ANN}`]);
  assert.ok(!desk.tty.screen.written.includes("client-secret"));

  oauth.revokeAll();
  await desk.run("test");
  await desk.sees('has expired or was revoked: run "email setup" to sign in again');
  const again = desk.run("setup");
  await desk.answers(
    ["Your e-mail address:", ANN],
    ["Name that recipients see", ""],
    ["Use localhost, port", ""],
    ["How do you sign in?", ""],
    ["User name:", ""],
    ["Use the same OAuth2 client as before?", ""],
    ["accepts the sign-in", ""],
  );
  await again;
  assert.equal(server.mails.length, 2);
  assert.equal((await desk.parts.store.listMailAccounts()).length, 1);
});

Deno.test("email setup over ssh prints the link, and takes the final address pasted", async () => {
  await using oauth = await TestOAuthServer.start();
  await using server = await TestMailServer.start({
    security: "tls",
    checkToken: (u, t) => oauth.isGood(u, t),
  });
  await using desk = new EmailDesk({ columns: 600 });
  const setUp = desk.run(`setup --ca ${await writeCa(desk, server)}`);
  await desk.answers(
    ["Your e-mail address:", ANN],
    ["Name that recipients see", ""],
    ...ownServer(server, "TLS"),
    ...ownOAuth(oauth),
  );
  await desk.sees("Open this link in a browser:");
  await desk.sees("Address:");
  const link = desk.tty.screen.text().match(/https:\/\/localhost:\d+\/consent\?\S+/)?.[0] ?? "";
  const answer = await oauth.visit(link);
  const forged = new URL(answer);
  forged.searchParams.set("state", "somebody-elses");
  desk.tty.type(`${forged.href}\r`);
  await desk.sees("That address belongs to another sign-in");
  desk.tty.type(`${answer.href}\r`);
  await desk.answers(["accepts the sign-in", "n"]);
  await setUp;
  assert.equal((await desk.parts.store.listMailAccounts())[0]?.signIn.kind, "oauth2");
});

Deno.test("email setup whose input has ended still waits for the browser, and Ctrl+C ends that", async () => {
  await using oauth = await TestOAuthServer.start();
  await using server = await TestMailServer.start({ security: "tls" });
  await using desk = new EmailDesk({ isPipe: true });
  const stop = new AbortController();
  const setUp = desk.run(`setup --ca ${await writeCa(desk, server)}`, stop.signal);
  const answers = [
    ["Your e-mail address:", ANN],
    ["Name that recipients see", ""],
    ...ownServer(server, "TLS"),
    ...ownOAuth(oauth),
  ].map(([, answer = ""]) => `${answer.replace("\x15", "")}\n`);
  desk.tty.type(...answers, null);
  await desk.sees("Address:");
  await desk.tty.settle();
  stop.abort(new Interrupt());
  await assert.rejects(setUp, Interrupt);
});

Deno.test("email setup asks for a refused password again, keeps the user name, and shows Gmail's words beneath", async () => {
  await using server = await TestMailServer.start({ security: "tls", passwords: { "ann-login": PASSWORD } });
  await using desk = new EmailDesk();
  server.refusals = { signIn: GMAIL.appPassword };
  const setUp = desk.run(`setup --ca ${await writeCa(desk, server)}`);
  await desk.answers(
    ["Your e-mail address:", "ann@gmail"],
    ["has no ending such as .org", ANN],
    ["Name that recipients see", ""],
    ...ownServer(server, "TLS"),
    ["How do you sign in?", ""],
    ["User name:", "\x15ann-login"],
    ["Where does the password come from?", "1"],
    ["Password:", "my real password"],
  );
  await desk.sees("wants an app password, not the usual one");
  await desk.sees("534 5.7.9 Application-specific password required.");
  server.refusals = {};
  await desk.answers(["Password (Enter: something else):", "mistyped"]);
  await desk.sees("That password is not accepted.");
  await desk.sees("535 5.7.8 Username and Password not accepted.");
  await desk.answers(
    ["Password (Enter: something else):", APP_PASSWORD],
    ["accepts the sign-in", "y"],
  );
  await setUp;
  assert.equal(server.mails[0]?.user, "ann-login");
  const [account] = await desk.parts.store.listMailAccounts();
  assert.deepEqual(account?.signIn, { kind: "password", user: "ann-login", password: PASSWORD });
});

Deno.test("email setup offers another way after a refused password, with the answers so far as they were", async () => {
  await using server = await TestMailServer.start({ security: "tls", passwords: { "ann-login": PASSWORD } });
  await using desk = new EmailDesk();
  const setUp = desk.run(`setup --ca ${await writeCa(desk, server)}`);
  await desk.answers(
    ["Your e-mail address:", ANN],
    ["Name that recipients see", ""],
    ...ownServer(server, "TLS"),
    ["How do you sign in?", ""],
    ["User name:", "\x15ann-login"],
    ["Where does the password come from?", "2"],
    ["Command:", "echo wrong"],
    ["That password is not accepted.", "\x15exit 3"],
    ["The password command ended with status 3", "\x15"],
    ["What now?", "1"],
    ["How do you sign in?", ""],
    ["User name: ann-login", ""],
    ["Where does the password come from?", "3"],
    ["Password:", "mistyped"],
    ["Password (Enter: something else):", APP_PASSWORD],
    ["accepts the sign-in", "y"],
  );
  await setUp;
  assert.equal(server.mails.length, 1);
  const [account] = await desk.parts.store.listMailAccounts();
  assert.deepEqual(
    account?.signIn,
    { kind: "password_asked", user: "ann-login" },
    "a password asked each time is kept nowhere",
  );
});

Deno.test("a mail whose password was mistyped asks for it again, and is a draft again when it is not given", async () => {
  await using server = await TestMailServer.start({ security: "tls", passwords: { ann: "right" } });
  await using desk = new EmailDesk();
  await desk.addAccount(server.endpoint, { kind: "password_asked", user: "ann" });
  const first = desk.run("bob@example.org");
  await desk.answers(["To:", ""], ["Copies", ""], ["Subject:", "Hi"], ["End the text", "Hello\r."]);
  await desk.answers(["Attach", ""], ["Send it?", ""], ["Password of ann@example.org:", "wrong"]);
  await desk.answers(["That password is not accepted.", ""]);
  await first;
  await desk.sees("Nothing was sent. It is kept as a draft");
  assert.deepEqual(await desk.parts.outbox.list(), []);

  const goOn: [string, string][] = [
    ["A draft is waiting", ""],
    ["To:", ""],
    ["Copies", ""],
    ["Subject:", ""],
    [
      "Hello",
      ".",
    ],
    ["Attach", ""],
    ["Send it?", ""],
  ];
  const second = desk.run();
  await desk.answers(...goOn, ["Password of ann@example.org:", "wrong"]);
  await desk.sees("Password of ann@example.org (Enter: give up):");
  desk.tty.type("\x03");
  await assert.rejects(second, /Interrupted/);
  await desk.sees("Not sent. It is kept as a draft");
  assert.deepEqual(await desk.parts.outbox.list(), [], "what is a draft again must not go out by itself");

  const third = desk.run();
  await desk.answers(...goOn, ["Password of ann@example.org:", "wrong"], ["(Enter: give up):", "right"]);
  await third;
  await desk.sees("Sent to bob@example.org.");
  assert.deepEqual(server.mails.map((mail) => mail.user), ["ann"]);
});

const ON_SCREEN: readonly [Refusals, sentence: string, words: string, then: string][] = [
  [{ signIn: GMAIL.appPassword }, "wants an app password", "534 5.7.9", "kept as a draft"],
  [{ signIn: GMAIL.badCredentials }, "does not accept the password", "535 5.7.8", "kept as a draft"],
  [{ signIn: GMAIL.webLogin }, "once in a web browser", "534 5.7.14", "kept as a draft"],
  [{ signIn: OTHERS.outlookBasic }, "choose OAuth2", "535 5.7.139", "kept as a draft"],
  [
    { recipients: { "bob@example.org": GMAIL.noSuchUser } },
    "bob@example.org does not exist",
    "550 5.1.1",
    "kept as a draft",
  ],
  [{ content: GMAIL.tooLarge }, "smaller attachments", "552 5.2.3", "kept as a draft"],
  [{ content: GMAIL.blockedContent }, "because of its content", "552 5.7.0", "kept as a draft"],
  [{ content: GMAIL.malformed }, "will not help", "554 5.6.0", "kept as a draft"],
  [{ content: GMAIL.dailyLimit }, "in 24 hours", "550 5.4.5", "kept as a draft"],
  [{ connect: GMAIL.tryLater }, "asked too often", "421 4.7.0", "tried again at"],
  [{ recipients: { "bob@example.org": GMAIL.tooQuickly } }, "asked too often", "450 4.2.1", "tried again at"],
  [
    { recipients: { "bob@example.org": OTHERS.greylist } },
    "a few minutes later",
    "451 4.7.1",
    "tried again at",
  ],
  [{ recipients: { "bob@example.org": GMAIL.overQuota } }, "has no room", "452 4.2.2", "tried again at"],
];

Deno.test("option 6 shows each refusal as the next step, the server's words beneath, and keeps what was written", async (context) => {
  await using server = await TestMailServer.start({ security: "tls", passwords: { [ANN]: PASSWORD } });
  for (const [refusals, sentence, words, then] of ON_SCREEN) {
    await context.step(`${words}: ${sentence}`, async () => {
      await using desk = new EmailDesk();
      await desk.addAccount(server.endpoint, { kind: "password", user: ANN, password: PASSWORD });
      server.refusals = refusals;
      const done = desk.run("bob@example.org");
      await desk.answers(["To:", ""], ["Copies to", ""], ["Subject:", "Hi"], ["End the text", "Hello\r."], [
        "Attach",
        "",
      ], ["Send it?", ""]);
      await done;
      await desk.sees(sentence);
      await desk.sees(words);
      await desk.sees(then);
      const [draft] = await desk.parts.store.listMailDrafts();
      const items = await desk.parts.outbox.list();
      if (then === "kept as a draft") {
        assert.deepEqual([draft?.to, draft?.subject, draft?.text], ["bob@example.org", "Hi", "Hello"]);
        assert.deepEqual(items, []);
      } else {
        assert.equal(draft, undefined);
        assert.deepEqual(items.map((item) => item.state), ["queued"]);
      }
    });
  }
});

Deno.test("a draft survives Ctrl+C in the middle of the text, and the next option 6 goes on with it", async () => {
  await using server = await TestMailServer.start({ security: "tls" });
  await using desk = new EmailDesk({ published: { bob: "bob@example.org" } });
  await desk.addAccount(server.endpoint);
  const first = desk.run();
  await desk.answers(["To:", "bob"], ["Copies to", "carol@example.org"], ["Subject:", "Plans"], [
    "End the text",
    "line one\rline two",
  ]);
  await desk.sees("line two");
  desk.tty.type("\x03");
  await assert.rejects(first, /Interrupted/);
  await desk.sees("It is kept as a draft");
  const second = desk.run();
  await desk.answers(
    ['A draft is waiting: "Plans" to bob', ""],
    ["To:", ""],
    ["Copies to", ""],
    ["Subject:", ""],
    ["line two", "line three\r."],
    ["Attach", ""],
    ["Send it?", "y"],
  );
  await second;
  const mail = await server.mails[0]?.parse();
  assert.equal(mail?.text?.trimEnd(), "line one\nline two\nline three");
  assert.deepEqual(server.mails[0]?.envelope.to, ["bob@example.org", "carol@example.org"]);
  assert.deepEqual(mail?.to.value, [{ name: "bob", address: "bob@example.org" }]);
});

Deno.test("a text is kept while it is being typed, so that a crash costs a second of it", async () => {
  await using server = await TestMailServer.start({ security: "tls" });
  await using desk = new EmailDesk();
  await desk.addAccount(server.endpoint);
  let now = 1_000_000;
  const parts = { ...desk.parts, now: () => now };
  const { composeEmail } = await import("../../lib/commands/email/compose.ts");
  const done = composeEmail(parts, "bob@example.org", new AbortController().signal);
  await desk.answers(["To:", ""], ["Copies to", ""], ["Subject:", "Hi"]);
  await desk.sees("End the text");
  await desk.tty.keys("first words");
  now += 2_000;
  await desk.tty.keys(" and more");
  assert.match((await desk.parts.store.listMailDrafts())[0]?.text ?? "", /^first words /);
  desk.tty.type("\x03");
  await assert.rejects(done);
});

Deno.test("email outbox asks about a mail in doubt, tries again, and drops", async () => {
  let cuts = 2;
  await using server = await TestMailServer.start({
    security: "tls",
    onMail: (_mail, cut) => void (cuts-- > 0 && cut()),
  });
  await using desk = new EmailDesk();
  await desk.addAccount(server.endpoint);
  for (const subject of ["One", "Two"]) {
    const done = desk.run("bob@example.org");
    await desk.answers(["To:", ""], ["Copies to", ""], ["Subject:", subject], ["End the text", "Hello\r."], [
      "Attach",
      "",
    ], ["Send it?", ""]);
    await done;
    await desk.sees("it may or may not have been taken");
  }
  const settling = desk.run("outbox");
  await desk.sees("in doubt: it may have arrived");
  await desk.answers(['Did mail 1, "One", arrive?', "1"], ['Did mail 2, "Two", arrive?', "2"]);
  await settling;
  await desk.sees("Sent to bob@example.org.");
  assert.equal(server.mails.length, 1);
  await desk.run("outbox");
  await desk.sees("The mail outbox is empty.");
});

Deno.test("email accounts, default and remove manage several; remove gives an OAuth2 consent back", async () => {
  await using oauth = await TestOAuthServer.start();
  await using server = await TestMailServer.start({ security: "tls" });
  await using desk = new EmailDesk();
  await desk.addAccount(server.endpoint, { kind: "password", user: ANN, password: PASSWORD });
  const tokens = { refreshToken: "r", accessToken: "a", accessTokenExpiresAt: 0 };
  await desk.addAccount(
    server.endpoint,
    { kind: "oauth2", user: "x", settings: oauth.settings, tokens },
    "bob@example.org",
  );
  await desk.run("accounts");
  await desk.sees("ann@example.org  (default)");
  await desk.run("default bob@example.org");
  await desk.run("accounts");
  await desk.sees("bob@example.org  (default)");
  const removing = desk.run("remove bob@example.org");
  await desk.answers(["Remove bob@example.org from this profile?", "y"]);
  await removing;
  await desk.sees("the provider has ended the access");
  assert.ok(!desk.tty.screen.written.includes(PASSWORD));
  assert.deepEqual((await desk.parts.store.listMailAccounts()).map((account) => account.address), [ANN]);
});

Deno.test("a Mini-Chat name without a connection is not said to have published no address", async () => {
  await using desk = new ChatDesk();
  const surroundings = {
    profileFolder: desk.profileFolder,
    homeFolder: undefined,
    openBrowser: () => Promise.resolve(false),
  };
  const { findPublishedAddress } = emailAtMenu(desk.app, surroundings);
  const away = await resolveRecipients("bob", findPublishedAddress);
  assert.deepEqual(away, {
    addresses: [],
    problems: [
      "bob has no @, and the addresses of Mini-Chat users can be looked up only while you are connected",
    ],
  });
  const none = await resolveRecipients("bob", () => Promise.resolve(null));
  assert.match(none.problems[0]!, /no Mini-Chat user of that name has published an address$/);
});
