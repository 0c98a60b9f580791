/**
 * What is offered where, read off the real command trees; and how a word is quoted for bash.
 * @module
 */
import assert from "node:assert/strict";
import { join } from "node:path";
import { answerShell } from "../../lib/completion/answer.ts";
import { bashWords, quoteForBash } from "../../lib/completion/bash_words.ts";
import { complete, type Sources } from "../../lib/completion/complete.ts";
import { KNOWN_WORDS as CLIENT_WORDS } from "../../lib/commands/known_words.ts";
import { KNOWN_WORDS as SERVER_WORDS } from "../../lib/server/known_words.ts";
import type { OutboxEntry } from "../../lib/mail/outbox_entry.ts";
import { ProfileMailStore } from "../../lib/profile/mail_store.ts";
import { openProfile } from "../../lib/profile/profile.ts";
import { openLocalStore } from "../../lib/store/open.ts";
import { clientProgram } from "../../client.ts";
import { serverProgram } from "../../server.ts";
import { testWith } from "../helpers/needs.ts";
import { runProgram } from "../helpers/program.ts";
import { tempFolder } from "../helpers/temp_folder.ts";

const CLIENT = clientProgram();
const SERVER = await serverProgram(() => Promise.reject(new Error("nothing is run here")));

const PEOPLE: Sources = {
  user: () => Promise.resolve([{ value: "bob" }, { value: "bill" }, { value: "-rf" }]),
  account: ({ flag }) => Promise.resolve([{ value: `in-${flag("profile")}-at-${flag("server")}` }]),
};

/** The words that may stand in the place of the last one. */
async function offered(
  program: typeof CLIENT,
  words: string[],
  sources = PEOPLE,
): Promise<string[] | string> {
  const readVariable = (name: string) => name === "MINI_CHAT_SERVER" ? "env.example.org" : undefined;
  const found = await complete({ program, sources, readVariable }, words);
  return typeof found === "string" ? found : found.map(({ value }) => value);
}

Deno.test("subcommands, flags, choices and names are offered where they may stand, and nowhere else", async () => {
  const cases: [program: typeof CLIENT, words: string[], offered: string[] | string][] = [
    [CLIENT, ["who"], ["whoami"]],
    [CLIENT, ["comp"], ["completions"]], // `complete` is for scripts
    [CLIENT, ["WHO"], ["whoami"]],
    [CLIENT, ["--profile", "x", "who"], ["whoami"]],
    [CLIENT, ["--profile=x", "who"], ["whoami"]],
    [CLIENT, ["--profile", ""], "folders"],
    [CLIENT, ["users", "--profile", ""], "folders"],
    [CLIENT, ["users", "--prof"], ["--profile"]],
    [CLIENT, ["email", "--attach", ""], "files"],
    [CLIENT, ["email", "--attach=re"], "files"],
    [CLIENT, ["email", "--subject", "wh"], []],
    [CLIENT, ["send", ""], ["bob", "bill"]],
    [CLIENT, ["send", "B"], ["bob", "bill"]],
    [CLIENT, ["send", "--", "-"], ["-rf"]],
    [CLIENT, ["send", "--json", "bo"], ["bob"]],
    [CLIENT, ["send", "bob", ""], []],
    [CLIENT, ["send", "bob", "who"], []],
    [CLIENT, ["send", "--j"], ["--json"]],
    [CLIENT, ["send", "--", "--j"], []],
    [CLIENT, ["users", "--user", ""], ["in-undefined-at-env.example.org"]],
    [CLIENT, ["users", "--server=a.example.org", "--user=i"], ["--user=in-undefined-at-a.example.org"]],
    [CLIENT, ["chat", ""], ["host", "join", "help"]],
    [CLIENT, ["help", "email", "acc"], ["accounts"]],
    [CLIENT, ["completions", ""], ["bash", "zsh", "fish"]],
    [CLIENT, ["nosuch", ""], []],
    [SERVER, ["--registration", ""], ["open", "invite", "closed"]],
    [SERVER, ["--registration=c"], ["--registration=closed"]],
    [SERVER, ["backup", ""], "files"],
    [SERVER, ["user", "ena"], ["enable"]],
  ];
  for (const [program, words, expected] of cases) {
    const found = await offered(program, words);
    const shown = typeof found === "string"
      ? found
      : found.map((word) => word.replace(/in-.*-at/, "in-undefined-at"));
    assert.deepEqual(shown, expected, words.join(" "));
  }
});

