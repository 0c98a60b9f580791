/**
 * The subcommand `email`.
 * @module
 */
import type { Command } from "commander";
import type { App } from "../app.ts";

/** What only the entry file knows. */
export interface EmailSurroundings {
  /** The profile's folder. */
  readonly profileFolder: string;
  /** Folder that `~` stands for; unset where it is not known. */
  readonly homeFolder: string | undefined;
  /** Opens a link in the person's browser; `false` where there is none. */
  readonly openBrowser: (url: string) => Promise<boolean>;
  /** Writes a line to standard error. */
  readonly printError: (line: string) => Promise<void>;
}

/**
 * Adds `email …` to the program.
 *
 * @param program The program.
 * @param withApp Runs the work with a client, and ends the process with the exit code that it gives.
 * @param surroundings What only the entry file knows.
 */
export function addEmailCommand(
  program: Command,
  withApp: (work: (app: App) => Promise<number>) => Promise<void>,
  surroundings: () => EmailSurroundings,
): void {
  program.command("email").description("send an e-mail; manage mail accounts and the outbox")
    .argument("[args...]", 'see "email --help"')
    .helpOption(false).allowUnknownOption().allowExcessArguments().passThroughOptions()
    .action((args: string[]) =>
      withApp(async (app) => {
        const { runEmailOnce } = await import("./at_work.ts");
        return await runEmailOnce(app, args, surroundings());
      })
    );
}
