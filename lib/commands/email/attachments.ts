// Choosing files to send along: paths as people type, complete or drop them.
import { basename, dirname, join, resolve } from "node:path";
import { messageOf } from "../../errors.ts";
import { describeAttachment, type MailAttachment } from "../../mail/message.ts";
import { formatBytes } from "../../bytes.ts";
import type { Completion } from "../../terminal/read_line.ts";
import { safeText } from "../../terminal/safe_text.ts";
import type { Terminal } from "../../terminal/terminal.ts";
import type { EmailParts } from "./parts.ts";

const MAX_CANDIDATES = 200; // more names help nobody to choose

/** An absolute path: quotes of a dropped file go, and `~` becomes the home folder, where that is known. */
export function readPath(typed: string, homeFolder?: string): string {
  let path = typed.trim();
  const quoted = /^(['"])(.*)\1$/.exec(path);
  if (quoted) path = quoted[2] ?? "";
  else if (Deno.build.os !== "windows") path = path.replace(/\\(.)/g, "$1");
  if (homeFolder !== undefined && /^~(?=$|[/\\])/.test(path)) path = join(homeFolder, path.slice(1));
  return resolve(path);
}

/** Asks for files until an empty line; `null` at the end of the input. */
export async function askAttachments(
  { terminal, homeFolder }: Pick<EmailParts, "terminal" | "homeFolder">,
  paths: readonly string[],
  onChange: (paths: readonly string[]) => Promise<void>,
): Promise<readonly MailAttachment[] | null> {
  const files: MailAttachment[] = [];
  for (const path of paths) await addFile(terminal, files, path);
  while (true) {
    const line = await terminal.readLine({
      prompt: files.length === 0
        ? "Attach a file (Enter: none): "
        : "Attach another (Enter: done, -: remove the last): ",
      multiline: false,
      complete: (typed) => completePath(typed, homeFolder),
    });
    if (line === null) return null;
    if (line.trim() === "") return files;
    if (line.trim() === "-") {
      const gone = files.pop();
      await terminal.print(gone === undefined ? "  There is none." : `  Without ${safeText(gone.fileName)}.`);
    } else await addFile(terminal, files, readPath(line, homeFolder));
    await onChange(files.map((file) => file.path));
  }
}

async function addFile(terminal: Terminal, files: MailAttachment[], path: string): Promise<void> {
  try {
    const file = await describeAttachment(path);
    files.push(file);
    await terminal.print(`  ${describeFile(file)}`);
  } catch (error) {
    await terminal.print(`  ${safeText(messageOf(error))}.`);
  }
}

export function describeFile(file: MailAttachment): string {
  return `${safeText(file.fileName)}, ${formatBytes(file.sizeBytes)}`;
}

async function completePath(typed: string, homeFolder?: string): Promise<Completion> {
  const none = { from: 0, candidates: [] };
  if (/^['"]/.test(typed)) return none;
  const isFolder = typed === "" || /[/\\]$/.test(typed);
  const path = readPath(typed === "" ? "." : typed, homeFolder);
  const folder = isFolder ? path : dirname(path);
  const start = isFolder ? "" : basename(path);
  const candidates: string[] = [];
  try {
    for await (const item of Deno.readDir(folder)) {
      if (!item.name.startsWith(start) || (start === "" && item.name.startsWith("."))) continue;
      candidates.push(item.name + (item.isDirectory ? "/" : ""));
      if (candidates.length === MAX_CANDIDATES) break;
    }
  } catch {
    return none; // no such folder: there is nothing to offer
  }
  const from = typed.search(/[^/\\]*$/);
  return { from, candidates: candidates.sort() };
}
