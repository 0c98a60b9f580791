/**
 * E-mail joined to the rest of the client: users' published addresses, and the outbox while the menu runs.
 * @module
 */
import type { App } from "../app.ts";
import { runEmailSubcommand } from "./once.ts";
import { runMailOutbox } from "./outbox.ts";
import { type EmailParts, makeEmailParts } from "./parts.ts";
import type { EmailSurroundings } from "./program.ts";
import type { ScriptOptions } from "../program.ts";
import { openSession } from "../scripts.ts";

type FindAddress = EmailParts["findPublishedAddress"];

/** The e-mail part of a client at its menu, where a name is looked up as whoever is signed in. */
export function emailAtMenu(app: App, surroundings: EmailSurroundings): EmailParts {
  return partsOf(app, surroundings, {
    triesAgain: true,
    findPublishedAddress: async (name) =>
      app.session === null ? null : (await app.client().findUser(name))?.email ?? null,
  });
}

/**
 * Sends what is due while the menu runs. Disposing of it ends that, and waits for the mail under way to be put back.
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

export function runEmailOnce(
  app: App,
  args: readonly string[],
  surroundings: EmailSurroundings,
): Promise<number> {
  const parts = partsOf(app, surroundings, { triesAgain: false, findPublishedAddress: lookUpOnce(app) });
  return runEmailSubcommand(args, parts, {
    readInput: () => app.readInput(),
    printError: surroundings.printError,
    signal: new AbortController().signal,
  });
}

function partsOf(
  app: App,
  surroundings: EmailSurroundings,
  rest: Pick<EmailParts, "triesAgain" | "findPublishedAddress">,
): EmailParts {
  const { terminal, profile } = app;
  const { profileFolder, homeFolder, openBrowser } = surroundings;
  return makeEmailParts({ terminal, profile, profileFolder, homeFolder, openBrowser, ...rest });
}

/** A script connects only when a name has to be looked up, as the account that signed in last. */
function lookUpOnce(app: App): FindAddress {
  const asLast: ScriptOptions = { json: false };
  return async (name) => {
    if (app.session === null) await openSession(app, asLast);
    return (await app.client().findUser(name))?.email ?? null;
  };
}
