// `check`: the database as a whole, or a backup of it.
import type { Command } from "commander";
import { UsageError } from "../../errors.ts";
import { identityFrom } from "../../net/identity.ts";
import type { Terminal } from "../../terminal/terminal.ts";
import { addDataOption } from "../options.ts";
import { atDesk, type Desk } from "./desk.ts";

export function addCheckCommand(program: Command, openTerminal: () => Promise<Terminal>): void {
  const command = addDataOption(program.command("check"));
  command.description("check the database, or a backup, and print what it holds")
    .argument("[backup]", "a file that backup wrote, in place of the database")
    .action(async (backup: string | undefined) => {
      if (backup === undefined) return await atDesk(command, openTerminal, check);
      const terminal = await openTerminal();
      await checkBackup(backup, terminal);
      await terminal.flush();
    });
}

async function check({ store, terminal }: Desk): Promise<void> {
  const problems = await store.checkIntegrity();
  for (const [name, value] of Object.entries(await store.counts())) {
    await terminal.print(`${name.replaceAll(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`)}: ${value}`);
  }
  if (problems.length > 0) {
    throw new UsageError(`The database is damaged:\n${problems.join("\n")}`);
  }
  await terminal.print("The database is not damaged.");
}

/**
 * Checks all of a backup, and that certificate and key in it belong together; returns what it holds.
 * @throws {UsageError} It cannot be restored from.
 */
export async function inspectBackup(path: string) {
  const { readBackup } = await import("../../store/backup.ts");
  const facts = readBackup(path);
  const paths = { certificatePath: `the certificate in ${path}`, keyPath: `the key in ${path}` };
  if (facts.key !== null) await identityFrom({ ...facts.key, ...paths });
  return facts;
}

async function checkBackup(path: string, terminal: Terminal): Promise<void> {
  const { madeAt, version, key, accounts, messages } = await inspectBackup(path);
  await terminal.print(`made: ${madeAt === null ? "unknown" : new Date(madeAt).toISOString()}`);
  await terminal.print(`by version: ${version ?? "unknown"}`);
  await terminal.print(`key: ${key?.fingerprint ?? "none: restore needs server.key and server.crt as well"}`);
  await terminal.print(`accounts: ${accounts}`);
  await terminal.print(`messages: ${messages}`);
  await terminal.print("The backup is not damaged.");
}
