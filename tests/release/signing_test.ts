import assert from "node:assert/strict";
import { join } from "node:path";
import { packFolder } from "../../build/release/archives.ts";
import { measure } from "../../build/release/manifest.ts";
import { tryKeys } from "../../build/release/signing.ts";
import { PROJECT_FOLDER } from "../../build/tool.ts";
import { testWith } from "../helpers/needs.ts";
import { runProgram } from "../helpers/program.ts";
import { tempFolder } from "../helpers/temp_folder.ts";
import { makeKeys } from "./keys.ts";

const MINISIGN = { command: "minisign" };

testWith([MINISIGN], "tryKeys() says what is missing, and what to do about it", async () => {
  using folder = tempFolder();
  const { files } = await makeKeys(join(folder.path, "ours"));
  const other = await makeKeys(join(folder.path, "others"));
  const nowhere = join(folder.path, "nowhere");
  const cases: [secret: string | undefined, publicKey: string, said: RegExp][] = [
    [
      undefined,
      files.public,
      /no secret key is given: name its file with --key or MINI_CHAT_RELEASE_KEY.*minisign -G/,
    ],
    [
      files.secret,
      nowhere,
      /there is no public key at .*nowhere.*minisign -G -p build\/release\/minisign\.pub/,
    ],
    [nowhere, files.public, /there is no secret key at .*nowhere/],
    [files.public, files.public, /holds no secret key of minisign/],
    [files.secret, files.secret, /holds no public key of minisign/],
    [files.secret, other.files.public, /do not belong together/],
  ];
  for (const [secret, publicKey, said] of cases) {
    await assert.rejects(tryKeys({ secret, public: publicKey }), said);
  }
});

testWith(
  ["executables", MINISIGN],
  "deno task release takes the password of a key from its input, and makes nothing before that fits",
  async () => {
    using folder = tempFolder();
    const files = { secret: join(folder.path, "secret.key"), public: join(folder.path, "minisign.pub") };
    await runProgram("minisign", ["-G", "-p", files.public, "-s", files.secret], { input: "open\nopen\n" });
    const output = join(folder.path, "release");
    const flags = ["--url", "https://example.com", "--output", output, "--public-key", files.public];
    const release = (input: string, ...more: string[]) =>
      runProgram(Deno.execPath(), ["task", "--quiet", "release", ...flags, ...more], {
        input,
        cwd: PROJECT_FOLDER,
      });
    const wrong = await release("shut\n", "--key", files.secret);
    assert.equal(wrong.code, 1);
    assert.match(wrong.stderr, /Cannot sign with .*secret\.key: .*Wrong password/s);
    const without = await release("");
    assert.equal(without.code, 1);
    assert.match(without.stderr, /no secret key is given/);
    await assert.rejects(Deno.stat(output), Deno.errors.NotFound);
  },
);

testWith(["linux", { command: "zip" }], "packFolder() makes the same bytes of the same content", async () => {
  using folder = tempFolder();
  const write = async (name: string, files: readonly string[], mode: number) => {
    for (const file of files) {
      const path = join(folder.path, name, file);
      await Deno.mkdir(join(path, ".."), { recursive: true });
      await Deno.writeTextFile(path, file, { mode });
      await Deno.utime(path, mode, mode);
    }
  };
  await write("one", ["b", "a", "c/d"], 0o640);
  await write("two", ["c/d", "a", "b"], 0o600);
  for (const kind of ["tar.gz", "zip"]) {
    const [one, two] = await Promise.all(["one", "two"].map(async (name) => {
      const archive = join(folder.path, `${name}.${kind}`);
      await packFolder(join(folder.path, name), archive, new Date("2026-11-25T10:00:00Z"));
      return await measure(archive);
    }));
    assert.deepEqual(one, two, kind);
  }
});
