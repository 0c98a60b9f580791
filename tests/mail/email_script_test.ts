import assert from "node:assert/strict";
import { join } from "node:path";
import { runMailOutbox } from "../../lib/commands/email/outbox.ts";
import { EmailDesk } from "../helpers/email_desk.ts";
import { emailScript as script } from "../helpers/email_script.ts";
import { GMAIL, OTHERS, TestMailServer } from "../helpers/mail_server.ts";

const PUBLISHED = {
  carol: "carol@example.org",
  mallory: "m@example.org\r\nBcc: all@example.org",
  trudy: "t@example.org, all@example.org",
};

/** A pipe and an account at a server. */
async function start(server: TestMailServer): Promise<EmailDesk> {
  const desk = new EmailDesk({ isPipe: true, published: PUBLISHED });
  await desk.addAccount(server.endpoint);
  return desk;
}

Deno.test("email --to … sends text from the flag or from standard input, with copies and attachments", async () => {
  await using server = await TestMailServer.start({ security: "tls" });
  await using desk = await start(server);
  const file = join(desk.folder, "日本.txt");
  await Deno.writeTextFile(file, "data");
  const flags = [
    "--to",
    "Bob <bob@example.org>",
    "--to",
    "carol",
    "--cc",
    "dan@example.org",
    "--bcc",
    "eve@example.org",
  ];
  const first = await script(
    desk,
    [...flags, "--subject", "Grüße", "--attach", file, "--json", "-"],
    "from\nstdin\n",
  );
  assert.equal(first.code, 0, first.errors);
  const reply = JSON.parse(first.out);
  assert.deepEqual([reply.state, reply.refused], ["sent", []]);
  assert.equal(reply.reply, "250 2.0.0 OK 1 queued");
  const mail = await server.mails[0]?.parse();
  assert.equal(mail?.messageId, reply.messageId);
  assert.equal(mail?.text?.trimEnd(), "from\nstdin");
  assert.deepEqual(mail?.to.value, [
    { name: "Bob", address: "bob@example.org" },
    { name: "carol", address: "carol@example.org" },
  ]);
  assert.equal(mail?.attachments[0]?.filename, "日本.txt");
  assert.deepEqual(reply.accepted, [
    "bob@example.org",
    "carol@example.org",
    "dan@example.org",
    "eve@example.org",
  ]);

  const second = await script(desk, ["--to", "bob@example.org", "plain words"]);
  assert.equal(second.code, 0);
  assert.match(second.out, /^Sent to bob@example\.org\.\r?\n/);
  assert.equal((await server.mails[1]?.parse())?.text?.trimEnd(), "plain words");
});

