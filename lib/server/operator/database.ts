// `backup` and `check`: the database as a whole; `move` has a file of its own.
import type { Command } from "commander";
import { UsageError } from "../../errors.ts";
import { addDataOption } from "../options.ts";
import type { Desk, OnStore } from "./desk.ts";

export function addDatabaseCommands(program: Command, onStore: OnStore): void {
  onStore(
    addDataOption(program.command("backup").argument("<file>", "new file to write the copy to"))
      .description("copy the database to a file; works while the server runs"),
    async ({ store, terminal }, file: string) => {
      await store.backup(file);
      await terminal.print(`Wrote ${file}, without the key: copy the data folder's key files too.`);
    },
  );
  onStore(
    addDataOption(program.command("check")).description("check the database and print what it holds"),
    check,
  );
}

async function check({ store, terminal }: Desk): Promise<void> {
  const problems = await store.checkIntegrity();
  for (const [name, value] of Object.entries(await store.counts())) await terminal.print(`${name}: ${value}`);
  if (problems.length > 0) {
    throw new UsageError(`The database is damaged:\n${problems.join("\n")}`);
  }
  await terminal.print("The database is not damaged.");
}
