/**
 * The subcommands of a program.
 * @module
 */
import type { Command } from "commander";

/** A command, and all below it, each before its own. */
export function commandsIn(command: Command): Command[] {
  return [command, ...command.commands.flatMap(commandsIn)];
}
