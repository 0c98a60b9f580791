/**
 * The npm packages, from a registry on loopback: installed without scripts, without what is optional, and by npx; what the launcher
 * passes on to the program, with a Node that can be replaced by it and with one that cannot.
 * @module
 */
import assert from "node:assert/strict";
import { join, resolve } from "node:path";
import { PROGRAMS, TARGETS } from "../../build/compile.ts";
import { packFolder } from "../../build/release/archives.ts";
import {
  archiveName,
  describeFile,
  executableName,
  type ReleaseFile,
  writeManifest,
} from "../../build/release/manifest.ts";
import { packNpmPackages } from "../../build/release/npm.ts";
import { PROJECT_FOLDER } from "../../build/tool.ts";
import { VERSION } from "../../lib/version.ts";
import { type Need, testWith } from "../helpers/needs.ts";
import { Program, runProgram } from "../helpers/program.ts";
import { runOnPty } from "../helpers/pty.ts";
import { tempFolder } from "../helpers/temp_folder.ts";
import { NpmRegistry, runNpm } from "./npm_registry.ts";

const NEEDS: readonly Need[] = ["linux", "executables", { command: "npm" }, { command: "zip" }, {
  command: "unzip",
}];

/** A release with the compiled programs for this machine, and a word in their place for each other one. */
async function makeSmallRelease(folder: string, here: string): Promise<void> {
  const files: ReleaseFile[] = [];
  for (const { name } of PROGRAMS) {
    for (const target of Object.keys(TARGETS)) {
      const content = await Deno.makeTempDir({ dir: folder });
      const executable = join(content, executableName(name, target));
      const compiled = resolve(PROJECT_FOLDER, Deno.env.get("MINI_CHAT_TEST_DIST")!, name);
      if (target === here) await Deno.copyFile(compiled, executable);
      else await Deno.writeTextFile(executable, `for ${target}\n`, { mode: 0o755 });
      await Deno.mkdir(join(content, "man"));
      await Deno.writeTextFile(join(content, "man", `${name}.1`), ".TH\n");
      await packFolder(content, join(folder, archiveName(name, target)), new Date(0));
      await Deno.remove(content, { recursive: true });
      files.push(await describeFile(folder, name, target));
    }
  }
  const about = { name: "mini-chat", version: VERSION, commit: "0".repeat(40), deno: "2.8.3" } as const;
  await writeManifest(folder, { ...about, url: "https://example.com", files });
}

/** Settings that take away what a newer Node replaces itself with, as older ones are. */
async function olderNode(folder: string): Promise<Record<string, string>> {
  const path = join(folder, "older.cjs");
  await Deno.writeTextFile(path, "delete process.execve;\n");
  return { NODE_OPTIONS: `--require ${path}` };
}

async function namesIn(folder: string): Promise<string[]> {
  return (await Array.fromAsync(Deno.readDir(folder))).map(({ name }) => name).sort();
}

