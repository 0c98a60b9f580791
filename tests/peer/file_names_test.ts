import assert from "node:assert/strict";
import { join } from "node:path";
import { placeFile, safeFileName } from "../../lib/peer/files/file_names.ts";
import { tempFolder } from "../helpers/temp_folder.ts";

Deno.test("safeFileName() makes one harmless name of anything", () => {
  const table = {
    "report.pdf": "report.pdf",
    "../../.bashrc": "bashrc",
    "/etc/passwd": "passwd",
    "C:\\Windows\\evil.exe": "evil.exe",
    "..": "file",
    "": "file",
    "...": "file",
    "-rf": "rf",
    "~": "file",
    "aux": "_aux",
    "COM1.txt": "_COM1.txt",
    "COM¹": "_COM¹",
    "nul .txt": "_nul .txt",
    "CONIN$": "_CONIN$",
    "\u0301\u0301": "file",
    " \u0301a.txt": "a.txt",
    [`z${"\u0315".repeat(50)}.txt`]: `z${"\u0315".repeat(8)}.txt`,
    [`${"x".repeat(199)} y`]: "x".repeat(199),
    "a\u202Etxt.exe": "atxt.exe",
    "new\nline\tand  space": "newlineand space",
    'what?<is>|"this"*': "what__is___this__",
    "trailing. .": "trailing",
    "Привет мир.txt": "Привет мир.txt",
    "日本.txt": "日本.txt",
  };
  for (const [offered, name] of Object.entries(table)) {
    assert.equal(safeFileName(offered), name, JSON.stringify(offered));
  }
  assert.ok(new TextEncoder().encode(safeFileName("я".repeat(300) + ".pdf")).length <= 200);
  assert.match(safeFileName("я".repeat(300) + ".pdf"), /\.pdf$/);
});

Deno.test("placeFile() replaces nothing, and numbers before the extension", async () => {
  using folder = tempFolder();
  const put = async (name: string) => {
    const part = join(folder.path, ".part");
    await Deno.writeTextFile(part, "new");
    return (await placeFile(part, folder.path, name)).slice(folder.path.length + 1);
  };
  await Deno.writeTextFile(join(folder.path, "a.tar.gz"), "old");
  await Deno.mkdir(join(folder.path, "plain"));
  if (Deno.build.os === "windows") await Deno.writeTextFile(join(folder.path, "link.txt"), ""); // links need a right there
  else await Deno.symlink("/nowhere", join(folder.path, "link.txt"));
  assert.equal(await put("a.tar.gz"), "a (2).tar.gz");
  assert.equal(await put("a.tar.gz"), "a (3).tar.gz");
  assert.equal(await put("plain"), "plain (2)");
  assert.equal(await put("link.txt"), "link (2).txt");
  assert.equal(await Deno.readTextFile(join(folder.path, "a.tar.gz")), "old");
});
