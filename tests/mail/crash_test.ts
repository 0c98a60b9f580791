import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { buildMessage } from "../../lib/mail/message.ts";
import { openProfile } from "../../lib/store/profile.ts";
import { openTestOutbox, type SenderJob } from "../helpers/mail_sender_program.ts";
import { TestMailServer } from "../helpers/mail_server.ts";
import { tempFolder } from "../helpers/temp_folder.ts";

const PROGRAM = fileURLToPath(new URL("../helpers/mail_sender_program.ts", import.meta.url));
const PERMISSIONS = ["--allow-net", "--allow-read", "--allow-write", "--allow-env", "--allow-sys"];

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
  const outbox = openTestOutbox(profile, folder.path, server.endpoint);
  const message = buildMessage({
    from: { name: "", address: "ann@example.org" },
    to: [{ name: "", address: "bob@example.org" }],
    cc: [],
    bcc: [],
    subject: "Once",
    text: "Hello",
    attachments: [],
  });
  const { id } = await outbox.add("account", message, "Once");

  const job: SenderJob = { profile: folder.path, endpoint: server.endpoint, id };
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "-q", ...PERMISSIONS, PROGRAM, JSON.stringify(job)],
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  await arrived.promise;
  const [during] = await outbox.list();
  assert.deepEqual(
    [during?.state, during?.isBeingSent],
    ["in_doubt", true],
    "while it is being sent, nobody is asked",
  );
  assert.equal((await outbox.send(id)).kind, "skipped");

  child.kill("SIGKILL");
  await child.output();
  killed.resolve();
  const [after] = await outbox.list();
  assert.deepEqual([after?.state, after?.isBeingSent], ["in_doubt", false]);
  assert.equal(await outbox.sendDue(), null, "it is not sent again by itself");
  assert.equal(server.mails.length, 1, "and it was sent once");
  assert.equal(await outbox.drop(id), true);
  assert.deepEqual(await outbox.list(), []);
});
