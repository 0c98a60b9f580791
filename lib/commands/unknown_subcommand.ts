/**
 * The error of a word that is no subcommand. It stands alone, as it needs what no other start of a program does.
 * @module
 */
import { UsageError } from "../errors.ts";
import { nearestName } from "../terminal/nearest_name.ts";
import { oneLine } from "../terminal/safe_text.ts";

export function unknownSubcommand(word: string, names: readonly string[]): UsageError {
  const near = nearestName(word, names);
  const hint = near === null ? "--help lists them" : `did you mean ${near}?`;
  return new UsageError(`Cannot find subcommand ${oneLine(word, 40)}: ${hint}`);
}
