/**
 * E-mail joined to the rest of the client: users' published addresses, the subcommand, the outbox while the menu runs.
 * @module
 */
import type { Command } from "commander";
import type { App } from "./app.ts";
import { runEmailSubcommand } from "./email_once.ts";
import { type EmailParts, makeEmailParts } from "./email_parts.ts";
import { runMailOutbox } from "./email_outbox.ts";
import { openSession, type ScriptOptions } from "./program.ts";

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

/** How a Mini-Chat user's published address is looked up. */
type FindAddress = EmailParts["findPublishedAddress"];

/**
 * The e-mail part of a client at its menu, where a name is looked up as whoever is signed in.
 *
 * @param app The client.
 * @param surroundings What only the entry file knows.
 */
export function emailAtMenu(app: App, surroundings: EmailSurroundings): EmailParts {
  return partsOf(
    app,
    surroundings,
    async (name) => app.session === null ? null : (await app.client().findUser(name))?.email ?? null,
  );
}

/**
 * Sends what is due while the menu runs. Disposing of it ends that, and waits for the mail under way to be put back.
 *
 * @param parts See {@linkcode emailAtMenu}.
 */
export function startMailOutbox(parts: EmailParts): AsyncDisposable {
  const stop = new AbortController();
  const ended = runMailOutbox(parts, stop.signal);
  return {
    async [Symbol.asyncDispose]() {
      stop.abort();
      await ended;
    },
  };
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
      withApp((app) => {
        const stop = new AbortController();
        const parts = partsOf(app, surroundings(), lookUpOnce(app));
        return runEmailSubcommand(args, parts, {
          readInput: () => app.readInput(),
          printError: surroundings().printError,
          signal: stop.signal,
        });
      })
    );
}

function partsOf(app: App, surroundings: EmailSurroundings, findPublishedAddress: FindAddress): EmailParts {
  const { terminal, profile } = app;
  const { profileFolder, homeFolder, openBrowser } = surroundings;
  return makeEmailParts({ terminal, profile, profileFolder, homeFolder, openBrowser, findPublishedAddress });
}

/** A script connects only when a name has to be looked up, as the account that signed in last. */
function lookUpOnce(app: App): FindAddress {
  const asLast: ScriptOptions = { json: false };
  return async (name) => {
    if (app.session === null) await openSession(app, asLast);
    return (await app.client().findUser(name))?.email ?? null;
  };
}
