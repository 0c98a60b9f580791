import { join } from "node:path";
import { messageOf, UsageError } from "../../errors.ts";

/** Runs `VISUAL` or `EDITOR`, arguments included, by the shell (as git does) on a text. Throws `UsageError` when it fails. */
export async function editWithProgram(command: string | undefined, text: string): Promise<string> {
  if (command === undefined || command.trim() === "") {
    throw new UsageError(
      "Cannot open an editor as none is set: set VISUAL or EDITOR to the command that starts yours",
    );
  }
  // makeTempDir makes it with mode 0700: nobody else reads a draft.
  const folder = await Deno.makeTempDir({ prefix: "mini-chat-" });
  try {
    const file = join(folder, "text.txt");
    await Deno.writeTextFile(file, text, { mode: 0o600 });
    const status = await run(command, file);
    if (!status.success) {
      throw new UsageError(`Cannot take the text as the editor ended with code ${status.code}: ${command}`);
    }
    return (await Deno.readTextFile(file)).replaceAll("\r\n", "\n");
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

async function run(command: string, file: string): Promise<Deno.CommandStatus> {
  const isWindows = Deno.build.os === "windows";
  const args = isWindows ? ["/d", "/c", `${command} "${file}"`] : ["-c", `${command} "$1"`, "sh", file];
  const inherit = { stdin: "inherit", stdout: "inherit", stderr: "inherit" } as const;
  try {
    const shell = isWindows ? "cmd" : "sh";
    return await new Deno.Command(shell, { args, ...inherit, windowsRawArguments: isWindows }).spawn().status;
  } catch (error) {
    throw new UsageError(`Cannot run the editor ${command}: ${messageOf(error)}`, { cause: error });
  }
}