Deno.test("names come from the profile and the data folder, and a look makes no file there", async () => {
  using folder = tempFolder();
  const nowhere = join(folder.path, "nowhere");
  assert.deepEqual(await offered(CLIENT, ["--profile", nowhere, "send", ""], CLIENT_WORDS), []);
  assert.deepEqual(await offered(SERVER, ["--data", nowhere, "user", "disable", ""], SERVER_WORDS), []);
  assert.deepEqual(await Array.fromAsync(Deno.readDir(folder.path)), []);

  const place = join(folder.path, "profile");
  {
    using profile = openProfile(place, { now: () => 1000 });
    const pin = { certificate: null, fingerprint: null };
    const first = profile.saveServer({ host: "a.example.org", port: 7667, ...pin });
    const login = { token: "token", deviceId: "device" };
    for (const name of ["ana", "eve"]) profile.saveLogin({ ...first, name }, login);
    profile.peopleOf({ ...first, name: "ana" }).keep(new Map([["bob", "listed"], ["bill", "met"]]));
    profile.peopleOf({ ...first, name: "ana" }).keep(new Map([["bill", "listed"]]));
    profile.peopleOf({ ...first, name: "eve" }).keep(new Map([["carl", "met"]]));
  }
  {
    using profile = openProfile(place);
    const store = new ProfileMailStore(profile.database);
    const mail = (id: string, subject: string): OutboxEntry => ({
      ...{
        id,
        accountId: "mine",
        messageId: `<${id}@example.org>`,
        from: "ana@example.org",
        to: ["bob@example.org"],
      },
      ...{
        subject,
        sizeBytes: 1,
        queuedAt: 1,
        state: "queued",
        attempts: 1,
        nextAttemptAt: 2,
        problem: null,
      },
    });
    for (const subject of ["gone", "first", "second"]) await store.insertOutboxEntry(mail(subject, subject));
    await store.removeOutboxEntry("gone");
  }
  const client = (...words: string[]) => offered(CLIENT, ["--profile", place, ...words], CLIENT_WORDS);
  assert.deepEqual(await client("send", "--user", "ana", "--server", "a.example.org", ""), ["bill", "bob"]);
  assert.deepEqual(await client("history", "--user", "eve", "--server", "a.example.org", ""), ["carl"]);
  assert.deepEqual(await client("send", "--user", "ana", "--server", "b.example.org", ""), []);
  assert.deepEqual(await client("login", ""), ["a.example.org"]);
  assert.deepEqual(await client("email", "outbox", ""), ["retry", "drop"]);
  assert.deepEqual(await client("email", "outbox", "retry", ""), ["1", "2"]);
  assert.deepEqual(
    await answerShell({ program: CLIENT, sources: CLIENT_WORDS, readVariable: () => undefined }, "zsh", [
      ...["--profile", place, "email", "outbox", "drop", "2"],
    ]),
    'words\n2:"second" to bob@example.org\n',
  );

  const data = join(folder.path, "data");
  await Deno.mkdir(data);
  await using store = await openLocalStore(join(data, "mini-chat.db"));
  for (const name of ["bob", "bill"]) await store.createAccount({ name, passwordHash: "x", joinCode: null });
  await store.removeAccount("bill");
  for (const code of ["one", "two"]) {
    await store.createInvite({ code, maxUses: 1, expiresAt: null, note: "" });
  }
  await store.revokeInvite("two");
  const server = (...words: string[]) => offered(SERVER, ["--data", data, ...words], SERVER_WORDS);
  assert.deepEqual(await server("user", "disable", "b"), ["bob"]);
  assert.deepEqual(await server("user", "add", ""), []);
  assert.deepEqual(await server("invite", "revoke", ""), ["one"]);
  const ids = await Promise.all(["dan", "eve"].map(async (name) => {
    return (await store.createAccount({ name, passwordHash: "x", joinCode: null })).accountId;
  }));
  for (let i = 1; i <= 3; i++) {
    await store.reportUser({ reporterId: ids[0]!, name: "eve", why: "spam", sequences: [] });
  }
  await store.closeReport(2);
  assert.deepEqual(await server("report", "show", ""), ["3", "1"]);
  assert.deepEqual(await server("report", "close", "1"), ["1"]);
  assert.deepEqual(await server("--database", "postgres://x", "user", "disable", ""), []);
});

