import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { join } from "node:path";
import fc from "fast-check";
import { simpleParser } from "mailparser";
import { UsageError } from "../../lib/errors.ts";
import { buildMessage, describeAttachment, type MailContent } from "../../lib/mail/message.ts";
import type { ParsedMail } from "../helpers/mail_server.ts";
import { tempFolder } from "../helpers/temp_folder.ts";

const PLAIN: MailContent = {
  from: { name: "Ann", address: "ann@example.org" },
  to: [{ name: "", address: "bob@example.org" }],
  cc: [],
  bcc: [],
  subject: "",
  text: "",
  attachments: [],
};

async function bytesOf(content: MailContent): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  const { stream } = buildMessage(content, { sentAt: Date.UTC(2024, 4, 6, 7, 8, 9), uniqueId: "unique" });
  for await (const chunk of stream as AsyncIterable<Uint8Array>) chunks.push(chunk);
  return Buffer.concat(chunks);
}

async function arrives(content: MailContent): Promise<ParsedMail> {
  return await simpleParser(Buffer.from(await bytesOf(content)));
}

Deno.test("buildMessage() carries names, subject, text and file names of any script as written", async () => {
  using folder = tempFolder();
  const files = ["Fotos 2024 – Ärger.png", "报告（最终版）.pdf", '🎉 party; "quoted".bin', "plain.txt"];
  const contents = files.map((_, at) => crypto.getRandomValues(new Uint8Array(1000 * at * at + 1)));
  const attachments = await Promise.all(files.map(async (name, at) => {
    const path = join(folder.path, `${at}`);
    await Deno.writeFile(path, contents[at] ?? new Uint8Array());
    return { ...await describeAttachment(path), fileName: name };
  }));
  const content: MailContent = {
    from: { name: 'Ännchen "die Ältere", d. J. 👵🏽', address: "ann@example.org" },
    to: [{ name: "Владимир", address: "v@example.org" }, { name: "山田 太郎", address: "taro@example.org" }],
    cc: [{ name: "مُحَمَّد", address: "m@example.org" }],
    bcc: [{ name: "", address: "hidden@example.org" }],
    subject: "Grüße aus 東京 – 👩‍👩‍👧‍👦 и Москвы: ".repeat(4).trim(),
    text: "Первая строка\n\n.\n.. dots\nFrom here on\n" + "long ".repeat(400) +
      "\n\ttab, trailing \n\n👩🏽‍🚀 end",
    attachments,
  };
  const built = buildMessage(content);
  assert.deepEqual(built.envelope, {
    from: "ann@example.org",
    to: ["v@example.org", "taro@example.org", "m@example.org", "hidden@example.org"],
  });
  built.stream.destroy();
  const mail = await arrives(content);
  assert.deepEqual(mail.from.value, [content.from]);
  assert.deepEqual(mail.to.value, content.to);
  assert.deepEqual(mail.cc?.value, content.cc);
  assert.equal(mail.subject, content.subject);
  assert.equal(mail.text, content.text);
  assert.deepEqual(mail.attachments.map((item) => item.filename), files);
  mail.attachments.forEach((item, at) => assert.deepEqual(new Uint8Array(item.content), contents[at]));
});

Deno.test("buildMessage() tells nobody who gets a hidden copy", async () => {
  const bcc = [{ name: "Secret", address: "hidden@example.org" }];
  const text = new TextDecoder().decode(await bytesOf({ ...PLAIN, bcc, text: "hi" }));
  assert.ok(!/hidden|secret|bcc/i.test(text));
});

Deno.test("buildMessage() lets no header in through a name, a subject or a file name", async () => {
  const evil = "x\r\nBcc: victim@example.org\r\n\r\nbody";
  const content: MailContent = {
    ...PLAIN,
    from: { name: evil, address: "ann@example.org" },
    subject: evil,
    text: "hi",
  };
  const mail = await arrives(content);
  assert.equal(mail.headers.has("bcc"), false);
  assert.equal(mail.text?.trim(), "hi");
});

Deno.test("buildMessage() writes lines of at most 998 bytes, ended by CRLF alone, and the same bytes each time", async () => {
  const content = {
    ...PLAIN,
    subject: "é".repeat(900),
    text: "x".repeat(5000) + "\nlone\rreturn\r\nand feed\n",
  };
  const bytes = await bytesOf(content);
  const text = new TextDecoder("latin1").decode(bytes);
  assert.ok(!/(?<!\r)\n|\r(?!\n)/.test(text));
  assert.ok(text.split("\r\n").every((line) => line.length <= 998));
  assert.deepEqual(await bytesOf(content), bytes);
  assert.match(text, /^Message-ID: <unique@example\.org>\r$/mi);
  assert.match(text, /^Date: Mon, 06 May 2024 07:08:09 \+0000\r$/m);
});

Deno.test("buildMessage() then mailparser gives back any subject and text", async () => {
  const line = fc.string({ unit: "grapheme", maxLength: 120 }).map((text) =>
    text.replace(/[\p{Cc}\p{Cs}\u2028\u2029]/gu, "")
  );
  await fc.assert(
    fc.asyncProperty(line, fc.array(line, { maxLength: 6 }), async (subject, lines) => {
      const tidy = subject.replace(/\s+/g, " ").trim();
      const mail = await arrives({ ...PLAIN, subject: tidy, text: lines.join("\n") });
      assert.equal(mail.subject ?? "", tidy);
      // mailparser drops the end of the last line, as a mail cannot tell whether there was one.
      assert.equal((mail.text ?? "").replace(/\n$/, ""), lines.join("\n").replace(/\n$/, ""));
    }),
    { numRuns: 150 },
  );
});

Deno.test("describeAttachment() says why a file cannot be sent along", async () => {
  using folder = tempFolder();
  const path = join(folder.path, "Ä b.txt");
  await Deno.writeTextFile(path, "12345");
  assert.deepEqual(await describeAttachment(path), { path, fileName: "Ä b.txt", sizeBytes: 5 });
  await assert.rejects(
    describeAttachment(folder.path),
    (error) => error instanceof UsageError && /: it is a folder$/.test(error.message),
  );
  await assert.rejects(
    describeAttachment(join(folder.path, "none")),
    /Cannot attach .*none: there is no such file$/,
  );
});
