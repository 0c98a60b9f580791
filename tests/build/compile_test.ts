import assert from "node:assert/strict";
import { cpSync } from "node:fs";
import { join } from "node:path";
import { denoCache } from "../helpers/deno_cache.ts";
import { testWith, whyNot } from "../helpers/needs.ts";
import { freePort } from "../helpers/ports.ts";
import { runProgram } from "../helpers/program.ts";
import { tempFolder } from "../helpers/temp_folder.ts";
import { compileProgram, type Program } from "../../build/compile.ts";
import { measure } from "../../build/release/manifest.ts";
import { whyNoBaseExecutable } from "../../build/denort.ts";

/** A program of one file, which says what it may do, and whether what it holds is let go. */
function writeSmallProgram(folder: string): Program {
  const entry = join(folder, "small.ts");
  Deno.writeTextFileSync(
    entry,
    `let isOpen = false;
     class Door { number = 7; constructor() { isOpen = true; } [Symbol.dispose]() { isOpen = false; } }
     function passThrough() { using door = new Door(); return door.number; }
     passThrough();
     const { state } = Deno.permissions.querySync({ name: "run" });
     Deno.stdout.writeSync(new TextEncoder().encode(\`\${isOpen ? "left open, " : ""}run: \${state}, \${Deno.env.get("SEEN")}, \${Deno.env.get("UNSEEN")}\`));`,
  );
  return {
    entry,
    name: "small",
    permissions: ["--no-prompt", "--allow-env=SEEN", "--ignore-env", "--allow-run=sh"],
  };
}

Deno.test("compileProgram() says so when DENORT_BIN names nothing", async () => {
  using folder = tempFolder();
  const program = writeSmallProgram(folder.path);
  const DENORT_BIN = join(folder.path, "no-such-file");
  await assert.rejects(
    compileProgram(program, { folder: join(folder.path, "dist"), env: { DENORT_BIN } }),
    /DENORT_BIN names no base executable of Deno: .*no-such-file/,
  );
});

Deno.test("compileProgram() says what DENORT_BIN is for when the base executable cannot be downloaded", async () => {
  using folder = tempFolder();
  // A cache without the base executables that were fetched earlier, but with the bundler, which comes from npm.
  const cache = join(folder.path, "cache");
  const program = writeSmallProgram(folder.path);
  await runProgram(Deno.execPath(), [
    "bundle",
    "--quiet",
    "--outdir",
    join(folder.path, "bundled"),
    program.entry,
  ]);
  const real = await denoCache();
  cpSync(join(real, "dl"), join(cache, "dl"), {
    recursive: true,
    filter: (path) => !path.includes("denort"),
  });
  await Deno.symlink(join(real, "npm"), join(cache, "npm"));
  const env = {
    DENO_DIR: cache,
    DENORT_BIN: "",
    HTTPS_PROXY: `http://127.0.0.1:${freePort()}`, // where nobody listens
    NO_PROXY: "",
  };
  const options = { folder: join(folder.path, "dist"), target: "macos-arm64", env };
  await assert.rejects(
    compileProgram(program, options),
    /base executable \(denort\) cannot be downloaded: .* set DENORT_BIN to its path/,
  );
});

const reason = whyNot("linux") ?? whyNoBaseExecutable() ??
  (Deno.env.has("DENORT_BIN") ? undefined : "needs DENORT_BIN, which .ci/run sets");
testWith(
  reason === undefined ? [] : [{ because: reason }],
  "compileProgram() makes an executable with the permissions of the program and no others",
  async () => {
    using folder = tempFolder();
    const program = writeSmallProgram(folder.path);
    const path = await compileProgram(program, { folder: join(folder.path, "dist") });
    const temporary = join(folder.path, "tmp");
    await Deno.mkdir(temporary);
    const env = { SEEN: "seen", UNSEEN: "unseen", TMPDIR: temporary };
    const { code, stdout, stderr } = await runProgram(path, [], { env });
    assert.deepEqual({ code, stdout, stderr }, {
      code: 0,
      stdout: "run: prompt, seen, undefined",
      stderr: "",
    });
    // Deno looks for the programs of --allow-run before it starts ours, and once gave up where there was no PATH.
    const bare = await runProgram("env", ["-i", "SEEN=seen", path]);
    assert.deepEqual([bare.stdout, bare.stderr], ["run: prompt, seen, undefined", ""]);
    // The same source makes the same bytes, whenever and wherever it is compiled.
    const again = await compileProgram(program, { folder: join(folder.path, "again") });
    assert.deepEqual(await measure(again), await measure(path));
    // Code that was kept where everybody writes would be run from there the next time.
    assert.deepEqual(await Array.fromAsync(Deno.readDir(temporary)), []);
  },
);
