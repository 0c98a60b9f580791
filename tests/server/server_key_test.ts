import assert from "node:assert/strict";
import { join } from "node:path";
import { UsageError } from "../../lib/errors.ts";
import { loadIdentity } from "../../lib/net/identity.ts";
import { dataPaths } from "../../lib/server/data_folder.ts";
import { identityForStart } from "../../lib/server/server_key.ts";
import { renew } from "../helpers/renewed_certificate.ts";
import { tempFolder } from "../helpers/temp_folder.ts";

/** The words of a start that is refused. */
async function refusal(starting: Promise<unknown>): Promise<string> {
  const error = await starting.then(() => assert.fail("it started"), (error) => error);
  assert.ok(error instanceof UsageError, String(error));
  return error.message;
}

/** A data folder with a key, and what a start on it is and logs. */
async function newServer(folder: string) {
  const paths = dataPaths(folder);
  const [key, certificate] = [join(folder, "server.key"), join(folder, "server.crt")];
  const warnings: string[] = [];
  const log = { info: () => {}, warn: (text: string) => void warnings.push(text), error: () => {} };
  const start = (options: { newKey?: boolean; cert?: string; key?: string } = {}) =>
    identityForStart(options, paths, log);
  const { fingerprint } = await start();
  await Deno.writeTextFile(paths.database, "");
  return { key, certificate, warnings, start, fingerprint };
}

Deno.test("a server whose key was lost once made another one unasked, and every client was shut out", async () => {
  using folder = tempFolder();
  const { key, certificate, warnings, start, fingerprint } = await newServer(folder.path);
  assert.match(await refusal(start({ newKey: true })), /^Cannot make a new key as .*server\.key is there/);
  const elsewhere = join(folder.path, "elsewhere.key");
  await Deno.rename(key, elsewhere);
  const before = await Deno.readTextFile(certificate);
  const words = await refusal(start());
  assert.match(words, /^Cannot start: .* holds a database without its server\.key/);
  for (
    const next of [
      /restore BACKUP --data OTHER/,
      /--cert and --key/,
      /--new-key: every client .* forget-server/,
    ]
  ) {
    assert.match(words, next);
  }
  assert.equal(await Deno.readTextFile(certificate), before);
  assert.equal((await start({ cert: certificate, key: elsewhere })).fingerprint, fingerprint);
  await Deno.remove(certificate);
  assert.match(await refusal(start()), /^Cannot start/, "both lost");
  assert.deepEqual(warnings, []);

  const made = await start({ newKey: true });
  assert.notEqual(made.fingerprint, fingerprint);
  assert.deepEqual(warnings, ["made a new key: clients that know another one do not connect"]);
  assert.deepEqual(await start(), made);
});

Deno.test("a server whose certificate alone was lost starts with the key that its clients know", async () => {
  using folder = tempFolder();
  const { certificate, warnings, start, fingerprint } = await newServer(folder.path);
  await Deno.remove(certificate);
  assert.equal((await start()).fingerprint, fingerprint);
  assert.deepEqual(warnings, ["the certificate was gone: made anew for the same key"]);
});

Deno.test("a key that cannot be used is left as it is, and the words say where a good one is", async () => {
  using folder = tempFolder();
  const { key, certificate, start } = await newServer(folder.path);
  using other = tempFolder();
  const stranger = await newServer(other.path);
  const good = await Deno.readTextFile(key);
  const where =
    /restore BACKUP --data OTHER puts the server\.key and server\.crt of a backup into another folder/;
  for (
    const [text, seen] of [
      ["", /^Cannot use .*server\.key as it must hold a private key in PEM/],
      [
        await Deno.readTextFile(stranger.key),
        /server\.crt, which is for key SHA256:\S+, as .*server\.key holds another one/,
      ],
    ] as const
  ) {
    await Deno.writeTextFile(key, text);
    const words = await refusal(start());
    assert.match(words, seen);
    assert.match(words, where);
    assert.equal(await Deno.readTextFile(key), text);
  }
  await Deno.writeTextFile(key, good);
  await Deno.writeTextFile(certificate, "");
  assert.match(await refusal(start()), where);
  assert.equal(await Deno.readTextFile(certificate), "");
});

Deno.test("a certificate signed by itself under a public name, for which an authority could vouch with another key, is told of", async () => {
  using folder = tempFolder();
  const { key, certificate, warnings, start } = await newServer(folder.path);
  const identity = await loadIdentity(certificate, key);
  const cert = join(folder.path, "own.crt");
  for (const [name, told] of [["mini-chat.internal", 0], ["chat.example.org", 1]] as const) {
    await Deno.writeTextFile(cert, (await renew(identity, name)).certificatePem);
    await start({ cert, key });
    assert.equal(warnings.length, told, name);
  }
  assert.match(warnings[0]!, /not for mini-chat\.internal: .* subjectAltName=DNS:mini-chat\.internal$/);
});