Deno.test("email tells a script what came of it by its exit code", async () => {
  await using server = await TestMailServer.start({ security: "tls" });
  await using desk = await start(server);
  const send = (...more: string[]) => script(desk, ["--to", "bob@example.org", ...more, "hi"]);

  server.refusals = { recipients: { "bob@example.org": GMAIL.noSuchUser } };
  const refused = await send("--json");
  assert.equal(refused.code, 1);
  const { state, problem } = JSON.parse(refused.out);
  assert.deepEqual([state, problem.fault, problem.smtpCode], ["failed", "mailbox_unknown", 550]);
  assert.deepEqual(await desk.parts.outbox.list(), [], "a script has the mail still");

  server.refusals = { signIn: GMAIL.badCredentials, sender: OTHERS.signInFirst };
  assert.equal((await send()).code, 4);

  server.refusals = { content: OTHERS.greylist };
  const later = await send();
  assert.equal(later.code, 3);
  assert.match(later.errors, /a few minutes later.*\n.*451 4\.7\.1.*\n.*kept in the outbox/);
  const listed = await script(desk, ["outbox", "--json"]);
  assert.equal(JSON.parse(listed.out).state, "queued");
  server.refusals = {};
  assert.equal((await script(desk, ["outbox", "retry"])).code, 0);
  assert.equal(server.mails.length, 1);

  for (
    const [args, reason] of [
      [[], /give --to/],
      [["--to", "nobody"], /has published an address/],
      [
        ["--to", "mallory"],
        /m@example\.org␍␊Bcc: all@example\.org, which mallory publishes, is not an address/,
      ],
      [["--to", "carol, trudy"], /which trudy publishes, is not an address/],
      [["--to", "ann@@x.org"], /more than one @/],
      [["--to", "a@b.org", "--attach", join(desk.folder, "none")], /no such file/],
      [["--to", "bob@example.org", "--subject", "no text"], /without a text: put it in quotes/], // was sent empty
      [["--what"], /unknown option/],
      [["outbox", "burn"], /give retry/],
      [["remove", "x@y.org"], /no mail account x@y\.org/],
    ] as [string[], RegExp][]
  ) {
    const wrong = await script(desk, args);
    assert.equal(wrong.code, 2, args.join(" "));
    assert.match(wrong.errors, reason);
  }
  assert.equal((await script(desk, ["--from", "other@example.org", "--to", "a@b.org"])).code, 4);
  const help = await script(desk, ["--help"]);
  assert.equal(help.code, 0);
  assert.match(help.out, /^Usage: mini-chat-client email /);
  assert.equal(server.mails.length, 1);
});

Deno.test("email ends with 3 when one recipient has the mail and another waits for it, with 1 when one was refused", async () => {
  await using server = await TestMailServer.start({ security: "tls" });
  await using desk = await start(server);
  server.refusals = {
    recipients: { "no@example.org": GMAIL.noSuchUser, "later@example.org": OTHERS.greylist },
  };
  const send = (...to: string[]) => script(desk, [...to.flatMap((one) => ["--to", one]), "--json", "hi"]);
  const some = await send("bob@example.org", "later@example.org");
  assert.equal(some.code, 3);
  const { state, accepted, outboxId } = JSON.parse(some.out);
  assert.deepEqual([state, accepted], ["sent", ["bob@example.org"]]);
  assert.equal(outboxId, (await desk.parts.outbox.list())[0]?.id);

  const inWords = await script(desk, ["--to", "bob@example.org, later@example.org", "hi"]);
  assert.match(
    inWords.out,
    /Not to later@example\.org: .*later\. It stays in the outbox for them\.\r?\n {2}451 4\.7\.1/,
  );

  assert.equal((await send("bob@example.org", "no@example.org")).code, 1);
  assert.equal((await send("bob@example.org", "no@example.org", "later@example.org")).code, 1);
});

Deno.test("email writes no colours to standard error, and names no time at which nothing would try", async () => {
  await using server = await TestMailServer.start({ security: "tls" });
  await using desk = await start(server);
  server.refusals = { content: OTHERS.greylist };
  const sent = await script(desk, ["--to", "bob@example.org", "hi"]);
  assert.equal(sent.code, 3);
  // deno-lint-ignore no-control-regex
  assert.doesNotMatch(sent.errors, /\x1b/);
  assert.match(
    sent.errors,
    /kept in the outbox: "email outbox retry" tries again, and so does Mini-Chat while/,
  );
  const { out } = await script(desk, ["outbox"]);
  assert.match(out, /waits after 1 attempt; it is tried while the menu of Mini-Chat is open/);
  for (const text of [sent.errors, out]) assert.doesNotMatch(text, /again at|\d\d:\d\d/);

  await using menu = new EmailDesk();
  await menu.addAccount(server.endpoint);
  await script(menu, ["--to", "bob@example.org", "hi"]);
  await menu.run("outbox");
  await menu.sees("waits after 1 attempt; it is tried again at ");
});