testWith(NEEDS, "npm install and npx bring the program for this machine, and run nothing else", async (t) => {
  using scratch = tempFolder();
  const here = Deno.build.arch === "aarch64" ? "linux-arm64" : "linux-x64";
  const releaseFolder = join(scratch.path, "release");
  await Deno.mkdir(releaseFolder);
  await makeSmallRelease(releaseFolder, here);
  const packages = await packNpmPackages(releaseFolder, join(scratch.path, "packages"));
  await using registry = new NpmRegistry(packages);
  const install = async (name: string, ...args: string[]) => {
    const folder = join(scratch.path, name);
    await Deno.mkdir(folder);
    const { code, stderr } = await runNpm("npm", ["install", ...args], { registry, folder });
    assert.equal(code, 0, stderr);
    return join(folder, "node_modules");
  };
  const modules = await install("both", "--ignore-scripts", "mini-chat-client", "mini-chat-server");
  const [client, server] = ["mini-chat-client", "mini-chat-server"].map((name) =>
    join(modules, ".bin", name)
  );

  await t.step("no package has a script; those for machines come before those that need them", () => {
    assert.ok(packages.every(({ about }) => !("scripts" in about)));
    assert.deepEqual(packages.slice(-2).map(({ about }) => about.name).sort(), [
      "mini-chat-client",
      "mini-chat-server",
    ]);
  });

  await t.step("--ignore-scripts: the one for this machine is there, and the others are not", async () => {
    const expected = PROGRAMS.flatMap(({ name }) => [name, `${name}-${here}`]).sort();
    assert.deepEqual((await namesIn(modules)).filter((name) => !name.startsWith(".")), expected);
    const { code, stdout } = await runProgram(client!, ["--version", "--json"]);
    assert.deepEqual({ code, target: JSON.parse(stdout).target }, { code: 0, target: here });
  });

  await t.step("--omit=optional: the launcher says what is missing, and how it comes", async () => {
    const without = await install("without", "--omit=optional", "mini-chat-client");
    const { code, stdout, stderr } = await runProgram(join(without, ".bin", "mini-chat-client"), [
      "--version",
    ]);
    assert.deepEqual({ code, stdout }, { code: 1, stdout: "" });
    assert.match(
      stderr,
      new RegExp(`^Cannot start mini-chat-client: its package mini-chat-client-${here} is not `),
    );
    assert.match(stderr, /npm install --include=optional mini-chat-client\n$/);
  });

  await t.step("a machine that there is no program for is told which there are", async () => {
    const path = join(scratch.path, "elsewhere.cjs");
    await Deno.writeTextFile(path, `Object.defineProperty(process, "platform", { value: "freebsd" });\n`);
    const env = { NODE_OPTIONS: `--require ${path}` };
    const { code, stderr } = await runProgram(client!, ["--version"], { env });
    assert.equal(code, 1);
    assert.match(
      stderr,
      /no executable for freebsd-(x64|arm64); there is one in each of mini-chat-client-linux-arm64,/,
    );
  });

  await t.step("npx mini-chat-client --version", async () => {
    const folder = join(scratch.path, "npx");
    await Deno.mkdir(folder);
    const args = ["--yes", "mini-chat-client", "--version"];
    const { code, stdout, stderr } = await runNpm("npx", args, { registry, folder });
    assert.deepEqual({ code, stdout }, { code: 0, stdout: `${VERSION}\n` }, stderr);
  });

  const nodes: [kind: string, env: Record<string, string>][] = [
    ["Node as it is here", {}],
    ["an older Node", await olderNode(scratch.path)],
  ];
  for (const [kind, env] of nodes) {
    await t.step(`${kind}: input, output and exit codes are those of the program`, async () => {
      const wrong = await runProgram(client!, ["nosuch"], { env });
      assert.deepEqual({ code: wrong.code, stdout: wrong.stdout }, { code: 2, stdout: "" });
      assert.match(wrong.stderr, /^Cannot find subcommand nosuch/);
      const profile = join(scratch.path, `profile of ${kind}`);
      const data = join(scratch.path, `data of ${kind}`);
      const flags = ["--data", data, "--host", "127.0.0.1", "--port", "0"];
      await using running = new Program(server!, flags, { env });
      const [, link = ""] = await running.waitForLine(/Invite link +(\S+)/);
      const args = ["--profile", profile, "register", link, "ana"];
      const registered = await runProgram(client!, args, { env, input: "a long secret\n" });
      assert.equal(registered.code, 0, registered.stderr);
      running.signal("SIGTERM");
      const { code, signal } = await running.waitForExit();
      assert.deepEqual({ code, signal }, { code: 0, signal: null });
      assert.match(running.transcript, /stopped/); // by its own words: it was told, and not merely left behind
    });

    await t.step(`${kind}: a program that a signal ends looks so from outside`, async () => {
      const data = join(scratch.path, `killed data of ${kind}`);
      await using running = new Program(server!, ["--data", data, "--host", "127.0.0.1", "--port", "0"], {
        env,
      });
      await running.waitForLine(/Invite link/);
      const children = await runProgram("pgrep", ["-P", String(running.pid)]);
      const pid = Number(children.stdout.trim() || running.pid);
      Deno.kill(pid, "SIGKILL");
      assert.equal((await running.waitForExit()).signal, "SIGKILL");
    });

    await t.step(`${kind}: Ctrl+C at a terminal stops the server, once and cleanly`, async () => {
      const data = join(scratch.path, `terminal data of ${kind}`);
      const argv = [server!, "--data", data, "--host", "127.0.0.1", "--port", "0"];
      const { code, output } = await runOnPty(argv, [{ wait: "Stop with Ctrl+C" }, { keys: "\x03" }], {
        env,
      });
      assert.equal(code, 0, output);
      assert.match(output, /stopped/);
    });

    await t.step(`${kind}: the client has the terminal for itself`, async () => {
      const argv = [client!, "--profile", join(scratch.path, `menu of ${kind}`)];
      const { output, modes } = await runOnPty(argv, [{ wait: "> " }, { keys: "help\r" }, {
        wait: "disconnect",
      }, {
        keys: "\x04",
      }], { env });
      assert.match(output, /connect/);
      assert.deepEqual(modes, { echo: true, canonical: true });
    });
  }
});
