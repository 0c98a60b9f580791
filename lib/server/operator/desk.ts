// What the operator's subcommands work with: an open store, and a terminal to say how it went.
import type { Command } from "commander";
import { type Act, OPERATOR_ACTS, type OperatorAct, type ServerStore } from "../../chat/operator_store.ts";
import type { Terminal } from "../../terminal/terminal.ts";
import { checkDatabaseIsThere, dataPaths } from "../data_folder.ts";
import { databaseUrlOf } from "../options.ts";

/** The verbs by which an operator changes something. */
export type OperatorActs = Pick<ServerStore, OperatorAct>;

export interface Desk {
  readonly store: ServerStore; // for reading: what changes something goes through `noted`
  readonly terminal: Terminal;
  readonly databaseUrl: string | undefined; // of a shared database; unset: the file in the data folder
}

export interface ActingDesk extends Desk {
  /** Verbs that note in the audit log, as they change something, who did it and on what: an account, an invite, … */
  readonly noted: (subject: string) => OperatorActs;
}

/** Makes work the action of a subcommand: on the store of its data folder, with the arguments and flags that were given. */
export type OnStore = <Given extends unknown[]>(command: Command, work: Work<Given>) => void;

type Work<Given extends unknown[]> = (desk: ActingDesk, ...given: Given) => Promise<void>;

/** @param actor Who is at it, for the audit log. */
export function onStoreWith(openTerminal: () => Promise<Terminal>, actor: () => string): OnStore {
  return <Given extends unknown[]>(command: Command, work: Work<Given>) =>
    command.action((...given) =>
      atDesk(command, openTerminal, (desk) => {
        const act = pathOf(command);
        const noted = (subject: string) => notedBy(desk.store, { actor: actor(), act, subject });
        return work({ ...desk, noted }, ...given as Given);
      })
    );
}

/** Runs work on the store of a subcommand's data folder. */
export async function atDesk(
  command: Command,
  openTerminal: () => Promise<Terminal>,
  work: (desk: Desk) => Promise<void>,
): Promise<void> {
  const databaseUrl = await databaseUrlOf(command);
  await using store = await openStore(command.opts<{ data: string }>().data, databaseUrl);
  const terminal = await openTerminal();
  await work({ store, terminal, databaseUrl });
  await terminal.flush();
}

function notedBy(store: ServerStore, act: Act): OperatorActs {
  const verbs = OPERATOR_ACTS.map((verb) => [verb, (...args: unknown[]) => store.operate(act, verb, args)]);
  return Object.fromEntries(verbs) as OperatorActs;
}

/** The subcommand as it is typed: `user disable`. */
function pathOf(command: Command): string {
  const { parent } = command;
  return parent?.parent ? `${pathOf(parent)} ${command.name()}` : command.name();
}

async function openStore(data: string, url: string | undefined): Promise<ServerStore> {
  const { openLocalStore, openSharedStore } = await import("../../store/open.ts");
  if (url !== undefined) return await openSharedStore(url, { orReadOnly: true });
  const paths = dataPaths(data);
  await checkDatabaseIsThere(paths);
  return await openLocalStore(paths.database);
}
