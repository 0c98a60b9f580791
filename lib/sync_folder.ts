/**
 * Names that outlive a power cut: a file's bytes are on disk once the file is synced, its name once the folder is.
 * @module
 */
import { dirname } from "node:path";

/** What systems and file systems answer that sync no folders (fsync(2)). */
const CANNOT_SYNC_FOLDERS = ["EINVAL", "ENOTSUP", "EOPNOTSUPP", "ENOSYS"];

/** How the names of files end that {@linkcode writeWhole} was writing when its program was killed. Nobody needs them. */
export const UNFINISHED = ".new";

/**
 * Gives a file another name, which is on disk when this returns.
 * @param from Its path.
 * @param to Its new path; an existing file is replaced. In another folder, the old name may come back after a power cut.
 * @throws {Error} When it cannot be renamed, or the disk fails.
 */
export async function renameAndSync(from: string, to: string): Promise<void> {
  await Deno.rename(from, to);
  await syncFolder(dirname(to));
}

/**
 * Writes a file that under its name is either whole and on disk, or as it was before.
 * @param path Its path; an existing file is replaced.
 * @param text What it holds.
 * @param mode Who may read it, such as 0o600.
 * @throws {Error} When it cannot be written.
 */
export async function writeWhole(path: string, text: string, mode: number): Promise<void> {
  const temporaryPath = `${path}.${crypto.randomUUID().slice(0, 8)}${UNFINISHED}`;
  try {
    using file = await Deno.open(temporaryPath, { write: true, createNew: true, mode });
    const bytes = new TextEncoder().encode(text);
    for (let written = 0; written < bytes.length;) written += await file.write(bytes.subarray(written));
    await file.sync();
    await renameAndSync(temporaryPath, path);
  } catch (error) {
    await Deno.remove(temporaryPath).catch(() => {});
    throw error;
  }
}

/**
 * Returns once the names in a folder are on disk. On Windows, and where a file system has no such thing or does not let
 * us read the folder, it is left to the system, as SQLite does.
 * @param folder Its path.
 * @throws {Error} When there is no such folder, or the disk fails.
 */
export async function syncFolder(folder: string): Promise<void> {
  if (Deno.build.os === "windows") return;
  try {
    using opened = await Deno.open(folder, { read: true });
    await opened.sync();
  } catch (error) {
    if (error instanceof Deno.errors.PermissionDenied) return;
    const { code } = error as { code?: string };
    if (code === undefined || !CANNOT_SYNC_FOLDERS.includes(code)) throw error;
  }
}
