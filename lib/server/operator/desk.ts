// What the operator's subcommands work with: an open store, and a terminal to say how it went.
import type { Command } from "commander";
import type { ServerStore } from "../../chat/operator_store.ts";
import type { Terminal } from "../../terminal/terminal.ts";
import { checkDatabaseIsThere, dataPaths } from "../data_folder.ts";
import { databaseUrlOf } from "../options.ts";

export interface Desk {
  readonly store: ServerStore;
  readonly terminal: Terminal;
  readonly databaseUrl: string | undefined; // of a shared database; unset: the file in the data folder
}

/** Makes work the action of a subcommand: on the store of its data folder, with the arguments and flags that were given. */
export type OnStore = <Given extends unknown[]>(command: Command, work: Work<Given>) => void;

type Work<Given extends unknown[]> = (desk: Desk, ...given: Given) => Promise<void>;

export function onStoreWith(openTerminal: () => Promise<Terminal>): OnStore {
  return <Given extends unknown[]>(command: Command, work: Work<Given>) =>
    command.action((...given) => atDesk(command, openTerminal, (desk) => work(desk, ...given as Given)));
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

async function openStore(data: string, url: string | undefined): Promise<ServerStore> {
  const { openLocalStore, openSharedStore } = await import("../../store/open.ts");
  if (url !== undefined) return await openSharedStore(url);
  const paths = dataPaths(data);
  await checkDatabaseIsThere(paths);
  return await openLocalStore(paths.database);
}
