/**
 * The subcommand `email`.
 * @module
 */
import type { Command } from "commander";
import type { App } from "../app.ts";

export interface EmailSurroundings {
  readonly profileFolder: string;
  readonly homeFolder: string | undefined; // folder that `~` stands for; unset where it is not known
  readonly openBrowser: (url: string) => Promise<boolean>;
  /** Writes a line to standard error. */
  readonly printError: (line: string) => Promise<void>;
}

/** Adds `email …` to the program. */
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
