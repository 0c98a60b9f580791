/**
 * A whole release, as `deno task release` makes it, but with base executables from npm and a throw-away key: that for Linux on x64 is
 * run, that for Linux on ARM too where there is an emulator, the others are looked into.
 * @module
 */
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { commitOfSource, PROGRAMS, TARGETS } from "../../build/compile.ts";
import { fetchBaseExecutables, whyNoBaseExecutable } from "../../build/denort.ts";
import { unpack } from "../../build/release/archives.ts";
import { inspectExecutable } from "../../build/release/inspect.ts";
import {
  archiveName,
  checkFiles,
  executableName,
  measure,
  readManifest,
} from "../../build/release/manifest.ts";
import { makeRelease } from "../../build/release/release.ts";
import type { Signer } from "../../build/release/signing.ts";
import { PROJECT_FOLDER } from "../../build/tool.ts";
import { VERSION } from "../../lib/version.ts";
import { denoCache } from "../helpers/deno_cache.ts";
import { type Need, testWith, whyNot } from "../helpers/needs.ts";
import { Program, runProgram } from "../helpers/program.ts";
import { tempFolder } from "../helpers/temp_folder.ts";
import { makeKeys } from "./keys.ts";
import { ReleaseFolder } from "./release_folder.ts";

const URL = "https://example.com/downloads";

const EMULATOR = "qemu-aarch64-static";
const noEmulator = whyNot({ command: EMULATOR });

const NEEDS: Need[] = ["linux", "executables", { command: "minisign" }, { command: "zip" }, {
  command: "unzip",
}];
const reason = whyNoBaseExecutable();
if (reason !== undefined) NEEDS.push({ because: reason });

/** Makes a release; the same each time but for the targets. */
async function release(folder: string, targets: readonly string[], signer: Signer): Promise<string> {
  const commit = (await commitOfSource() ?? "0".repeat(40)).slice(0, 40);
  await makeRelease({
    folder,
    url: URL,
    commit,
    committedAt: new Date("2026-11-25T10:00:00Z"),
    targets,
    signer,
    env: await fetchBaseExecutables(),
    report: () => {},
  });
  return commit;
}

async function namesIn(folder: string): Promise<string[]> {
  return (await Array.fromAsync(Deno.readDir(folder))).map(({ name }) => name);
}

