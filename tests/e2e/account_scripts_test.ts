/**
 * What a person does with their own account, as subcommands: blocking, settings, the password, `connect`.
 * @module
 */
import assert from "node:assert/strict";
import { PASSWORD } from "../helpers/accounts.ts";
import { startServer } from "../helpers/mini_chat.ts";
import { testWith } from "../helpers/needs.ts";
import { Person } from "../helpers/person.ts";
import { tempFolder } from "../helpers/temp_folder.ts";

const REFUSED = 1, WRONG_USAGE = 2, NOT_SIGNED_IN = 4;
const NEW_PASSWORD = "another horse";

Deno.test("block, unblock and settings do what the menu does, and are quiet where there is no result", async () => {
  using folder = tempFolder();
  await using server = await startServer({ data: `${folder.path}/data` });
  const [ana, bob] = [new Person("ana", folder.path), new Person("bob", folder.path)];
  for (const person of [ana, bob]) await person.settleIn(server);

  assert.equal(await ana.must(["block"]), "");
  assert.equal(await ana.must(["block", "Bob"]), "");
  assert.equal(await ana.must(["block"]), "bob\n");
  assert.equal(await ana.must(["block", "--json"]), '{"name":"bob"}\n');
  assert.equal((await bob.run(["send", "ana", "hello"])).code, REFUSED);
  assert.equal(await ana.must(["unblock", "bob", "--json"]), '{"name":"bob","blocked":false}\n');
  assert.equal(await bob.must(["send", "ana", "hello"]), "");
  assert.equal((await ana.run(["block", "nobody"])).code, REFUSED);
  assert.equal((await ana.run(["unblock"])).code, WRONG_USAGE);

  assert.equal(await ana.must(["settings"]), "read-receipts off\naddress none\nlocal-history on\n");
  assert.equal(
    await ana.must(["settings", "read-receipts", "on"]),
    "read-receipts on\naddress none\nlocal-history on\n",
  );
  const settings = await ana.must(["settings", "address", "ana@example.org", "--json"]);
  assert.deepEqual(JSON.parse(settings), {
    readReceipts: true,
    email: "ana@example.org",
    localHistory: true,
  });
  assert.match(await ana.must(["settings", "address", "none"]), /^address none$/m);
  for (const wrong of [["read-receipts"], ["read-receipts", "maybe"], ["colour", "blue"]]) {
    const { code, stderr } = await ana.run(["settings", ...wrong]);
    assert.equal(code, WRONG_USAGE, stderr);
    assert.match(stderr, /read-receipts/);
  }
});

Deno.test("password takes the old one and the new one from standard input, and logs other devices out", async () => {
  using folder = tempFolder();
  await using server = await startServer({ data: `${folder.path}/data` });
  const ana = new Person("ana", folder.path);
  const elsewhere = new Person("ana", `${folder.path}/elsewhere`);
  await ana.settleIn(server);
  // `connect` is the menu's name for it.
  await elsewhere.must(["connect", server.inviteLink, "ana"], `${PASSWORD}\n`);

  const wrong = await ana.run(["password"], `not the password\n${NEW_PASSWORD}\n`);
  assert.equal(wrong.code, REFUSED, wrong.stderr);
  const short = await ana.run(["password"], `${PASSWORD}\nshort\n`);
  assert.equal(short.code, REFUSED, short.stderr);
  assert.match(short.stderr, /8/);
  for (const input of ["", "\n", `${PASSWORD}\n`, PASSWORD]) {
    const { code, stderr } = await ana.run(["password"], input);
    assert.equal(code, WRONG_USAGE, stderr);
    assert.match(stderr, /two lines of standard input/);
  }
  assert.equal(await ana.must(["password"], `${PASSWORD}\r\n${NEW_PASSWORD}\r\n`), "");
  assert.equal((await elsewhere.run(["whoami"])).code, NOT_SIGNED_IN);
  assert.equal(await ana.must(["whoami"]), `ana at 127.0.0.1:${server.port}\n`);
  await elsewhere.must(["login", server.inviteLink, "ana"], `${NEW_PASSWORD}\n`);
});

testWith(["unix"], "password takes each of the two from a command", async () => {
  using folder = tempFolder();
  await using server = await startServer({ data: `${folder.path}/data` });
  const ana = new Person("ana", folder.path);
  await ana.settleIn(server);
  const old = ["--password-command", `echo '${PASSWORD}'`];
  const neu = ["--new-password-command", `echo '${NEW_PASSWORD}'`];
  await ana.must([...old, "password", ...neu]);
  await ana.must(["password", "--new-password-command", `echo '${PASSWORD}'`], `${NEW_PASSWORD}\n`);
  await ana.must([...old, "password"], `${NEW_PASSWORD}\n`);
  const failed = await ana.run(["password", "--new-password-command", "exit 3"], `${NEW_PASSWORD}\n`);
  assert.equal(failed.code, WRONG_USAGE);
  assert.match(failed.stderr, /password command ended with status 3/);
  assert.equal(failed.stderr.trim().split("\n").length, 1, failed.stderr);
});
