// The executables under test, packed as a release packs them, without what was compiled into them being looked at.
import { join, resolve } from "node:path";
import { packFolder } from "../../build/release/archives.ts";
import { archiveName, describeFile, type Release } from "../../build/release/manifest.ts";
import { PROJECT_FOLDER } from "../../build/tool.ts";
import { writeWords } from "../../build/words.ts";
import { tempFolder } from "../helpers/temp_folder.ts";
import { TARGET } from "./release_folder.ts";

/** When the commit of the tests' release was made. */
export const COMMITTED_AT = new Date("2026-11-25T10:00:00Z");

/** Writes the archives of these programs into a folder; what its `release.json` would hold. */
export async function packRelease(folder: string, programs: readonly string[]): Promise<Release> {
  const files = [];
  for (const program of programs) {
    using content = tempFolder();
    const executable = resolve(PROJECT_FOLDER, Deno.env.get("MINI_CHAT_TEST_DIST")!, program);
    await Deno.copyFile(executable, join(content.path, program));
    await Deno.copyFile(join(PROJECT_FOLDER, "LICENSE"), join(content.path, "LICENSE"));
    await writeWords(content.path, program);
    await packFolder(content.path, join(folder, archiveName(program, TARGET)), COMMITTED_AT);
    files.push(await describeFile(folder, program, TARGET));
  }
  const about = {
    name: "mini-chat",
    commit: "0".repeat(40),
    deno: "2.8.3",
    url: "https://example.com",
  } as const;
  return { ...about, version: "0.1.0", files };
}
