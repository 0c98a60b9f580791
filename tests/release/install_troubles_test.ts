// What can go wrong while install.sh runs: clear words, an exit code, and nothing left behind.
import assert from "node:assert/strict";
import { join } from "node:path";
import { runProgram } from "../helpers/program.ts";
import { runOnPty } from "../helpers/pty.ts";
import { ARCHIVE, FILES, INSTALLED, type Machine, PROGRAM, SHELLS, testOn, TINY } from "./install_machine.ts";

/** What goes wrong, and what is said: nothing is left behind by any of them. */
const FAILURES: Record<
  string,
  { does: (machine: Machine) => unknown; code: number; says: RegExp; args?: string[] }
> = {
  "a wrong checksum": {
    does: ({ release }) => Deno.writeTextFile(join(release.path, ARCHIVE), "evil"),
    code: 6,
    says:
      /^Cannot trust mini-chat-client-\S+: its SHA-256 is b5c1fb2e[0-9a-f]+, SHA256SUMS says [0-9a-f]{64};/,
  },
  "an archive that SHA256SUMS does not name": {
    does: ({ release }) =>
      Deno.writeTextFile(join(release.path, "SHA256SUMS"), "<html>log in to this Wi-Fi</html>\n"),
    code: 6,
    says: /^Cannot check mini-chat-client-\S+: SHA256SUMS does not name it\./,
  },
  "a download that is cut": {
    does: ({ release }) => release.troubles.set(ARCHIVE, { cutAfter: 20 }),
    code: 5,
    says: /^curl: .*\nCannot download http:\S+: the connection failed \(curl ended with \d+\); try again\./,
  },
  "a file that the server does not have": {
    does: ({ release }) => release.troubles.set(ARCHIVE, "missing"),
    code: 5,
    says: /\nCannot download http:\S+: the server has no such file, or refused\./,
  },
  "an archive without the program": {
    does: ({ release }) => release.publish(PROGRAM, { other: TINY }),
    code: 6,
    says: /^Cannot install mini-chat-client: mini-chat-client-\S+ does not hold it\./,
  },
  "a program that does not run here": {
    does: ({ release }) =>
      release.publish(PROGRAM, { [PROGRAM]: "#!/bin/sh\necho GLIBC_9 not found >&2\nexit 127\n" }),
    code: 8,
    says: /^Cannot run mini-chat-client on this machine: GLIBC_9 not found\./,
  },
  "a folder in the place of the program": {
    does: ({ home }) => Deno.mkdir(join(home, ".local/bin", PROGRAM), { recursive: true }),
    code: 7,
    says: /^Cannot install mini-chat-client: \S+ is a folder; move it away/,
  },
  "a folder that cannot be made": {
    does: () => {},
    args: ["--dir", "/dev/null/bin"],
    code: 7,
    says: /^Cannot make \/dev\/null\/bin: Not a directory; say --dir FOLDER for another/,
  },
  "no downloader": {
    does: (machine) => machine.has("dash", "uname", "getconf", "ldd", "tar", "gzip", "mv"),
    code: 4,
    says: /^Cannot download: neither curl nor wget is installed/,
  },
  "a wget that does not check certificates": {
    does: async (machine) => {
      await machine.has("dash", "uname", "getconf", "ldd", "tar", "gzip", "mv");
      await Deno.symlink("/bin/busybox", join(machine.env.PATH!, "wget"));
    },
    code: 4,
    says: /^Cannot download safely: BusyBox's wget does not check certificates; install curl/,
  },
  "nothing to make a checksum with": {
    does: (machine) => machine.has("dash", "uname", "getconf", "ldd", "tar", "gzip", "mv", "curl"),
    code: 4,
    says: /^Cannot check what is downloaded: none of sha256sum, shasum and openssl/,
  },
  "an unknown system": {
    does: (machine) => machine.fakes("uname", '[ "$1" = -s ] && echo FreeBSD || echo amd64'),
    code: 3,
    says: /^Cannot install on FreeBSD: there are programs for Linux, macOS and Windows/,
  },
  "an unknown machine": {
    does: (machine) => machine.fakes("uname", '[ "$1" = -s ] && echo Linux || echo riscv64'),
    code: 3,
    says: /^Cannot install on a machine of the kind riscv64:/,
  },
  "Windows": {
    does: (machine) => machine.fakes("uname", "echo MINGW64_NT-10.0"),
    code: 3,
    says: /run install\.ps1 in PowerShell/,
  },
  "musl": {
    does: (machine) => machine.fakes("ldd", "echo 'musl libc (x86_64)' >&2; exit 1"),
    code: 3,
    says: /^Cannot install: this system uses musl, as Alpine does/,
  },
  "32-bit programs on a 64-bit kernel": {
    does: (machine) => machine.fakes("getconf", "echo 32"),
    code: 3,
    says: /^Cannot install: this system's programs are 32-bit/,
  },
  "sudo, which installs for somebody else": {
    does: (machine) => machine.env = { SUDO_USER: "ana" },
    code: 2,
    says: /^Cannot tell whom to install for: this runs by sudo/,
  },
  "an address without TLS": {
    does: () => {},
    args: ["--url", "http://example.org/mini-chat"],
    code: 2,
    says: /^Cannot download from "http:\/\/example\.org\/mini-chat": it has to begin with https:/,
  },
  "a word that it does not know": {
    does: () => {},
    args: ["clinet"],
    code: 2,
    says: /^Cannot understand "clinet"/,
  },
  "a flag without its value": {
    does: () => {},
    args: ["--dir"],
    code: 2,
    says: /^Cannot go on: --dir needs a value/,
  },
};

