// The operator's subcommand `move`: from a data folder to a database that several servers share, or back, while no server runs.
import type { Command } from "commander";
import type { Act, ServerStore } from "../../chat/operator_store.ts";
import { messageOf, UsageError } from "../../errors.ts";
import type { Terminal } from "../../terminal/terminal.ts";
import { checkDatabaseIsThere, dataPaths, lockDataFolder, prepareDataFolder } from "../data_folder.ts";
import {
  addDatabaseOptions,
  addKeyOptions,
  checkServeOptions,
  databaseUrlOf,
  type KeyOptions,
  withoutPassword,
} from "../options.ts";
import { checkKeyIsThere, loadServerIdentity } from "../server_key.ts";

const ROWS_PER_LINE = 100_000;

interface Ends {
  readonly folder: string;
  readonly url: string;
  readonly isToFolder: boolean;
}

type MoveOptions = KeyOptions & { readonly from?: string; readonly to?: string };

/** @param actor Who is at it, for the audit log. */
export function addMoveCommand(
  command: Command,
  openTerminal: () => Promise<Terminal>,
  actor: () => string,
): void {
  addKeyOptions(addDatabaseOptions(command))
    .description("move everything from a data folder to PostgreSQL or back, while no server runs")
    .option("--from <place>", "data folder or postgres:// URL (default: --database)")
    .option("--to <place>", "data folder or postgres:// URL, which holds nothing yet (default: --database)")
    .action(async (options: MoveOptions) => {
      const ends = await endsOf(options, command);
      const terminal = await openTerminal();
      await move(ends, { ...checkServeOptions(options), actor: actor() }, terminal);
      await terminal.flush();
    });
}

async function endsOf({ from, to }: MoveOptions, command: Command): Promise<Ends> {
  const given = [from, to].filter((place) => place !== undefined);
  const [folder, otherFolder] = given.filter((place) => !isUrl(place));
  const [givenUrl, otherUrl] = given.filter(isUrl);
  if (otherFolder !== undefined) {
    throw new UsageError("Cannot move from a folder to a folder: copy it while no server runs");
  }
  const url = givenUrl === undefined ? await databaseUrlOf(command) : withoutPassword(givenUrl);
  if (folder === undefined || url === undefined || otherUrl !== undefined) {
    const example = "--from ./data --to postgres://USER@HOST/DATABASE";
    throw new UsageError(
      `Cannot move: name a data folder and a database, as in ${example}, or the other way round`,
    );
  }
  return { folder, url, isToFolder: folder === to };
}

async function move(
  { folder, url, isToFolder }: Ends,
  options: KeyOptions & { readonly actor: string },
  terminal: Terminal,
): Promise<void> {
  const paths = isToFolder ? await prepareDataFolder(folder) : dataPaths(folder);
  if (!isToFolder) await checkDatabaseIsThere(paths, "--from");
  if (options.cert === undefined) await checkKeyIsThere(paths);
  using _lock = await lockDataFolder(paths);
  const { fingerprint } = await loadServerIdentity(options, paths);
  const { moveStore } = await import("../../store/move.ts");
  const { openLocalStore, openSharedStore } = await import("../../store/open.ts");
  const direction = isToFolder ? "to_sqlite" : "to_postgres";
  const moved = await moveStore(
    { path: paths.database, url, direction, fingerprint },
    ({ table, rows, of }) => {
      if (rows % ROWS_PER_LINE === 0 && rows < of) void terminal.print(`${table}: ${rows} of ${of}`);
    },
  );
  for (const [table, rows] of moved) await terminal.print(`${table}: ${rows}`);
  const subject = isToFolder ? `from PostgreSQL to ${paths.folder}` : `from ${paths.folder} to PostgreSQL`;
  const act = { actor: options.actor, act: "move", subject };
  await note(act, () => isToFolder ? openLocalStore(paths.database) : openSharedStore(url))
    .catch((error) =>
      terminal.print(`All is moved, but that cannot be noted in the audit log: ${messageOf(error)}`)
    );
  await terminal.print(
    `Moved and compared. Start servers ${
      isToFolder ? `with --data ${folder}` : "with --database, each with these server.key and server.crt"
    }, and none where it was any more: that stays as it is, and may be removed.`,
  );
}

async function note(act: Act, open: () => Promise<ServerStore>): Promise<void> {
  await using store = await open();
  await store.noteAct(act);
}

function isUrl(place: string): boolean {
  return /^postgres(ql)?:\/\//.test(place);
}
