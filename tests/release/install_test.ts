// install.sh as a person runs it: a real shell, a real server of downloads on loopback.
import assert from "node:assert/strict";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { writeWords } from "../../build/words.ts";
import { testWith } from "../helpers/needs.ts";
import { runProgram } from "../helpers/program.ts";
import {
  ARCHIVE,
  FILES,
  INSTALLED,
  Machine,
  NEEDS,
  PROGRAM,
  SHELLS,
  testOn,
  TINY,
} from "./install_machine.ts";

testOn("installs, updates and uninstalls in dash, BusyBox and bash", async (machine) => {
  for (const shell of SHELLS) {
    machine.shell = shell;
    await machine.release.publish(PROGRAM, FILES);
    const { code, stdout, stderr } = await machine.runs();
    assert.equal(code, 0, stderr);
    assert.equal(stderr, "");
    const bin = join(machine.home, ".local/bin");
    assert.deepEqual(stdout.split("\n"), [
      `Downloading ${machine.release.url}/SHA256SUMS`,
      `Downloading ${machine.release.url}/${ARCHIVE}`,
      `Installed ${PROGRAM} in ${bin} (mini-chat-client 1.2.3).`,
      `${bin} is not on your PATH. Type this, and add it to ${machine.home}/.bashrc so that it lasts:`,
      `  export PATH="${bin}:$PATH"`,
      "Next, type:",
      `  ${PROGRAM} 'mini-chat://…'     (the invite link that you were given)`,
      "",
    ]);
    assert.deepEqual(machine.files(), INSTALLED);
    // The line it prints is one to type: it leads to the program.
    const { stdout: version } = await runProgram("bash", ["-c", `export PATH="${bin}:$PATH"; ${PROGRAM}`]);
    assert.equal(version, "mini-chat-client 1.2.3\n");

    await machine.release.publish(PROGRAM, { ...FILES, [PROGRAM]: TINY.replace("1.2.3", "1.3.0") });
    assert.match((await machine.runs()).stdout, /Installed .* \(mini-chat-client 1\.3\.0\)/);
    assert.deepEqual(machine.files(), INSTALLED);

    await Deno.writeTextFile(join(machine.home, ".local/share/mine"), "");
    const removed = await machine.runs("uninstall");
    assert.equal(removed.code, 0, removed.stderr);
    assert.equal(removed.stdout.match(/^Removed /gm)?.length, INSTALLED.length);
    assert.deepEqual(machine.files(), [".local/share/mine"]);
    await Deno.remove(join(machine.home, ".local"), { recursive: true });
    assert.match(
      (await machine.runs("uninstall")).stderr,
      /^Cannot remove mini-chat-client: it is not in .*local\/bin;/,
    );
  }
});