Deno.test("each shell gets whole words in its own form, and no line that is not one", async () => {
  const value = "chat.example.org:7667";
  const host = () =>
    Promise.resolve([{ value, about: "two\nlines" }, { value: "a\nb" }, { value: "c\u001b[2J" }, {
      value: "d\u202ee",
    }]);
  const completing = { program: CLIENT, sources: { host }, readVariable: () => undefined };
  const words = ["users", "--server", ""];
  assert.equal(await answerShell(completing, "zsh", words), "words\nchat.example.org\\:7667:two lines\n");
  assert.equal(await answerShell(completing, "fish", words), `words\n${value}\ttwo lines\n`);
  assert.equal(await answerShell(completing, "bash", ["m users --server ", ""]), `words\n${value}\n`);
  // bash replaces what stands behind a colon or an equals sign.
  assert.equal(
    await answerShell(completing, "bash", ["m users --server=chat.example.org:7", "7"]),
    "words\n7667\n",
  );
  assert.equal(await answerShell(completing, "bash", ["m users --server=", ""]), `words\n${value}\n`);
  assert.equal(await answerShell(completing, "bash", ["m users --server 'ch", "ch"]), `words\n${value}\n`);
});

Deno.test("a source that fails says nothing", async () => {
  const sources: Sources = { user: () => Promise.reject(new Error("no")) };
  const completing = { program: CLIENT, sources, readVariable: () => undefined };
  assert.equal(await answerShell(completing, "zsh", ["send", ""]), "words\n");
});

testWith(
  [{ command: "bash" }],
  "a word quoted for bash is that word to bash, in quotes and without",
  async () => {
    const printable = Array.from({ length: 95 }, (_, index) => String.fromCharCode(32 + index)).join("");
    for (const word of [printable, "$(echo no)", "~", "-n", "Привет мир", "a\\"]) {
      const forms = [
        quoteForBash(word, ""),
        quoted(word.replaceAll(/['!]/g, ""), "'"),
        quoted(word.replaceAll("!", ""), '"'),
      ];
      const { stdout } = await runProgram("bash", [
        "-c",
        `printf '%s\\n' ${forms.map((form) => form).join(" ")}`,
      ]);
      assert.deepEqual(
        stdout,
        [word, word.replaceAll(/['!]/g, ""), word.replaceAll("!", "")].join("\n") + "\n",
      );
      assert.deepEqual(bashWords(`x ${forms[0]}`).words, ["x", word]);
      assert.deepEqual(bashWords(`x ${forms[1]}`).words[1], word.replaceAll(/['!]/g, ""));
      assert.deepEqual(bashWords(`x ${forms[2]}`).words[1], word.replaceAll("!", ""));
    }
    assert.equal(quoteForBash("it's", "'"), null);
  },
);

function quoted(word: string, quote: "'" | '"'): string {
  return `${quote}${quoteForBash(word, quote)}${quote}`;
}
