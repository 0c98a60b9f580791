import assert from "node:assert/strict";
import { connectAs } from "../helpers/accounts.ts";
import { startServer } from "../helpers/mini_chat.ts";
import { Person } from "../helpers/person.ts";
import { tempFolder } from "../helpers/temp_folder.ts";

Deno.test("history in scripts: a limit and times, and without the server the copy, with a word that it is one", async () => {
  using folder = tempFolder();
  const ana = new Person("ana", folder.path);
  const textsOf = (lines: string) =>
    lines.split("\n").filter(Boolean).map((line) => (JSON.parse(line) as { text: string }).text);
  {
    await using server = await startServer({ data: `${folder.path}/data` });
    await ana.settleIn(server);
    await using bob = await connectAs(server, "bob");
    for (const text of ["one", "two", "three"]) {
      await bob.ask("send_message", { id: crypto.randomUUID(), to: "ana", text });
    }
    await ana.inbox();
    await ana.must(["send", "bob", "four"]);
    const history = async (...args: string[]) =>
      textsOf(await ana.must(["history", "bob", "--json", ...args]));
    assert.deepEqual(await history("--limit", "2"), ["three", "four"]);
    assert.deepEqual(await history("--since", "1h"), ["one", "two", "three", "four"]);
    assert.deepEqual(await history("--before", "1h"), []);
    const wrong = await ana.run(["history", "bob", "--since", "soon"]);
    assert.deepEqual([wrong.code, wrong.stderr.includes("2026-11-20")], [2, true]);
    await bob.ask("send_message", { id: crypto.randomUUID(), to: "ana", text: "five" });
    await ana.inbox();
  }
  const offline = await ana.run(["history", "bob", "--json", "--offline", "--limit", "3"]);
  assert.deepEqual([offline.code, textsOf(offline.stdout)], [0, ["three", "four", "five"]]);
  assert.match(
    offline.stderr,
    /^Not connected: this is the copy .* 5 messages.*later ones may be missing\.\n$/,
  );
  assert.equal(await ana.must(["settings", "local-history", "off"]), "local-history off\n");
  const none = await ana.run(["history", "bob", "--offline"]);
  assert.deepEqual([none.stdout, none.stderr.includes("no copy is kept")], ["", true]);
});

Deno.test("history at a menu in a pipe says beside the output that there is more than the page that it prints", async () => {
  using folder = tempFolder();
  const ana = new Person("ana", folder.path);
  await using server = await startServer({ data: `${folder.path}/data` });
  await ana.settleIn(server);
  await using bob = await connectAs(server, "bob");
  const long = "x".repeat(16_000);
  for (let sent = 0; sent < 40; sent++) {
    await bob.ask("send_message", { id: crypto.randomUUID(), to: "ana", text: `number ${sent} ${long}` });
  }
  const { stdout, stderr } = await ana.run([], "history bob\n7\n");
  assert.match(stdout, /number 39 /);
  assert.doesNotMatch(stdout, /prints all/);
  assert.equal(stderr, "Earlier messages are left out; mini-chat-client history bob prints all.\n");
});
