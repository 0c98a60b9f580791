import { join } from "node:path";
import { renameAndSync, syncFolder } from "../../sync_folder.ts";

/** Longest name given to a file, in bytes of UTF-8: most file systems take 255, and a number may be added. */
const MAX_NAME_BYTES = 200;
const MAX_COPIES = 10_000;

/** Names that Windows keeps for devices, whatever extension follows (Microsoft, "Naming Files, Paths, and Namespaces"). */
const RESERVED = /^(con|prn|aux|nul|com[\d¹²³]|lpt[\d¹²³]|conin\$|conout\$) *(\.|$)/i;
const MARKS_TOO_MANY = /([\p{Mn}\p{Me}]{8})[\p{Mn}\p{Me}]+/gu; // on one letter

const utf8 = new TextEncoder();

/**
 * A file name that is one harmless name on every system: no folder, no control or direction character, nothing hidden,
 * no reserved name of Windows; `file` when nothing is left.
 */
export function safeFileName(offered: string): string {
  const last = offered.toWellFormed().split(/[/\\]/).at(-1) ?? "";
  const plain = last
    .replace(/[\p{Cc}\p{Cf}\p{Co}\p{Cn}\p{Zl}\p{Zp}]/gu, "")
    // After the above, since what stood between a letter and its mark may be gone now.
    .normalize("NFC")
    .replace(/[<>:"|?*]/g, "_")
    .replace(/\s+/g, " ")
    // Marks without a letter of their own would sit on whatever is printed before.
    .replace(/^[\p{M}. ~-]+/u, "")
    .replace(MARKS_TOO_MANY, "$1")
    .replace(/[. ]+$/, "");
  if (plain === "") return "file";
  return shorten(RESERVED.test(plain) ? `_${plain}` : plain);
}

export async function placeFile(partPath: string, folder: string, name: string): Promise<string> {
  for (let copy = 1; copy <= MAX_COPIES; copy++) {
    const path = join(folder, copy === 1 ? name : numbered(name, copy));
    try {
      // A new name fails when it is taken, whoever was faster; renaming would replace the other file.
      await Deno.link(partPath, path);
    } catch (error) {
      if (error instanceof Deno.errors.AlreadyExists) continue;
      if (!await claim(path, error)) continue;
      await renameAndSync(partPath, path);
      return path;
    }
    await Deno.remove(partPath);
    await syncFolder(folder);
    return path;
  }
  throw new Error(`Cannot save ${name} as ${MAX_COPIES} files of that name are there already`);
}

/** For file systems without second names: makes an empty file of this name first, if nobody has. */
async function claim(path: string, linkError: unknown): Promise<boolean> {
  if (linkError instanceof Deno.errors.NotFound) throw linkError;
  try {
    (await Deno.open(path, { write: true, createNew: true })).close();
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.AlreadyExists) return false;
    throw error;
  }
}

function numbered(name: string, copy: number): string {
  const [, stem = name, extension = ""] = /^(.+?)((?:\.[^.]{1,10}){0,2})$/.exec(name) ?? [];
  return `${stem} (${copy})${extension}`;
}

function shorten(name: string): string {
  if (utf8.encode(name).length <= MAX_NAME_BYTES) return name;
  const extension = /\.[^.]{1,10}$/.exec(name)?.[0] ?? "";
  let stem = name.slice(0, name.length - extension.length);
  while (utf8.encode(stem + extension).length > MAX_NAME_BYTES) stem = [...stem].slice(0, -1).join("");
  return stem.replace(/[. ]+$/, "") + extension;
}
