// How commands are listed: number, name with what follows it, and what it does.
import { bold, cyan } from "./style.ts";
import { columnsOf } from "./width.ts";

/** A command as a list shows it. */
export interface Overviewed {
  readonly number?: number; // the number that people type; unset for a command without one
  readonly name: string; // what people type: Latin letters, digits, `-`, `_`
  readonly usage?: string; // what follows the name, such as `USER [TEXT]`; empty or unset for nothing
  readonly summary: string;
}

export const HELP = {
  name: "help",
  usage: "[COMMAND]",
  summary: "Show the options, or explain one",
} as const;

/** One line for each, or two on a screen that is too narrow. */
export function overviewOf(commands: readonly Overviewed[], screenColumns: number): string {
  const rows = commands.map((command) => [
    command.number === undefined ? " " : String(command.number),
    `${command.name} ${command.usage ?? ""}`.trimEnd(),
    command.summary,
  ]);
  const width = Math.max(...rows.map(([, usage]) => columnsOf(usage!)));
  const isNarrow = screenColumns < width + 30;
  const lines = rows.map(([number, usage, summary]) =>
    isNarrow
      ? `${bold(number!)} ${cyan(usage!)}\n  ${summary}`
      : `  ${bold(number!)}  ${cyan(usage!)}${" ".repeat(width - columnsOf(usage!))}  ${summary}`
  );
  return lines.join("\n");
}
