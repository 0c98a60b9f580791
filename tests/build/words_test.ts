/**
 * What packages carry beside the executables: manual pages that `man` has no complaint about, scripts that shells can read.
 * @module
 */
import assert from "node:assert/strict";
import type { Command } from "commander";
import { join } from "node:path";
import { writeWords } from "../../build/words.ts";
import { clientProgram } from "../../client.ts";
import { serverProgram } from "../../server.ts";
import { commandsIn } from "../helpers/command_tree.ts";
import { testWith } from "../helpers/needs.ts";
import { runProgram } from "../helpers/program.ts";
import { tempFolder } from "../helpers/temp_folder.ts";

const PROGRAMS: Record<string, Command> = {
  "mini-chat-client": clientProgram(),
  "mini-chat-server": await serverProgram(() => Promise.reject(new Error("nothing is run here"))),
};

/** A page as a terminal of 80 columns shows it, without bold and underline; and what man complained about. */
async function shown(page: string): Promise<{ text: string; complaints: string }> {
  const env = { LC_ALL: "C.UTF-8", MANWIDTH: "80", MANROFFSEQ: "" };
  const { stdout, stderr } = await runProgram("man", ["--warnings", "-Tutf8", "-l", page], { env });
  // deno-lint-ignore no-control-regex
  return { text: stdout.replaceAll(/.\u0008|\u001b\[[\d;]*m/g, ""), complaints: stderr };
}

testWith(
  [{ command: "man" }, { command: "groff" }],
  "a manual page tells every subcommand and flag of the program, fits 80 columns, and man has no complaint",
  async () => {
    using folder = tempFolder();
    await writeWords(folder.path);
    for (const [name, program] of Object.entries(PROGRAMS)) {
      const { text, complaints } = await shown(join(folder.path, "man", `${name}.1`));
      assert.equal(complaints, "");
      assert.deepEqual(text.split("\n").filter((line) => line.length > 80), []);
      const all = commandsIn(program);
      const named = [
        ...all.flatMap(({ options }) => options.flatMap(({ long, envVar }) => [long, envVar])),
        ...all.flatMap(({ commands }) => commands.map((command) => command.name())),
      ].filter((word) => word != null && word !== "complete");
      assert.ok(named.length > 20);
      assert.deepEqual(named.filter((word) => !text.includes(word!)), [], name);
      for (const title of ["NAME", "SYNOPSIS", "EXIT STATUS", "ENVIRONMENT", "FILES", "EXAMPLES"]) {
        assert.match(text, new RegExp(`^${title}$`, "m"));
      }
    }
  },
);

for (const [shell, file] of [["bash", "NAME"], ["zsh", "_NAME"], ["fish", "NAME.fish"]] as const) {
  testWith([{ command: shell }], `${shell} can read the completion scripts of both programs`, async () => {
    using folder = tempFolder();
    await writeWords(folder.path);
    for (const name of Object.keys(PROGRAMS)) {
      const script = join(folder.path, "completions", shell, file.replace("NAME", name));
      assert.deepEqual(await runProgram(shell, ["-n", script]), { code: 0, stdout: "", stderr: "" });
    }
  });
}
