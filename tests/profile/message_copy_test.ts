import assert from "node:assert/strict";
import { join } from "node:path";
import { type CopiedMessage, MessageCopy } from "../../lib/profile/message_copy.ts";
import { openProfile, type Profile, PROFILE_FILE } from "../../lib/profile/profile.ts";
import type { AccountKey } from "../../lib/profile/account_records.ts";
import { tempFolder } from "../helpers/temp_folder.ts";

const NOW = 1_000_000;

/** A profile with an account on a server. */
function profileIn(folder: string): { readonly profile: Profile; readonly ana: AccountKey } {
  const profile = openProfile(folder, { now: () => NOW });
  const { serverId } = profile.saveServer({ host: "chat", port: 7667, certificate: null, fingerprint: null });
  return { profile, ana: { serverId, name: "ana" } };
}

function message(sequence: number, changes: Partial<CopiedMessage> = {}): CopiedMessage {
  return {
    sequence,
    id: `id-${sequence}`,
    from: "bob",
    to: "ana",
    text: `text ${sequence}`,
    storedAt: sequence,
    ...changes,
  };
}

function textsOf(copy: MessageCopy, other = "bob"): string[] {
  return copy.page(other, null).messages.map(({ text }) => text);
}

/** Whether a text is anywhere in the files of a profile. */
function isOnDisk(folder: string, text: string): boolean {
  const wanted = new TextDecoder("latin1").decode(new TextEncoder().encode(text));
  return ["", "-wal"].some((suffix) => {
    const bytes = Deno.readFileSync(join(folder, PROFILE_FILE + suffix));
    return new TextDecoder("latin1").decode(bytes).includes(wanted);
  });
}

Deno.test("MessageCopy keeps both sides of each conversation, whatever the text, in pages", () => {
  using folder = tempFolder();
  const { profile, ana } = profileIn(folder.path);
  using _ = profile;
  const { copy } = profile.recordsOf(ana);
  const odd = "NUL \0, 👍🏽 and \ufeff";
  copy.keep([message(2, { text: odd }), message(1), message(3, { from: "carol" })]);
  copy.keep([message(4, { from: "ana", to: "bob" }), message(1)]);
  assert.deepEqual(copy.page("bob", null), {
    messages: [message(1), message(2, { text: odd }), message(4, { from: "ana", to: "bob" })],
    next: null,
  });
  assert.deepEqual(textsOf(copy, "carol"), ["text 3"]);
  assert.deepEqual(textsOf(profile.recordsOf({ ...ana, name: "eve" }).copy), []);
  copy.keep(Array.from({ length: 60 }, (_, index) => message(index + 100)));
  const { messages, next } = copy.page("bob", null);
  assert.deepEqual([messages.length, next, messages[0]!.sequence], [50, 110, 110]);
  assert.equal(copy.page("bob", next).messages.length, 13);
});

Deno.test("MessageCopy says of which part it is whole, and never more", () => {
  using folder = tempFolder();
  const { profile, ana } = profileIn(folder.path);
  using _ = profile;
  const { copy } = profile.recordsOf(ana);
  const whole = () => copy.reach("bob").whole;
  assert.deepEqual(copy.reach("bob"), { messages: 0, newestAt: null, whole: null });
  copy.keep([message(50), message(60)]);
  assert.deepEqual(copy.reach("bob"), { messages: 2, newestAt: 60, whole: null }); // seen, and nothing else is known
  copy.keepPage("bob", null, { messages: [message(40), message(50), message(60)], next: 40 });
  assert.deepEqual(whole(), { from: 40, until: NOW });
  copy.keepPage("bob", 20, { messages: [message(10)], next: 10 }); // without the page between
  assert.deepEqual(whole(), { from: 40, until: NOW });
  copy.keepPage("bob", 40, { messages: [message(20), message(30)], next: 20 });
  assert.deepEqual(whole(), { from: 20, until: NOW });
  copy.keepPage("bob", 20, { messages: [message(10)], next: null });
  assert.deepEqual(whole(), { from: null, until: NOW });
  copy.keepPage("bob", null, { messages: [message(90), message(95)], next: 90 }); // between 60 and 90 there may be more
  assert.deepEqual(whole(), { from: 90, until: NOW });
});

Deno.test("MessageCopy follows the server: what was cleared there is cleared here, what only got lost or old stays", () => {
  using folder = tempFolder();
  const { profile, ana } = profileIn(folder.path);
  using _ = profile;
  const { copy } = profile.recordsOf(ana);
  copy.keep([1, 2, 3, 4].map((sequence) => message(sequence)));
  copy.keepPage("bob", null, { messages: [message(2, { text: "" }), message(4)], next: null });
  assert.deepEqual(textsOf(copy), ["text 1", "", "text 3", "text 4"]);
  copy.keep([message(14, { id: "id-4", text: "text 4" })]); // from a server that was restored
  assert.deepEqual(textsOf(copy), ["text 1", "", "text 3", "text 4"]);
  copy.keep([message(5, { from: "ana", to: "bob" })]);
  copy.clearFrom("bob");
  assert.deepEqual(textsOf(copy), ["", "", "", "text 5", ""]);
});

