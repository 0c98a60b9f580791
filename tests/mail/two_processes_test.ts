import assert from "node:assert/strict";
import { buildMessage, type BuiltMessage } from "../../lib/mail/message.ts";
import { MailError } from "../../lib/mail/mail_error.ts";
import { openProfile } from "../../lib/profile/profile.ts";
import { openTestOutbox, startSender, submitTo } from "../helpers/mail_sender_program.ts";
import { TestMailServer } from "../helpers/mail_server.ts";
import { tempFolder } from "../helpers/temp_folder.ts";
import { waitUntil } from "../helpers/wait_until.ts";

/** Mails in each of two groups. */
const MAILS = 30;
/** Tries of one mail beside a process that lists; without the folder's lock one of the first 60 met a listing. */
const TRIES = 200;

function messageTo(to: string): BuiltMessage {
  return buildMessage({
    from: { name: "", address: "ann@example.org" },
    to: [{ name: "", address: to }],
    cc: [],
    bcc: [],
    subject: "Once",
    text: "Hello",
    attachments: [],
  });
}

Deno.test("mails sent while other processes list and retry the same outbox go out once each, and none is skipped", async () => {
  using folder = tempFolder();
  using profile = openProfile(folder.path);
  await using server = await TestMailServer.start({ security: "tls" });
  const outbox = openTestOutbox(profile, folder.path, submitTo(server.endpoint));
  const add = (to: string) => outbox.add("account", messageTo(to), "Once");
  const start = (work: "list" | "retry") =>
    startSender({ profile: folder.path, endpoint: server.endpoint, work });
  await using lister = start("list");
  await using retrier = start("retry");
  await Promise.all([lister.waitForLine(/working/), retrier.waitForLine(/working/)]);

  for (let n = 0; n < MAILS; n++) {
    // One for all to take, and one that is ours.
    (await add(`all${n}@example.org`))[Symbol.dispose]();
    using ours = await add(`ours${n}@example.org`);
    const [outcome] = await Promise.all([ours.send(), outbox.sendDue()]);
    assert.equal(outcome.kind, "sent", `mail ${n}`);
  }
  // The last one is left to the other process, so that it has a part in any case.
  (await add("last@example.org"))[Symbol.dispose]();
  await waitUntil("all mails are gone", async () => (await outbox.list()).length === 0, 60_000);

  await lister.closeInput();
  const [, rounds, wrong] = await lister.waitForLine(/listed (\d+) times, (\d+) wrongly in doubt/);
  assert.ok(Number(rounds) > 0);
  assert.equal(wrong, "0");
  await retrier.closeInput();
  const [, retried] = await retrier.waitForLine(/sent (\d+)/);
  assert.ok(Number(retried) > 0);

  const arrived = server.mails.map((mail) => mail.envelope.to[0]);
  assert.equal(arrived.length, 2 * MAILS + 1);
  assert.equal(new Set(arrived).size, arrived.length, "each arrived once");
});

Deno.test("a mail that another process only looks at is never taken for one that is being sent", async () => {
  using folder = tempFolder();
  using profile = openProfile(folder.path);
  const endpoint = { host: "localhost", port: 1, security: "tls" as const }; // nobody is asked
  const busy = new MailError("server_busy", "Cannot take the mail just now", { isTemporary: true });
  const outbox = openTestOutbox(profile, folder.path, () => Promise.reject(busy));
  const added = await outbox.add("account", messageTo("bob@example.org"), "Once");
  added[Symbol.dispose]();
  const { id } = added.entry;
  await using lister = startSender({ profile: folder.path, endpoint, work: "list" });
  await lister.waitForLine(/working/);
  for (let n = 0; n < TRIES; n++) {
    assert.equal((await outbox.retry({ id, state: "queued" })).kind, "queued", `try ${n}`);
  }
  await lister.closeInput();
  const [, rounds] = await lister.waitForLine(/listed (\d+) times/);
  assert.ok(Number(rounds) > 0);
  assert.equal((await outbox.list())[0]?.attempts, TRIES);
});