testWith(
  NEEDS,
  "deno task release: all archives, the manifest, the checksums and the signature belong together",
  async (t) => {
    using scratch = tempFolder();
    const folder = join(scratch.path, "release");
    const targets = Object.keys(TARGETS);
    const keys = await makeKeys(join(scratch.path, "keys"));
    const commit = await release(folder, targets, keys.signer);
    const manifest = await readManifest(folder);

    await t.step("the manifest names an archive of each program for each target", async () => {
      await checkFiles(folder, manifest);
      const expected = targets.flatMap((target) => PROGRAMS.map(({ name }) => archiveName(name, target)))
        .sort();
      assert.deepEqual(manifest.files.map(({ file }) => file), expected);
      const { version, url } = manifest;
      assert.deepEqual({ version, url, commit: manifest.commit }, { version: VERSION, url: URL, commit });
    });

    await t.step("the commands of the page verify it, and refuse what was changed", async () => {
      const signed = ["-V", "-p", keys.files.public, "-m", "SHA256SUMS"];
      const verified = await runProgram("minisign", signed, { cwd: folder });
      assert.equal(verified.code, 0, verified.stderr);
      assert.ok(
        verified.stdout.includes(`Trusted comment: mini-chat ${VERSION}, commit ${commit}`),
        verified.stdout,
      );
      const sums = await runProgram("sha256sum", ["--check", "--strict", "SHA256SUMS"], { cwd: folder });
      assert.equal(sums.code, 0, sums.stderr);
      // Every file but those two, so that nothing is there that nobody signed.
      const listed = sums.stdout.trim().split("\n").map((line) => line.replace(/: OK$/, ""));
      const there = await namesIn(folder);
      assert.deepEqual([...listed, "SHA256SUMS", "SHA256SUMS.minisig"].sort(), there.sort());

      const path = join(folder, "SHA256SUMS");
      const text = await Deno.readTextFile(path);
      await Deno.writeTextFile(path, text.replace(/^./, (digit) => digit === "0" ? "1" : "0"));
      assert.notEqual((await runProgram("minisign", signed, { cwd: folder })).code, 0);
      await Deno.writeTextFile(path, text);
    });

    await t.step(
      "each executable is for its machine and holds this commit; nothing is outside of the archive's folder",
      async () => {
        for (const { file, program, target } of manifest.files) {
          const inside = join(scratch.path, file);
          await unpack(join(folder, file), inside);
          const names = (await namesIn(inside)).sort();
          assert.deepEqual(names, ["LICENSE", "completions", "man", executableName(program, target)].sort());
          const executable = join(inside, executableName(program, target));
          const { deno } = manifest;
          assert.deepEqual(await inspectExecutable(executable), {
            target,
            build: { version: VERSION, commit, target },
            deno,
          });
          assert.equal((await Deno.stat(executable)).mode! & 0o777, 0o755);
        }
      },
    );

    await t.step(
      "linux-x64: a person registers with the client on the server, both from their archives",
      async () => {
        const [server, client] = PROGRAMS.map(({ name }) =>
          join(scratch.path, archiveName(name, "linux-x64"), name)
        );
        const said = await runProgram(client!, ["--version", "--json"]);
        assert.deepEqual(JSON.parse(said.stdout), {
          name: "mini-chat-client",
          version: VERSION,
          commit,
          deno: manifest.deno,
          target: "linux-x64",
        });
        const flags = ["--data", join(scratch.path, "data"), "--host", "127.0.0.1", "--port", "0"];
        await using running = new Program(server!, flags);
        const [, link = ""] = await running.waitForLine(/Invite link +(\S+)/);
        const args = ["--profile", join(scratch.path, "profile"), "register", link, "ana"];
        const registered = await runProgram(client!, args, { input: "a long secret\n" });
        assert.equal(registered.code, 0, registered.stdout + registered.stderr);
        running.signal("SIGTERM");
        assert.equal((await running.waitForExit()).code, 0);
      },
    );

    await t.step(
      "linux-x64: the published script checks the signature, and installs the client",
      async () => {
        await using downloads = new ReleaseFolder(folder);
        const home = join(scratch.path, "home");
        const env = {
          HOME: home,
          XDG_DATA_HOME: "",
          MINI_CHAT_INSTALL_DIR: "",
          SUDO_USER: "",
          no_proxy: "*",
        };
        const installed = await runProgram("sh", [downloads.script, "--url", downloads.url], { env });
        assert.equal(installed.code, 0, installed.stderr);
        assert.ok(installed.stdout.includes("\nThe signature is right.\n"), installed.stdout);
        const said = await runProgram(join(home, ".local/bin/mini-chat-client"), ["--version", "--json"]);
        assert.equal(JSON.parse(said.stdout).commit, commit);
      },
    );

    await t.step(
      "nothing in an executable says where it was made, so that it can be made again elsewhere",
      async () => {
        for (const { name } of PROGRAMS) {
          const bytes = await readFile(join(scratch.path, archiveName(name, "linux-x64"), name));
          assert.ok(bytes.includes("// node_modules/.deno/kysely@"), "packages lie beside the source");
          for (const folder of [PROJECT_FOLDER, await denoCache()]) {
            assert.ok(!bytes.includes(folder.slice(1)), `${name} names ${folder}`);
          }
        }
      },
    );

    await t.step("the same source makes the same bytes again", async () => {
      const again = join(scratch.path, "again");
      await release(again, ["linux-x64"], keys.signer);
      for (const { file } of (await readManifest(again)).files) {
        assert.deepEqual(await measure(join(again, file)), await measure(join(folder, file)), file);
      }
      await assert.rejects(release(again, ["linux-x64"], keys.signer), /again: it is not empty/);
    });

    await t.step({
      name: `linux-arm64: says its version in an emulator${noEmulator ? ` [left out: ${noEmulator}]` : ""}`,
      ignore: noEmulator !== undefined,
      fn: async () => {
        const path = join(scratch.path, archiveName("mini-chat-client", "linux-arm64"), "mini-chat-client");
        const said = await runProgram(EMULATOR, [
          "-L",
          "/usr/aarch64-linux-gnu",
          path,
          "--version",
          "--json",
        ]);
        assert.equal(JSON.parse(said.stdout).target, "linux-arm64", said.stderr);
      },
    });
  },
);
