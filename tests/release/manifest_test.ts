import assert from "node:assert/strict";
import { join } from "node:path";
import {
  archiveName,
  checkFiles,
  describeFile,
  downloadUrl,
  findFile,
  parseManifest,
  readManifest,
  type Release,
  writeManifest,
} from "../../build/release/manifest.ts";
import { tempFolder } from "../helpers/temp_folder.ts";

const CLIENT = "mini-chat-client";

/** A release of two archives that hold no more than a word each. */
async function smallRelease(folder: string): Promise<Release> {
  const files = [];
  for (const target of ["windows-x64", "linux-x64"]) {
    await Deno.writeTextFile(join(folder, archiveName(CLIENT, target)), target);
    files.push(await describeFile(folder, CLIENT, target));
  }
  const about = { name: "mini-chat", version: "1.2.3", commit: "a".repeat(40), deno: "2.8.3" } as const;
  return { ...about, url: "https://example.com/downloads", files };
}

Deno.test("writeManifest() and readManifest() keep what a release holds, sorted by file", async () => {
  using folder = tempFolder();
  const release = await smallRelease(folder.path);
  await writeManifest(folder.path, release);
  const read = await readManifest(folder.path);
  assert.deepEqual(read, { ...release, files: release.files.toReversed() });
  assert.deepEqual(read, await readManifest(join(folder.path, "release.json")));
  const file = findFile(read, CLIENT, "windows-x64");
  assert.equal(downloadUrl(read, file!), "https://example.com/downloads/mini-chat-client-windows-x64.zip");
  assert.equal(findFile(read, CLIENT, "macos-x64"), undefined);
});

Deno.test("parseManifest() names what is wrong", async () => {
  using folder = tempFolder();
  const release = await smallRelease(folder.path);
  const [file] = release.files;
  const wrong: [change: object, named: RegExp][] = [
    [{ version: "latest" }, /a version such as 1\.2\.3\s.*→ at version/s],
    [{ commit: "main" }, /→ at commit/],
    [{ url: "https://example.com/downloads/" }, /without a slash at its end/],
    [{ url: "http://example.com/downloads" }, /https:\/\/ address/],
    [{ files: [] }, /→ at files/],
    [{ files: release.files }, /sorted by file/],
    [{ files: [file, file] }, /each of them once/],
    [{ files: [{ ...file, file: "other.zip" }] }, /not the name of that program's archive/],
    [{ files: [{ ...file, sha256: "0" }] }, /→ at files\[0\]\.sha256/],
    [{ further: true }, /further/],
  ];
  for (const [change, named] of wrong) {
    const text = JSON.stringify({ ...release, ...change });
    assert.throws(() => parseManifest(text, "here.json"), named);
  }
  assert.throws(() => parseManifest("{", "here.json"), /Cannot read here\.json: it is no JSON/);
  await assert.rejects(readManifest(folder.path), /Cannot find .*release\.json: deno task release/);
});

Deno.test("checkFiles() refuses an archive that is missing or is not the one of the manifest", async () => {
  using folder = tempFolder();
  const release = await smallRelease(folder.path);
  await checkFiles(folder.path, release);
  const path = join(folder.path, archiveName(CLIENT, "linux-x64"));
  await Deno.writeTextFile(path, "linux-x65");
  await assert.rejects(
    checkFiles(folder.path, release),
    /Cannot use .*linux-x64\.tar\.gz: .* make the release/,
  );
  await Deno.remove(path);
  await assert.rejects(checkFiles(folder.path, release), /Cannot find mini-chat-client-linux-x64\.tar\.gz/);
});
