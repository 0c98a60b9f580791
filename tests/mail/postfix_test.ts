// Debian packages: postfix, sasl2-bin (saslpasswd2), libsasl2-modules (PLAIN and LOGIN). Left out without root or these.
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { join } from "node:path";
import { Readable } from "node:stream";
import { simpleParser } from "mailparser";
import type { MailError } from "../../lib/mail/mail_error.ts";
import { buildMessage, describeAttachment } from "../../lib/mail/message.ts";
import { submitMail } from "../../lib/mail/smtp/dialogue.ts";
import type { Submission } from "../../lib/mail/submission.ts";
import { POSTFIX_DOMAIN, POSTFIX_SIZE_LIMIT, TestPostfix } from "../helpers/mail_postfix.ts";
import type { ParsedMail } from "../helpers/mail_server.ts";
import { testWith } from "../helpers/needs.ts";
import { tempFolder } from "../helpers/temp_folder.ts";

const ANN = `ann@${POSTFIX_DOMAIN}`;
const BOB = `bob@${POSTFIX_DOMAIN}`;

async function toSubmission(
  message: ReturnType<typeof buildMessage>,
): Promise<Submission & { bytes: Uint8Array }> {
  const bytes = Buffer.concat(await Array.fromAsync(message.stream as AsyncIterable<Uint8Array>));
  return { envelope: message.envelope, sizeBytes: bytes.length, open: () => Readable.from([bytes]), bytes };
}

testWith(
  ["linux", "root", { command: "postfix" }, { command: "saslpasswd2" }],
  "a real Postfix takes mail over STARTTLS with SASL, delivers it byte for byte, and its refusals are understood",
  async () => {
    using folder = tempFolder();
    await using postfix = await TestPostfix.start();
    const password = { kind: "password" as const, user: "ann", password: "password of ann" };
    const target = { endpoint: postfix.endpoint, credentials: password, address: ANN };
    const photo = join(folder.path, "Фото 🎉.bin");
    const content = crypto.getRandomValues(new Uint8Array(50_000));
    await Deno.writeFile(photo, content);
    const mailTo = (address: string, text: string) =>
      buildMessage({
        from: { name: "Ännchen 👵🏽", address: ANN },
        to: [{ name: "山田 太郎", address }],
        cc: [],
        bcc: [],
        subject: "Grüße из Москвы",
        text,
        attachments: [],
      });
    const withPhoto = buildMessage({
      from: { name: "Ännchen 👵🏽", address: ANN },
      to: [{ name: "山田 太郎", address: BOB }],
      cc: [],
      bcc: [],
      subject: "Grüße из Москвы",
      text: "Привет\n.\n..two dots\nFrom here",
      attachments: [await describeAttachment(photo)],
    });
    const mail = await toSubmission(withPhoto);
    const taken = await submitMail(target, mail);
    assert.match(taken.reply, /^250 2\.0\.0 Ok: queued as /);
    const arrived = await postfix.receive("bob");

    // What is behind the headers that Postfix puts in front is what was sent, with LF as a mailbox file has it.
    const sent = new TextDecoder().decode(mail.bytes).replaceAll("\r\n", "\n");
    assert.ok(new TextDecoder().decode(arrived).endsWith(sent));
    const parsed: ParsedMail = await simpleParser(Buffer.from(arrived));
    assert.deepEqual(parsed.from.value, [{ name: "Ännchen 👵🏽", address: ANN }]);
    assert.deepEqual(parsed.to.value, [{ name: "山田 太郎", address: BOB }]);
    assert.equal(parsed.subject, "Grüße из Москвы");
    assert.equal(parsed.text?.trimEnd(), "Привет\n.\n..two dots\nFrom here");
    assert.equal(parsed.attachments[0]?.filename, "Фото 🎉.bin");
    assert.deepEqual(new Uint8Array(parsed.attachments[0]?.content ?? []), content);
    assert.match(postfix.log, /sasl_method=PLAIN, sasl_username=ann/);
    assert.match(postfix.log, /TLSv1\.3 with cipher/);
    assert.match(postfix.log, /data=1 quit=1/); // it was said goodbye to

    const faultOf = async (sending: Promise<unknown>): Promise<MailError> =>
      await sending.then(() => null, (error) => error);
    const unknown = await faultOf(
      submitMail(target, await toSubmission(mailTo(`nobody@${POSTFIX_DOMAIN}`, "hi"))),
    );
    assert.equal(unknown?.fault, "mailbox_unknown");
    const wrong = { ...target, credentials: { ...password, password: "wrong password" } };
    const refused = await faultOf(submitMail(wrong, await toSubmission(mailTo(BOB, "hi"))));
    assert.equal(refused?.fault, "wrong_password");
    assert.ok(!Deno.inspect(refused).includes("wrong password"));
    const large = await toSubmission(mailTo(BOB, "x".repeat(POSTFIX_SIZE_LIMIT)));
    assert.equal((await faultOf(submitMail(target, large)))?.fault, "too_large");
    const stranger = { ...target, credentials: { kind: "none" as const } };
    assert.equal(
      (await faultOf(submitMail(stranger, await toSubmission(mailTo(BOB, "hi")))))?.isTemporary,
      false,
    );
    const { caPem: _ca, ...builtInRoots } = postfix.endpoint;
    const untrusted = { ...target, endpoint: builtInRoots };
    assert.equal(
      (await faultOf(submitMail(untrusted, await toSubmission(mailTo(BOB, "hi")))))?.fault,
      "certificate",
    );
  },
);
