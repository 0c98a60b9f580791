// Prints findings as they come, for people or as JSON lines, and counts them.
import { count } from "../count.ts";
import { ChatError } from "../errors.ts";
import { bold, dim, green, red, yellow } from "../terminal/style.ts";
import type { Terminal } from "../terminal/terminal.ts";
import type { Finding } from "./finding.ts";
import { jsonLine } from "../terminal/safe_text.ts";

const MARKS = { ok: green("ok     "), warning: yellow("warning"), error: red("ERROR  ") } as const;
const MARK_COLUMNS = 9; // with the two spaces after it
const ABOUT_COLUMNS = 13;
const MOST_COLUMNS = 110;

/** Throws `ChatError` with the counts, for an exit code of 1, where something does not work. */
export async function reportFindings(
  terminal: Terminal,
  findings: AsyncIterable<Finding>,
  { json = false }: { readonly json?: boolean },
): Promise<void> {
  const counts = { ok: 0, warning: 0, error: 0 };
  for await (const finding of findings) {
    counts[finding.level] += 1;
    await terminal.print(json ? jsonLine(finding) : shown(finding, terminal.size.columns));
  }
  await terminal.flush();
  const sum = `${count(counts.error, "error")}, ${count(counts.warning, "warning")}`;
  if (counts.error > 0) throw new ChatError("unavailable", `Found ${sum}`);
  if (!json) await terminal.print(bold(`Found ${sum}.`));
  await terminal.flush();
}

function shown({ level, about, seen, next }: Finding, columns: number): string {
  const indent = MARK_COLUMNS + ABOUT_COLUMNS;
  const width = Math.max(20, Math.min(columns, MOST_COLUMNS) - indent);
  const pad = " ".repeat(indent);
  const lines = wrapped(seen, width).map((line, index) =>
    index === 0
      ? `${MARKS[level]}  ${bold(about)}${" ".repeat(Math.max(1, ABOUT_COLUMNS - about.length))}${line}`
      : pad + line
  );
  const hints = next === undefined
    ? []
    : wrapped(next, width - 2).map((line, index) =>
      pad + (index === 0 ? "→ " : "  ") + (level === "ok" ? dim(line) : line)
    );
  return [...lines, ...hints].join("\n");
}

/** Breaks between words; a word that is too long for a line, such as a path, is left whole. */
function wrapped(text: string, width: number): string[] {
  const lines: string[] = [];
  for (const word of text.split(" ")) {
    const last = lines.at(-1);
    if (last !== undefined && last.length + 1 + word.length <= width) {
      lines[lines.length - 1] = `${last} ${word}`;
    } else lines.push(word);
  }
  return lines;
}
