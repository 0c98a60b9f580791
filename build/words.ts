/**
 * What a package carries beside the executables: manual pages and completion scripts, both made from the command trees.
 *
 * `deno run … build/words.ts FOLDER` writes them.
 * @module
 */
import type { Command } from "commander";
import { join } from "node:path";
import { clientProgram, EXIT_STATUS as CLIENT_STATUS } from "../client.ts";
import { EXIT_STATUS as SERVER_STATUS, serverProgram } from "../server.ts";
import { completionFile, completionScript } from "../lib/completion/scripts.ts";
import { SHELLS } from "../lib/completion/shells.ts";
import { VERSION } from "../lib/version.ts";
import { manualPage, type PageText } from "./words/manual_page.ts";
import { CLIENT_PAGE, SERVER_PAGE } from "./words/page_texts.ts";
import { complain } from "./tool.ts";

/** Both programs with what their pages say beside the tree. */
const PAGES: readonly { readonly program: () => Command | Promise<Command>; readonly text: PageText }[] = [
  { program: () => clientProgram(), text: { ...CLIENT_PAGE, exitStatus: CLIENT_STATUS } },
  {
    program: () => serverProgram(() => Promise.reject(new TypeError("A tree runs nothing"))),
    text: { ...SERVER_PAGE, exitStatus: SERVER_STATUS },
  },
];

/**
 * Writes `man/PROGRAM.1`, `completions/bash/PROGRAM`, `completions/zsh/_PROGRAM` and `completions/fish/PROGRAM.fish`.
 *
 * @param folder Made when missing; files of these names in it are replaced.
 * @param name Only this program's, such as `mini-chat-client`; both by default.
 */
export async function writeWords(folder: string, name?: string): Promise<void> {
  for (const { program: makeProgram, text } of PAGES) {
    const program = await makeProgram();
    if (name !== undefined && program.name() !== name) continue;
    await write(join(folder, "man"), `${program.name()}.1`, manualPage(program, text, VERSION));
    for (const shell of SHELLS) {
      const script = completionScript(program.name(), shell);
      await write(join(folder, "completions", shell), completionFile(program.name(), shell), script);
    }
  }
}

async function write(folder: string, file: string, text: string): Promise<void> {
  await Deno.mkdir(folder, { recursive: true });
  await Deno.writeTextFile(join(folder, file), text);
}

if (import.meta.main) {
  const [folder] = Deno.args;
  if (folder === undefined || folder.startsWith("-")) {
    complain("Give the folder to write manual pages and completion scripts to");
    Deno.exit(2);
  }
  await writeWords(folder);
}
