import assert from "node:assert/strict";
import { join } from "node:path";
import { Readable } from "node:stream";
import { buildMessage, type BuiltMessage } from "../../lib/mail/message.ts";
import { Outbox } from "../../lib/mail/outbox.ts";
import { runOutbox } from "../../lib/commands/email/outbox.ts";
import { MailSpool } from "../../lib/mail/outbox/spool.ts";
import { submitMail } from "../../lib/mail/smtp/dialogue.ts";
import { MemoryMailStore } from "../helpers/mail_memory_store.ts";
import { GMAIL, OTHERS, TestMailServer } from "../helpers/mail_server.ts";
import { tempFolder } from "../helpers/temp_folder.ts";

const MINUTE_MS = 60_000;

/** A store, a spool, a server and a clock, joined by an outbox. */
class Bench implements AsyncDisposable {
  readonly store = new MemoryMailStore();
  readonly #folder = tempFolder();
  readonly spoolFolder = join(this.#folder.path, "spool");
  now = 1_000_000_000_000;
  cutAtMail = false;
  server!: TestMailServer;

  static async start(): Promise<Bench> {
    const bench = new Bench();
    bench.server = await TestMailServer.start({
      security: "tls",
      onMail: (_mail, cut) => bench.cutAtMail ? cut() : undefined,
    });
    return bench;
  }

  /** An outbox over the same files, as another process would have. */
  open(): Outbox {
    return new Outbox({
      store: this.store,
      spoolFolder: this.spoolFolder,
      submit: (_account, mail, options) =>
        submitMail(
          { endpoint: this.server.endpoint, credentials: { kind: "none" }, address: "ann@example.org" },
          mail,
          options,
        ),
      now: () => this.now,
      random: () => 0.5,
    });
  }

  message(...to: string[]): BuiltMessage {
    return buildMessage({
      from: { name: "Ann", address: "ann@example.org" },
      to: to.map((address) => ({ name: "", address })),
      cc: [],
      bcc: [],
      subject: "Hi",
      text: "Hello",
      attachments: [],
    });
  }

  async add(...to: string[]): Promise<string> {
    using added = await this.open().add("account", this.message(...to), "Hi");
    return added.entry.id;
  }

  async spooled(): Promise<string[]> {
    const names = (await Array.fromAsync(Deno.readDir(this.spoolFolder))).map((item) => item.name);
    return names.filter((name) => name !== "lock");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.server[Symbol.asyncDispose]();
    this.#folder[Symbol.dispose]();
  }
}

Deno.test("Outbox keeps a mail on disk, for its owner alone, until the server has taken it", async () => {
  await using bench = await Bench.start();
  const id = await bench.add("bob@example.org");
  assert.deepEqual(await bench.spooled(), [`${id}.eml`]);
  if (Deno.build.os !== "windows") {
    const { mode } = await Deno.stat(join(bench.spoolFolder, `${id}.eml`));
    assert.equal((mode ?? 0) & 0o777, 0o600);
  }
  const onDisk = await Deno.readFile(join(bench.spoolFolder, `${id}.eml`));
  const outcome = await bench.open().retry({ id, state: "queued" });
  assert.equal(outcome.kind, "sent");
  assert.deepEqual(bench.store.states, ["queued", "sending", "in_doubt"]);
  assert.deepEqual(bench.store.entries, []);
  assert.deepEqual(await bench.spooled(), []);
  assert.deepEqual(new Uint8Array(bench.server.mails[0]?.raw ?? []), onDisk);
});

Deno.test("Outbox tries a temporary refusal again with growing pauses, and delivers once", async () => {
  await using bench = await Bench.start();
  const outbox = bench.open();
  bench.server.refusals = { recipients: { "bob@example.org": OTHERS.greylist } };
  const id = await bench.add("bob@example.org");
  const pauses: number[] = [];
  for (let attempt = 0; attempt < 5; attempt++) {
    const next = await outbox.sendDue();
    assert.ok(next !== null);
    pauses.push((next - bench.now) / MINUTE_MS);
    assert.equal(await outbox.sendDue(), next, "nothing is tried before its time");
    bench.now = next;
  }
  assert.deepEqual(pauses, [1, 5, 15, 30, 60]);
  const [entry] = await outbox.list();
  assert.equal(entry?.attempts, 5);
  assert.equal(entry?.problem?.fault, "greylisted");
  assert.match(entry?.problem?.serverWords ?? "", /Greylisting in action/);
  bench.server.refusals = {};
  const outcomes: string[] = [];
  assert.equal(
    await outbox.sendDue({ onOutcome: (item, outcome) => outcomes.push(`${item.id} ${outcome.kind}`) }),
    null,
  );
  assert.deepEqual(outcomes, [`${id} sent`]);
  assert.equal(bench.server.mails.length, 1);
});

Deno.test("Outbox keeps a lasting refusal for the person, and never sends it by itself", async () => {
  await using bench = await Bench.start();
  const outbox = bench.open();
  bench.server.refusals = { content: GMAIL.blockedContent };
  const id = await bench.add("bob@example.org");
  const outcome = await outbox.retry({ id, state: "queued" });
  assert.equal(outcome.kind, "failed");
  bench.server.refusals = {};
  bench.now += 100 * MINUTE_MS;
  assert.equal(await outbox.sendDue(), null);
  assert.equal(bench.server.mails.length, 0);
  const [entry] = await outbox.list();
  assert.equal(entry?.state, "failed");
  assert.equal((await outbox.retry(entry)).kind, "sent");
  assert.equal(bench.server.mails.length, 1);
});

Deno.test("Outbox gives a mail up after five days of temporary refusals", async () => {
  await using bench = await Bench.start();
  bench.server.refusals = { connect: GMAIL.tryLater };
  const id = await bench.add("bob@example.org");
  bench.now += 5 * 24 * 60 * MINUTE_MS + 1;
  assert.equal((await bench.open().retry({ id, state: "queued" })).kind, "failed");
});

Deno.test("Outbox keeps queued only the recipients that were refused for now", async () => {
  await using bench = await Bench.start();
  const outbox = bench.open();
  bench.server.refusals = {
    recipients: { "no@example.org": GMAIL.noSuchUser, "later@example.org": OTHERS.greylist },
  };
  const id = await bench.add("bob@example.org", "no@example.org", "later@example.org");
  const outcome = await outbox.retry({ id, state: "queued" });
  assert.equal(outcome.kind, "sent");
  const [left] = await outbox.list();
  assert.deepEqual(left?.to, ["later@example.org"]);
  assert.equal(left?.state, "queued");
  bench.server.refusals = {};
  bench.now += MINUTE_MS;
  await outbox.sendDue();
  assert.deepEqual(bench.server.mails.map((mail) => mail.envelope.to), [["bob@example.org"], [
    "later@example.org",
  ]]);
  assert.deepEqual(await outbox.list(), []);
});

Deno.test("Outbox leaves a mail in doubt when the answer is lost: not sent twice, not dropped", async () => {
  await using bench = await Bench.start();
  const outbox = bench.open();
  bench.cutAtMail = true;
  const id = await bench.add("bob@example.org");
  const outcome = await outbox.retry({ id, state: "queued" });
  assert.equal(outcome.kind, "in_doubt");
  assert.match(outcome.kind === "in_doubt" ? outcome.error.message : "", /may or may not have been taken/);
  bench.cutAtMail = false;
  bench.now += 1000 * MINUTE_MS;
  assert.equal(await outbox.sendDue(), null);
  assert.equal((await outbox.retry({ id, state: "queued" })).kind, "skipped");
  const [entry] = await outbox.list();
  assert.deepEqual([entry?.state, entry?.isBeingSent], ["in_doubt", false]);
  assert.equal(bench.server.mails.length, 0);
  assert.equal((await outbox.retry(entry!)).kind, "sent");
  assert.equal(bench.server.mails.length, 1);
});

Deno.test("Outbox in doubt can be settled as sent", async () => {
  await using bench = await Bench.start();
  bench.cutAtMail = true;
  const id = await bench.add("bob@example.org");
  await bench.open().retry({ id, state: "queued" });
  assert.equal(await bench.open().drop(id), true);
  assert.deepEqual(await bench.open().list(), []);
  assert.deepEqual(await bench.spooled(), []);
});

Deno.test("Outbox sends again what a crash cut before its end, and asks about what it cut after", async () => {
  await using bench = await Bench.start();
  const cutBefore = await bench.add("bob@example.org");
  const cutAfter = await bench.add("carol@example.org");
  // What a killed process leaves: the state it had noted, and no lock.
  await bench.store.updateOutboxEntry(cutBefore, { state: "sending" });
  await bench.store.updateOutboxEntry(cutAfter, { state: "in_doubt" });
  const outbox = bench.open();
  await outbox.sendDue();
  assert.deepEqual(bench.server.mails.map((mail) => mail.envelope.to), [["bob@example.org"]]);
  assert.deepEqual((await outbox.list()).map((entry) => [entry.id, entry.state]), [[cutAfter, "in_doubt"]]);
});

Deno.test("Outbox leaves a mail alone that another process is sending", async () => {
  await using bench = await Bench.start();
  const id = await bench.add("bob@example.org");
  const other = await new MailSpool(bench.spoolFolder).hold(id);
  assert.ok(typeof other !== "string");
  // A lock belongs to an open file, so a second spool stands for a second process.
  const outbox = bench.open();
  assert.equal((await outbox.retry({ id, state: "queued" })).kind, "skipped");
  assert.equal(await outbox.drop(id), false);
  assert.equal((await outbox.list())[0]?.isBeingSent, true);
  other[Symbol.dispose]();
  assert.equal((await outbox.retry({ id, state: "queued" })).kind, "sent");
});

Deno.test("Outbox.add() holds the mail until its sender has tried, so that no other process is faster", async () => {
  await using bench = await Bench.start();
  const other = bench.open();
  const added = await bench.open().add("account", bench.message("bob@example.org"), "Hi");
  await other.sendDue();
  assert.equal(bench.server.mails.length, 0);
  assert.equal((await added.send()).kind, "sent");
  assert.equal(bench.server.mails.length, 1);
});

Deno.test("Outbox.retry() changes nothing before it has the mail to itself", async () => {
  await using bench = await Bench.start();
  const id = await bench.add("bob@example.org");
  const other = bench.open();
  // Once `retry` wrote "queued" here over what another process had just put in doubt: the mail could go out twice.
  const update = bench.store.updateOutboxEntry.bind(bench.store);
  bench.store.updateOutboxEntry = async (...change) => {
    bench.store.updateOutboxEntry = update;
    assert.equal((await other.retry({ id, state: "queued" })).kind, "skipped");
    await update(...change);
  };
  assert.equal((await bench.open().retry({ id, state: "queued" })).kind, "sent");
  assert.deepEqual(bench.store.states, ["queued", "sending", "in_doubt"]);
  assert.equal(bench.server.mails.length, 1);
});

Deno.test("Outbox.retry() leaves what has become in doubt since the person looked for another decision", async () => {
  await using bench = await Bench.start();
  const id = await bench.add("bob@example.org");
  await bench.store.updateOutboxEntry(id, { state: "in_doubt" });
  assert.equal((await bench.open().retry({ id, state: "queued" })).kind, "skipped");
  assert.equal(bench.server.mails.length, 0);
  assert.equal((await bench.open().retry({ id, state: "in_doubt" })).kind, "sent");
});

Deno.test("Outbox.sendDue() and list() do not trust what another process has changed since they read it", async () => {
  await using bench = await Bench.start();
  const id = await bench.add("bob@example.org");
  const other = bench.open();
  const list = bench.store.listOutboxEntries.bind(bench.store);
  const meanwhile = (otherSends: () => Promise<unknown>) => {
    bench.store.listOutboxEntries = async () => {
      bench.store.listOutboxEntries = list;
      const entries = await list();
      await otherSends();
      return entries;
    };
  };
  bench.server.refusals = { content: OTHERS.greylist };
  meanwhile(() => other.retry({ id, state: "queued" }));
  await bench.open().sendDue();
  assert.equal(bench.store.entries[0]?.attempts, 1, "it is not due again so soon");

  bench.server.refusals = {};
  await bench.store.updateOutboxEntry(id, { state: "in_doubt" }); // as it is while the other sends it
  meanwhile(() => other.retry({ id, state: "in_doubt" }));
  assert.deepEqual(await bench.open().list(), [], "what was sent is not in doubt");
});

Deno.test("Outbox says so when a mail's file is gone", async () => {
  await using bench = await Bench.start();
  const id = await bench.add("bob@example.org");
  await Deno.remove(join(bench.spoolFolder, `${id}.eml`));
  const outcome = await bench.open().retry({ id, state: "queued" });
  assert.equal(outcome.kind, "failed");
  assert.match((await bench.open().list())[0]?.problem?.message ?? "", /file was removed/);
});

Deno.test("Outbox keeps nothing of a mail whose attachment vanishes while it is written", async () => {
  await using bench = await Bench.start();
  const message = bench.message("bob@example.org");
  const broken: BuiltMessage = {
    ...message,
    stream: Readable.from((async function* () {
      yield new Uint8Array(10);
      await Promise.reject(new Error("attachment vanished"));
    })()),
  };
  message.stream.destroy();
  await assert.rejects(bench.open().add("account", broken, "Hi"), /attachment vanished/);
  assert.deepEqual(bench.store.entries, []);
  assert.deepEqual(await bench.spooled(), []);
});

Deno.test("Outbox.sweep() removes old files that no entry speaks of, and nothing else", async () => {
  await using bench = await Bench.start();
  const id = await bench.add("bob@example.org");
  for (const name of ["orphan.eml", "half.eml.part", "notes.txt"]) {
    await Deno.writeTextFile(join(bench.spoolFolder, name), "x");
  }
  bench.now = Date.now();
  await bench.open().sweep();
  assert.equal((await bench.spooled()).length, 4, "young files may be being written");
  bench.now = Date.now() + 2 * 60 * MINUTE_MS;
  await bench.open().sweep();
  assert.deepEqual((await bench.spooled()).toSorted(), [`${id}.eml`, "notes.txt"].toSorted());
});

Deno.test("runOutbox() sends what is due, waits for what is not, and outlives a disk that fails", async () => {
  await using bench = await Bench.start();
  const stop = new AbortController();
  bench.server.refusals = { connect: GMAIL.tryLater };
  await bench.add("bob@example.org");
  const seen: string[] = [];
  const waits: number[] = [];
  const outbox = bench.open();
  const list = bench.store.listOutboxEntries.bind(bench.store);
  await runOutbox(outbox, {
    signal: stop.signal,
    now: () => bench.now,
    onOutcome: (_entry, outcome) => void seen.push(outcome.kind),
    onFault: (error) => void seen.push(`fault: ${(error as Error).message}`),
    wait: (ms) => {
      waits.push(ms);
      bench.now += ms;
      if (waits.length === 1) bench.store.listOutboxEntries = () => Promise.reject(new Error("disk"));
      else bench.store.listOutboxEntries = list;
      bench.server.refusals = {};
      if (waits.length === 3) stop.abort();
      return Promise.resolve();
    },
  });
  assert.deepEqual(seen, ["queued", "fault: disk", "sent"]);
  assert.deepEqual(waits, [60_000, 60_000, 60_000]);
});

Deno.test("Outbox puts a mail back when something other than mail goes wrong", async () => {
  await using bench = await Bench.start();
  const id = await bench.add("bob@example.org");
  const outbox = new Outbox({
    store: bench.store,
    spoolFolder: bench.spoolFolder,
    submit: () => Promise.reject(new TypeError("bug")),
  });
  await assert.rejects(outbox.retry({ id, state: "queued" }), TypeError);
  assert.equal(bench.store.entries[0]?.state, "queued");
  assert.equal((await outbox.list())[0]?.isBeingSent, false);
});

Deno.test("Outbox that cannot note the server's yes leaves the mail in doubt", async () => {
  await using bench = await Bench.start();
  const id = await bench.add("bob@example.org");
  bench.store.removeOutboxEntry = () => Promise.reject(new Error("disk full"));
  await assert.rejects(bench.open().retry({ id, state: "queued" }), /disk full/);
  assert.equal(bench.server.mails.length, 1);
  assert.equal(bench.store.entries[0]?.state, "in_doubt");
  assert.equal(await bench.open().sendDue(), null);
  assert.equal(bench.server.mails.length, 1);
});