Deno.test("MessageCopy is bounded: the oldest messages go first, and with them the claim to have them", () => {
  using folder = tempFolder();
  const { profile, ana } = profileIn(folder.path);
  using _ = profile;
  const limited = (limits: { messages: number; bytes: number }) =>
    new MessageCopy(profile.database, ana, { now: () => NOW, limits });
  const many = Array.from({ length: 200 }, (_, index) => message(index + 1));
  const copy = limited({ messages: 100, bytes: Infinity });
  copy.keepPage("bob", null, { messages: many, next: null });
  copy.keep([message(1, { from: "carol" })]);
  const { messages, newestAt, whole } = copy.reach("bob");
  assert.ok(messages <= 100 && messages >= 90, `${messages}`);
  assert.deepEqual([newestAt, whole?.from], [200, 200 - messages + 1]);
  limited({ messages: Infinity, bytes: 5_000 }).keep([message(201)]);
  assert.ok(copy.reach("bob").messages < 5_000 / 150);
});

Deno.test("MessageCopy writes nothing on the way through a history that is older than what it has room for", () => {
  // Each page was written and made room for the next: 104,000 messages took 40 s.
  using folder = tempFolder();
  const { profile, ana } = profileIn(folder.path);
  using _ = profile;
  const copy = new MessageCopy(profile.database, ana, {
    now: () => NOW,
    limits: { messages: 100, bytes: 1e9 },
  });
  const changes = () => profile.database.connection.prepare("SELECT total_changes() AS n").get()!["n"];
  const page = (from: number) => Array.from({ length: 50 }, (_, index) => message(from + index));
  let before: number | null = null;
  let changed: unknown;
  for (let from = 951; from > 0; from -= 50) {
    copy.keepPage("bob", before, { messages: page(from), next: from > 1 ? from : null });
    before = from;
    if (from === 851) changed = changes();
  }
  assert.equal(changes(), changed);
  assert.deepEqual(copy.reach("bob"), { messages: 95, newestAt: 1_000, whole: { from: 906, until: NOW } });
  copy.keepPage("bob", null, { messages: page(1_001), next: 1_001 });
  assert.equal(copy.reach("bob").newestAt, 1_050);
});

Deno.test("MessageCopy: once removed or switched off, no text is left in the files of the profile", () => {
  using folder = tempFolder();
  const { profile, ana } = profileIn(folder.path);
  using _ = profile;
  const { copy } = profile.recordsOf(ana);
  const texts = Array.from(
    { length: 100 },
    (_, index) => message(index + 1, { text: `secret-${index}-`.repeat(60) }),
  );
  copy.keep(texts);
  assert.ok(isOnDisk(folder.path, "secret-70-secret-70-"));
  copy.remove();
  assert.equal(texts.some((_, index) => isOnDisk(folder.path, `secret-${index}-`)), false);
  copy.keep(texts);
  profile.copyMessages(false);
  assert.equal(texts.some((_, index) => isOnDisk(folder.path, `secret-${index}-`)), false);
  copy.keep(texts);
  copy.keepPage("bob", null, { messages: texts, next: null });
  assert.deepEqual([copy.reach("bob").messages, profile.copiesMessages], [0, false]);
  profile.copyMessages(true);
  copy.keep(texts);
  assert.equal(copy.reach("bob").messages, 100);
});

Deno.test("what is deleted after a copy was removed is overwritten in the profile as before", () => {
  using folder = tempFolder();
  const { profile, ana } = profileIn(folder.path);
  using _ = profile;
  const records = profile.recordsOf(ana);
  records.copy.remove();
  const texts = Array.from({ length: 40 }, (_, index) => `secret ${index} ${"x".repeat(3_000)}`);
  for (const [index, text] of texts.entries()) records.add({ id: `id-${index}`, to: "bob", text });
  profile.database.connection.exec("PRAGMA wal_checkpoint(TRUNCATE)");
  assert.ok(isOnDisk(folder.path, "secret 7 "));
  for (const index of texts.keys()) records.accepted(`id-${index}`);
  profile.database.connection.exec("PRAGMA wal_checkpoint(TRUNCATE)");
  assert.deepEqual(
    texts.map((_, index) => index).filter((index) => isOnDisk(folder.path, `secret ${index} `)),
    [],
  );
});

Deno.test("MessageCopy is one for all programs of a profile, and goes with its server", () => {
  using folder = tempFolder();
  const { profile, ana } = profileIn(folder.path);
  using _ = profile;
  using other = openProfile(folder.path);
  profile.recordsOf(ana).copy.keep([message(1)]);
  other.recordsOf(ana).copy.keep([message(2)]);
  assert.deepEqual(textsOf(profile.recordsOf(ana).copy), ["text 1", "text 2"]);
  other.forgetServer(ana.serverId);
  assert.deepEqual(textsOf(profile.recordsOf(ana).copy), []);
});
