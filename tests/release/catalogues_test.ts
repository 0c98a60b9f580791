// Homebrew and Scoop cannot be run here: Ruby reads the formula, with stand-ins for Homebrew's words, and Scoop's schema is followed by hand.
import assert from "node:assert/strict";
import * as z from "zod";
import { PROGRAMS, TARGETS } from "../../build/compile.ts";
import { homebrewFormula, scoopManifest, writeCatalogues } from "../../build/release/catalogues.ts";
import { archiveName, type Release } from "../../build/release/manifest.ts";
import { testWith } from "../helpers/needs.ts";
import { runProgram } from "../helpers/program.ts";
import { tempFolder } from "../helpers/temp_folder.ts";

const URL = "https://github.com/ana/mini-chat/releases/download/v1.2.3";

/** A release for these targets; each file has a checksum of its own. */
function release(targets: readonly string[] = Object.keys(TARGETS), url = URL): Release {
  const files = PROGRAMS.flatMap(({ name }) => targets.map((target) => ({ program: name, target })))
    .map(({ program, target }) => {
      const file = archiveName(program, target);
      return { file, program, target, bytes: 1, sha256: file.length.toString(16).padEnd(64, "0") };
    });
  return {
    name: "mini-chat",
    version: "1.2.3",
    commit: "c".repeat(40),
    deno: "2.8.3",
    url,
    files: files.toSorted((a, b) => a.file < b.file ? -1 : 1),
  };
}

/** Runs a formula as on a machine of this kind, and prints what it says of itself. */
const STAND_IN = `
class Formula
  def self.test = puts("test") # a method that every object of Ruby's has
  def self.method_missing(name, *args, &block)
    case name
    when :on_macos, :on_linux then block.call if name.to_s == "on_" + ENV["SYSTEM"]
    when :on_arm, :on_intel then block.call if name.to_s == "on_" + ENV["MACHINE"]
    when :service then puts "service"
    else puts "#{name} #{args.join(" ")}"
    end
  end
end
load ARGV[0]
`;

testWith(
  [{ command: "ruby" }],
  "homebrewFormula() is Ruby, and names the archive of each machine",
  async () => {
    using folder = tempFolder();
    const made = release();
    for (const { name } of PROGRAMS) {
      const path = `${folder.path}/${name}.rb`;
      const formula = homebrewFormula(made, name)!;
      await Deno.writeTextFile(path, formula);
      const syntax = await runProgram("ruby", ["-wc", path]);
      assert.equal(syntax.stdout + syntax.stderr, "Syntax OK\n");
      for (
        const [system, machine] of [["macos", "arm"], ["macos", "intel"], ["linux", "arm"], [
          "linux",
          "intel",
        ]]
      ) {
        const { code, stdout, stderr } = await runProgram("ruby", ["-e", STAND_IN, path], {
          env: { SYSTEM: system!, MACHINE: machine! },
        });
        assert.equal(code, 0, stderr);
        const target = `${system}-${machine === "arm" ? "arm64" : "x64"}`;
        const file = made.files.find((it) => it.file === archiveName(name, target))!;
        const [desc, ...lines] = stdout.trimEnd().split("\n");
        // Homebrew's audit: no article first, no full stop, at most 80 characters.
        assert.match(desc!, /^desc (?!An? |The )[A-Z].{1,78}[^.]$/);
        assert.deepEqual(lines, [
          "homepage https://github.com/ana/mini-chat",
          "version 1.2.3",
          "license MIT",
          `url ${URL}/${file.file}`,
          `sha256 ${file.sha256}`,
          ...(name === "mini-chat-server" ? ["service"] : []),
          "test",
        ]);
      }
    }
  },
);

/** What Scoop's schema says of the keys that are used: no other is allowed. */
const hash = z.string().regex(/^[a-fA-F0-9]{64}$/);
const SCOOP = z.strictObject({
  version: z.string().regex(/^[\w.+-]+$/),
  description: z.string().min(1),
  homepage: z.url(),
  license: z.literal("MIT"),
  architecture: z.strictObject({ "64bit": z.strictObject({ url: z.url().regex(/^[^$]+$/), hash }) }),
  bin: z.string().endsWith(".exe"),
  checkver: z.strictObject({ github: z.url() }).optional(),
  autoupdate: z.strictObject({
    architecture: z.strictObject({ "64bit": z.strictObject({ url: z.url() }) }),
    hash: z.strictObject({ url: z.string().regex(/\$(url|baseurl)/) }),
  }).optional(),
});

Deno.test("scoopManifest() follows Scoop's schema, and leads to the next version at GitHub alone", () => {
  for (const { name } of PROGRAMS) {
    const manifest = SCOOP.parse(JSON.parse(scoopManifest(release(), name)!));
    assert.equal(manifest.architecture["64bit"].url, `${URL}/${name}-windows-x64.zip`);
    assert.deepEqual(manifest.checkver, { github: "https://github.com/ana/mini-chat" });
    assert.equal(
      manifest.autoupdate?.architecture["64bit"].url,
      `https://github.com/ana/mini-chat/releases/download/v$version/${name}-windows-x64.zip`,
    );
    const elsewhere = SCOOP.parse(
      JSON.parse(scoopManifest(release(undefined, "https://example.org/1.2.3"), name)!),
    );
    assert.equal(elsewhere.homepage, "https://example.org/1.2.3");
    assert.equal(elsewhere.checkver, undefined);
    assert.equal(elsewhere.autoupdate, undefined);
  }
});

Deno.test("writeCatalogues() writes the files of the systems that the release is for", async () => {
  using folder = tempFolder();
  const written = await writeCatalogues(`${folder.path}/new`, release(["linux-x64"]));
  assert.deepEqual(written, ["mini-chat-client.rb", "mini-chat-server.rb"]);
  const formula = await Deno.readTextFile(`${folder.path}/new/mini-chat-client.rb`);
  assert.doesNotMatch(formula, /on_macos|on_arm/);
  assert.equal((await writeCatalogues(folder.path, release())).length, 4);
});
