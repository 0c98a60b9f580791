/**
 * The demo's e-mail: an account set up once, a mail with an attachment to a Mini-Chat user, and what the server received.
 * @module
 */
import assert from "node:assert/strict";
import { join } from "node:path";
import { TestMailServer } from "../helpers/mail_server.ts";
import { type Actor, scene, tell } from "./story.ts";

const ADDRESS = "ana@example.org";
/** As Google shows them: in groups of four. */
const APP_PASSWORD = "abcd efgh ijkl mnop";

/**
 * Plays it: Bob publishes an address, Ana sets her account up and writes to him by his Mini-Chat name.
 *
 * @param folder Where files may be put.
 * @param ana Signed in.
 * @param bob Signed in.
 */
export async function playMailScene(folder: string, ana: Actor, bob: Actor): Promise<void> {
  await using server = await TestMailServer.start({
    security: "starttls",
    passwords: { [ADDRESS]: APP_PASSWORD.replaceAll(" ", "") },
  });
  const ca = join(folder, "ca.pem");
  await Deno.writeTextFile(ca, server.endpoint.caPem);
  const file = join(folder, "Überraschung 🎁.txt");
  await Deno.writeTextFile(file, "с днём рождения");

  scene("Bob publishes an address; Ana sets up her mail account once, with an app password");
  await bob.types("settings address bob@example.org");
  await bob.prints(/address bob@example\.org/);
  await converse(ana, `email setup --ca ${ca}`, [
    [/Your e-mail address: /, ADDRESS],
    [/Name that recipients see .*: /, "Ana 👩‍🔬"],
    [/Choose 1-12: /, "Host and port"],
    [/Host of the mail server: /, "localhost"],
    [/Port .*: /, String(server.endpoint.port)],
    [/Choose 1-2 \[1\]: /, "STARTTLS"],
    [/Choose 1-3 \[1\]: /, "Password"],
    [/User name: /, ""],
    [/Choose 1-3 \[1\]: /, "Stored here"],
    [/Password: /, APP_PASSWORD],
    [/Send a test mail .*\? \[Y\/n\] /, "y"],
  ]);
  await ana.prints(/The server accepted the test mail to ana@example\.org/);

  scene("Ana writes to Bob by his Mini-Chat name, with a file (6, email)");
  await converse(ana, "6", [
    [/To: /, "bob"],
    [/Copies to .*: /, ""],
    [/Subject: /, "Grüße 東京"],
    [/End the text .*\n/, "Привет!\n👋 from the terminal\n."],
    [/Attach a file .*: /, file],
    [/Attach another .*: /, ""],
    [/Send it\? \[Y\/n\] /, "y"],
  ]);
  await ana.prints(/Sent to bob@example\.org\..*Message id: .*\n/s);
  const mail = await server.mails[1]?.parse();
  assert.equal(mail?.subject, "Grüße 東京");
  assert.equal(mail?.text?.trimEnd(), "Привет!\n👋 from the terminal");
  const [attachment] = mail?.attachments ?? [];
  assert.equal(new TextDecoder().decode(attachment?.content), "с днём рождения");
  for (
    const line of [
      `received over ${server.mails[1]?.isEncrypted ? "TLS" : "an open line"}, from ${
        mail?.from.value[0]?.name
      } <${mail?.from.value[0]?.address}>`,
      `subject: ${mail?.subject}`,
      `text: ${JSON.stringify(mail?.text?.trimEnd())}`,
      `attached: ${attachment?.filename}, ${attachment?.content.length} bytes`,
    ]
  ) tell(`  ${"mail".padEnd(7)}| ${line}`);
}

/** Types a command and answers its questions. */
async function converse(
  actor: Actor,
  command: string,
  exchange: readonly (readonly [RegExp, string])[],
): Promise<void> {
  await actor.types(command);
  for (const [question, answer] of exchange) {
    await actor.prints(question);
    await actor.types(answer);
  }
}
