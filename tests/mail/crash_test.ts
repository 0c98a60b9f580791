import assert from "node:assert/strict";
import { buildMessage } from "../../lib/mail/message.ts";
import { openProfile } from "../../lib/profile/profile.ts";
import { openTestOutbox, startSender, submitTo } from "../helpers/mail_sender_program.ts";
import { TestMailServer } from "../helpers/mail_server.ts";
import { tempFolder } from "../helpers/temp_folder.ts";

Deno.test("a client killed between the server's yes and its own note leaves one mail in doubt", async () => {
  using folder = tempFolder();
  using profile = openProfile(folder.path);
  const arrived = Promise.withResolvers<void>();
  const killed = Promise.withResolvers<void>();
  await using server = await TestMailServer.start({
    security: "tls",
    onMail: async () => {
      arrived.resolve();
      await killed.promise; // the server has the mail, and will say yes to nobody
    },
  });
  const outbox = openTestOutbox(profile, folder.path, submitTo(server.endpoint));
  const message = buildMessage({
    from: { name: "", address: "ann@example.org" },
    to: [{ name: "", address: "bob@example.org" }],
    cc: [],
    bcc: [],
    subject: "Once",
    text: "Hello",
    attachments: [],
  });
  const added = await outbox.add("account", message, "Once");
  const { id } = added.entry;
  added[Symbol.dispose](); // for the program to send

  await using child = startSender({
    profile: folder.path,
    endpoint: server.endpoint,
    work: { send: id },
  });
  await arrived.promise;
  const [during] = await outbox.list();
  assert.deepEqual(
    [during?.state, during?.isBeingSent],
    ["in_doubt", true],
    "while it is being sent, nobody is asked",
  );
  assert.equal((await outbox.retry({ id, state: "queued" })).kind, "skipped");

  await child.kill();
  killed.resolve();
  const [after] = await outbox.list();
  assert.deepEqual([after?.state, after?.isBeingSent], ["in_doubt", false]);
  assert.equal(await outbox.sendDue(), null, "it is not sent again by itself");
  assert.equal(server.mails.length, 1, "and it was sent once");
  assert.equal(await outbox.drop(id), true);
  assert.deepEqual(await outbox.list(), []);
});