for (const [what, { does, code, says, args = [] }] of Object.entries(FAILURES)) {
  testOn(`tells of ${what}, and leaves nothing behind`, async (machine) => {
    await does(machine);
    const result = await machine.runs(...args);
    assert.match(result.stderr, says);
    assert.equal(result.code, code);
    assert.deepEqual(machine.files(), []);
  });
}

testOn("keeps the program that was there when an update fails", async (machine) => {
  await machine.runs();
  machine.release.troubles.set(ARCHIVE, { cutAfter: 20 });
  assert.equal((await machine.runs()).code, 5);
  assert.deepEqual(machine.files(), INSTALLED);
  assert.equal(await Deno.readTextFile(join(machine.home, ".local/bin", PROGRAM)), TINY);
});

testOn("stops by Ctrl+C with nothing left behind", async (machine) => {
  machine.release.troubles.set(ARCHIVE, "hangs");
  for (const shell of SHELLS) {
    const { output, code } = await runOnPty([...shell, machine.release.script], [
      { wait: ARCHIVE },
      { keys: "\x03" },
    ], { env: machine.variables });
    assert.match(output, /Stopped\. Nothing was installed\r\n$/);
    assert.equal(code, 130);
    assert.deepEqual(machine.files(), []);
  }
}, { command: "python3" });

testOn("removes what a run that was killed has left, and not what another one is using", async (machine) => {
  const gone = new Deno.Command("true").spawn();
  await gone.status;
  const [stale, used] = [gone.pid, Deno.pid].map((pid) =>
    join(machine.home, `.local/bin/.mini-chat-install.${pid}`)
  );
  for (const folder of [stale, used]) {
    await Deno.mkdir(folder!, { recursive: true });
    await Deno.writeTextFile(join(folder!, "part"), "");
  }
  await machine.runs();
  assert.deepEqual(machine.files(), [`${used!.slice(machine.home.length + 1)}/part`, ...INSTALLED].sort());
});

testOn("tells when the disk is full, and leaves nothing behind", async (machine) => {
  const disk = machine.folder("disk");
  await Deno.mkdir(disk);
  // Random bytes do not shrink: the archive is as large as what it holds.
  const noise = Array.from(crypto.getRandomValues(new Uint8Array(30_000)), (byte) => byte.toString(36)).join(
    "",
  );
  await machine.release.publish(PROGRAM, { ...FILES, noise: noise });
  const size = (await Deno.stat(join(machine.release.path, ARCHIVE))).size;
  for (const room of [Math.floor(size / 2), size + 8_192]) { // too small for the archive; for what is in it
    await mount("tmpfs", disk, `size=${room}`);
    try {
      const { code, stderr } = await machine.runs("--dir", disk);
      assert.match(
        stderr,
        /Cannot (write|unpack) .*: is (the disk full|there room for \d+ MB)\? Nothing was installed\n$/,
      );
      assert.equal(code, 7);
      assert.deepEqual(machine.files(disk), []);
    } finally {
      await runProgram("umount", [disk]);
    }
  }
}, "root");

testOn(
  "tells of a folder that this person may not write to",
  async (machine) => {
    const folder = machine.folder("of-root");
    await Deno.mkdir(folder, { mode: 0o755 });
    await runProgram("chmod", ["755", join(machine.home, "..")]);
    const nobody = ["--reuid=65534", "--regid=65534", "--clear-groups"];
    const { code, stderr } = await runProgram("setpriv", [
      ...nobody,
      "dash",
      machine.release.script,
      "--dir",
      folder,
    ], { env: machine.variables });
    assert.match(stderr, /^Cannot write into \S+of-root: Permission denied; say --dir FOLDER for another\n$/);
    assert.equal(code, 7);
  },
  "root",
  { command: "setpriv" },
);

async function mount(kind: string, folder: string, options: string): Promise<void> {
  const { code, stderr } = await runProgram("mount", ["-t", kind, "-o", options, kind, folder]);
  assert.equal(code, 0, stderr);
}
