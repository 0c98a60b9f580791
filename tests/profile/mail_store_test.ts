import assert from "node:assert/strict";
import { join } from "node:path";
import type { MailAccount, MailAccountStore } from "../../lib/mail/account.ts";
import { type DraftStore, newDraft } from "../../lib/mail/draft.ts";
import type { OutboxEntry, OutboxStore } from "../../lib/mail/outbox_entry.ts";
import { ProfileMailStore } from "../../lib/profile/mail_store.ts";
import { openProfile, PROFILE_FILE } from "../../lib/profile/profile.ts";
import { tempFolder } from "../helpers/temp_folder.ts";

type Store = ProfileMailStore;

/** Runs a body with a store in a fresh profile, and once more with the same profile opened again. */
async function withStore(body: (store: Store, reopen: () => Store) => Promise<void>): Promise<void> {
  using folder = tempFolder();
  using profiles = new DisposableStack();
  let now = 1000;
  const open = () => {
    const profile = profiles.use(openProfile(folder.path));
    return new ProfileMailStore(profile.database, () => now++);
  };
  await body(open(), open);
}

function account(id: string): MailAccount {
  return {
    id,
    address: `${id}@example.org`,
    name: "Ännchen 👵🏽",
    endpoint: { host: "smtp.example.org", port: 465, security: "tls" },
    signIn: { kind: "password", user: id, password: "secret" },
  };
}

function entry(id: string): OutboxEntry {
  return {
    id,
    accountId: "a",
    messageId: `<${id}@example.org>`,
    from: "a@example.org",
    to: ["b@example.org"],
    subject: "Grüße",
    sizeBytes: 10,
    queuedAt: 1,
    state: "queued",
    attempts: 0,
    nextAttemptAt: 1,
    problem: null,
  };
}

const idsOf = async (store: Store) => (await store.listMailAccounts()).map((item) => item.id);

Deno.test("ProfileMailStore keeps accounts, one of them the default", async () => {
  await withStore(async (store, reopen) => {
    const _fits: MailAccountStore & DraftStore & OutboxStore = store;
    for (const id of ["m", "z", "a"]) await store.saveMailAccount(account(id));
    assert.deepEqual(await idsOf(store), ["m", "a", "z"]);
    await store.setDefaultMailAccount("z");
    await store.setDefaultMailAccount("nobody");
    await store.saveMailAccount({ ...account("z"), name: "Zoë" });
    assert.deepEqual(await idsOf(reopen()), ["z", "a", "m"]);
    assert.equal((await reopen().listMailAccounts())[0]?.name, "Zoë");
    await store.changeMailAccount("z", (kept) => ({ ...kept, address: `${kept.name}@example.org` }));
    await store.changeMailAccount("nobody", () => assert.fail("there is none"));
    const [changed] = await reopen().listMailAccounts();
    assert.deepEqual(changed, { ...account("z"), name: "Zoë", address: "Zoë@example.org" });
    await store.removeMailAccount("z");
    assert.deepEqual(await idsOf(reopen()), ["m", "a"]);
    await store.removeMailAccount("a");
    await store.removeMailAccount("m");
    assert.deepEqual(await idsOf(store), []);
    await store.saveMailAccount(account("new"));
    assert.deepEqual(await store.listMailAccounts(), [account("new")]);
  });
});

Deno.test("ProfileMailStore keeps drafts, the newest first", async () => {
  await withStore(async (store, reopen) => {
    const old = { ...newDraft(1), text: "old" };
    const fresh = { ...newDraft(2), text: "line\nline 👩🏽‍🚀", attachments: ["/a b/ü.png"] };
    await store.saveMailDraft(old);
    await store.saveMailDraft(fresh);
    assert.deepEqual(await reopen().listMailDrafts(), [fresh, old]);
    await store.saveMailDraft({ ...old, savedAt: 3 });
    assert.deepEqual((await store.listMailDrafts()).map((draft) => draft.text), ["old", fresh.text]);
    await store.removeMailDraft(old.id);
    await store.removeMailDraft(old.id);
    assert.deepEqual(await reopen().listMailDrafts(), [fresh]);
  });
});

Deno.test("ProfileMailStore keeps the outbox in order, and changes single fields", async () => {
  await withStore(async (store, reopen) => {
    for (const id of ["2", "1", "3"]) await store.insertOutboxEntry(entry(id));
    await assert.rejects(store.insertOutboxEntry(entry("1")));
    await store.updateOutboxEntry("1", { state: "in_doubt", attempts: 1 });
    await store.updateOutboxEntry("gone", { attempts: 9 });
    const other = reopen();
    assert.deepEqual((await other.listOutboxEntries()).map((item) => item.id), ["2", "1", "3"]);
    assert.deepEqual(await other.findOutboxEntry("1"), { ...entry("1"), state: "in_doubt", attempts: 1 });
    await store.removeOutboxEntry("2");
    assert.equal(await other.findOutboxEntry("2"), null);
  });
});

Deno.test({
  name: "ProfileMailStore keeps secrets in a file that only its owner can read",
  ignore: Deno.build.os === "windows",
  fn: async () => {
    using folder = tempFolder();
    using profile = openProfile(folder.path);
    await new ProfileMailStore(profile.database).saveMailAccount(
      account("a"),
    );
    for await (const item of Deno.readDir(folder.path)) {
      if (!item.name.startsWith(PROFILE_FILE)) continue;
      const { mode } = await Deno.stat(join(folder.path, item.name));
      assert.equal((mode ?? 0) & 0o777, 0o600, item.name);
    }
  },
});