testOn("installs the server into a folder that is on PATH", async (machine) => {
  await machine.release.publish("mini-chat-server", { "mini-chat-server": "#!/bin/sh\necho server 1\n" });
  const folder = machine.folder("my programs");
  machine.env = { PATH: `${folder}:${Deno.env.get("PATH")}` };
  const { code, stdout, stderr } = await machine.runs("server", "--dir", folder);
  assert.equal(code, 0, stderr);
  assert.match(stdout, /\(server 1\)\.\nNext, type:\n {2}mini-chat-server {5}\(it prints an invite link/);
  assert.deepEqual(machine.files(folder), ["mini-chat-server"]);
});

testOn(
  "replaces a program in use, which goes on, and says when another comes first on PATH",
  async (machine) => {
    await machine.release.publish(PROGRAM, { [PROGRAM]: { copyOf: "/bin/sleep" } });
    const [one, two] = [machine.folder("one"), machine.folder("two")];
    await machine.runs("--dir", one);
    const running = new Deno.Command(join(one, PROGRAM), { args: ["100"] }).spawn();
    await machine.release.publish(PROGRAM, FILES);
    machine.env = { PATH: `${one}:${two}:${Deno.env.get("PATH")}` };
    const again = await machine.runs("--dir", one);
    assert.equal(again.code, 0, again.stderr);
    assert.equal(await Deno.readTextFile(join(one, PROGRAM)), TINY);
    running.kill("SIGINT"); // it still runs: else this throws
    assert.equal((await running.status).signal, "SIGINT");

    const { stdout } = await machine.runs("--dir", two);
    assert.match(stdout, new RegExp(`Another ${PROGRAM} comes first on your PATH: ${one}/${PROGRAM}\n`));
    assert.match(stdout, new RegExp(`Next, type:\n {2}${two}/${PROGRAM} 'mini-chat://`));
  },
);

testOn("reads nothing of its own input, so that it can come through a pipe", async (machine) => {
  const program = "#!/bin/sh\ncat\necho 1.2.3\n";
  await machine.release.publish(PROGRAM, { [PROGRAM]: program });
  const script = await Deno.readTextFile(machine.release.script);
  const { code, stdout, stderr } = await runProgram("dash", [], { env: machine.variables, input: script });
  assert.equal(code, 0, stderr);
  assert.match(stdout, /\(1\.2\.3\)/);
});

testOn("does nothing at all when it is cut off", async (machine) => {
  const script = new TextEncoder().encode(await Deno.readTextFile(machine.release.script));
  const cuts = [...Array(40).keys()].map((index) => Math.floor(script.length * index / 40));
  for (let cut = script.length - 16; cut < script.length - 1; cut++) cuts.push(cut);
  const part = machine.folder("part.sh");
  await Deno.mkdir(machine.folder("bin"));
  for (const cut of cuts) {
    await Deno.writeFile(part, script.slice(0, cut));
    for (const [command, ...first] of SHELLS) {
      await runProgram(command!, [...first, part], { env: machine.variables });
    }
  }
  assert.deepEqual(machine.release.asked, []);
  assert.deepEqual(machine.files(), []);
});

testOn("downloads with wget where there is no curl", async (machine) => {
  await machine.has(
    ..."dash uname getconf ldd tar gzip mv wget sha256sum mkdir rm chmod head cp".split(" "),
  );
  const { code, stderr } = await machine.runs();
  assert.equal(code, 0, stderr);
  assert.deepEqual(machine.files(), INSTALLED);
  machine.release.troubles.set(ARCHIVE, "missing");
  const missing = await machine.runs();
  assert.match(missing.stderr, /^Cannot download http:\S+: the server has no such file/);
  machine.release.troubles.set(ARCHIVE, { cutAfter: 20 });
  const cut = await machine.runs();
  assert.match(cut.stderr, /^Cannot download http:\S+: the connection failed \(wget ended with 4\)/);
  assert.deepEqual(machine.files(), INSTALLED);
}, { command: "wget" });

testOn("takes the arm64 program where Rosetta says x86_64", async (machine) => {
  await machine.fakes("uname", '[ "$1" = -s ] && echo Darwin || echo x86_64');
  await machine.fakes("sysctl", '[ "$2" = hw.optional.arm64 ] && echo 1');
  machine.release.troubles.set(`${PROGRAM}-macos-arm64.tar.gz`, "missing");
  await machine.runs();
  assert.deepEqual(machine.release.asked, ["SHA256SUMS", `${PROGRAM}-macos-arm64.tar.gz`]);
});

testOn("checks the signature where minisign is installed, and says so where it is not", async (machine) => {
  const key = await machine.release.sign();
  await machine.release.publish(PROGRAM, FILES, key);
  const right = await machine.runs();
  assert.match(right.stdout, /\nThe signature is right\.\n/, right.stderr);

  // Somebody who can write to the server, but has not the key: archive and checksums fit, the signature does not.
  await machine.release.publish(PROGRAM, { ...FILES, [PROGRAM]: "#!/bin/sh\necho evil\n" }, key);
  const wrong = await machine.runs();
  assert.match(
    wrong.stderr,
    /^Cannot trust SHA256SUMS: its signature is wrong \(.*\)\. Nothing was installed$/m,
  );
  assert.equal(wrong.code, 6);
  assert.equal(await Deno.readTextFile(join(machine.home, ".local/bin", PROGRAM)), TINY);

  await machine.has(..."dash uname getconf ldd tar gzip mv curl sha256sum mkdir rm chmod head cp".split(" "));
  await machine.release.publish(PROGRAM, FILES, key);
  assert.match(
    (await machine.runs()).stdout,
    /\nThe signature was not checked, as minisign is not installed;/,
  );
}, { command: "minisign" });

testWith(
  ["linux", "executables", ...NEEDS],
  "install.sh installs the real client, which starts, with its completions and its manual page",
  async () => {
    await using machine = await Machine.start();
    // What build/release/release.ts packs.
    const words = machine.folder("words");
    await writeWords(words, PROGRAM);
    const content: Record<string, { copyOf: string }> = {
      [PROGRAM]: { copyOf: join(Deno.env.get("MINI_CHAT_TEST_DIST")!, PROGRAM) },
    };
    for (const file of machine.files(words)) content[file] = { copyOf: join(words, file) };
    await machine.release.publish(PROGRAM, content);
    const { code, stdout, stderr } = await machine.runs();
    assert.equal(code, 0, stderr);
    assert.match(stdout, /Installed mini-chat-client in \S+ \((mini-chat-client )?\d+\.\d+\.\d+/);
    assert.deepEqual(machine.files(), INSTALLED);
  },
);

testWith([{ command: "shellcheck" }], "install.sh has nothing that shellcheck complains of", async () => {
  const script = fileURLToPath(import.meta.resolve("../../build/release/install.sh"));
  const { stdout } = await runProgram("shellcheck", ["--shell=sh", script]);
  assert.equal(stdout, "");
});

Deno.test("install.ps1 has plain characters alone, which old PowerShell reads in any encoding", async () => {
  const script = await Deno.readTextFile(new URL("../../build/release/install.ps1", import.meta.url));
  assert.match(script, /^[\x20-\x7e\n]+$/);
});