Deno.test("email accounts --json shows no secret; test and remove work in scripts", async () => {
  await using server = await TestMailServer.start({ security: "tls", passwords: { ann: "the-password" } });
  await using desk = new EmailDesk({ isPipe: true });
  assert.equal((await script(desk, ["test"])).code, 2);
  await desk.addAccount(server.endpoint, { kind: "password", user: "ann", password: "the-password" });
  const { out } = await script(desk, ["accounts", "--json"]);
  assert.deepEqual(JSON.parse(out), {
    address: "ann@example.org",
    name: "Ann",
    server: `localhost:${server.endpoint.port}`,
    security: "tls",
    signIn: "password, stored",
    default: true,
  });
  assert.equal((await script(desk, ["test"])).code, 0);
  assert.equal((await script(desk, ["remove", "ann@example.org"])).code, 0);
  assert.ok(!desk.tty.screen.written.includes("the-password"));
});

Deno.test("email runs a password command for each sign-in, and says when it fails", async () => {
  await using server = await TestMailServer.start({ security: "tls", passwords: { ann: "from a command" } });
  await using desk = new EmailDesk({ isPipe: true });
  const signIn = { kind: "password_command" as const, user: "ann" };
  await desk.addAccount(server.endpoint, { ...signIn, command: "echo from a command" });
  assert.equal((await script(desk, ["--to", "bob@example.org", "hi"])).code, 0);
  await desk.addAccount(server.endpoint, { ...signIn, command: "exit 3" }, "bad@example.org");
  const failed = await script(desk, ["--from", "bad@example.org", "--to", "bob@example.org", "hi"]);
  assert.equal(failed.code, 4);
  assert.match(failed.errors, /password command ended with status 3/);
});

Deno.test("the outbox at work tells each news once, above the line being typed, and asks about what is in doubt", async () => {
  await using server = await TestMailServer.start({ security: "tls" });
  await using desk = new EmailDesk();
  await desk.addAccount(server.endpoint);
  server.refusals = { content: OTHERS.greylist };
  await script(desk, ["--to", "bob@example.org", "--subject", "Later", "hi"]);
  const [entry] = await desk.parts.outbox.list();
  await desk.parts.store.insertOutboxEntry({ ...entry!, id: "doubt", state: "in_doubt" });
  await desk.parts.store.updateOutboxEntry(entry!.id, { nextAttemptAt: 0 });
  server.refusals = {};
  const stop = new AbortController();
  const running = runMailOutbox(desk.parts, stop.signal);
  await desk.sees(
    '1 mail in doubt, because Mini-Chat ended while sending: "email outbox" asks what became of it.',
  );
  await desk.sees('Mail "Later": Sent to bob@example.org.');
  stop.abort();
  await running;
  assert.equal(server.mails.length, 1);
  assert.deepEqual((await desk.parts.outbox.list()).map((item) => item.id), ["doubt"]);
});

Deno.test("the outbox waits with an account whose password is asked each time, until somebody can be asked", async () => {
  await using server = await TestMailServer.start({ security: "tls", passwords: { ann: "typed" } });
  await using desk = new EmailDesk();
  await desk.addAccount(server.endpoint, { kind: "password_asked", user: "ann" });
  server.refusals = { connect: GMAIL.tryLater };
  const sending = desk.run("bob@example.org");
  await desk.answers(["To:", ""], ["Copies", ""], ["Subject:", "Hi"], ["End the text", "Hello\r."], [
    "Attach",
    "",
  ]);
  await desk.answers(["Send it?", ""], ["Password of ann@example.org:", "typed"]);
  await sending;
  await desk.sees("tried again at");
  server.refusals = {};
  const [entry] = await desk.parts.outbox.list();
  const outcome = await desk.reopen().backgroundOutbox.retry(entry!);
  assert.equal(outcome.kind === "queued" && outcome.error.fault, "secret_missing");
  assert.equal((await script(desk, ["outbox", "retry"])).code, 0, "this run has been told the password");
  assert.equal(server.mails.length, 1);
});
