// When the last backup was made: one small file in the data folder, which `backup` writes and `doctor` reads.
import { join } from "node:path";
import { writeWhole } from "../../sync_folder.ts";
import type { DataPaths } from "../data_folder.ts";

export interface LastBackup {
  readonly at: string; // ISO 8601, in UTC
  readonly file: string; // absolute path
  readonly bytes: number;
}

/** Where it is noted. */
export function lastBackupPath({ folder }: DataPaths): string {
  return join(folder, "last_backup.json");
}

export async function noteBackup(paths: DataPaths, { at, file, bytes }: LastBackup): Promise<void> {
  await writeWhole(lastBackupPath(paths), JSON.stringify({ at, file, bytes }) + "\n", 0o600);
}

/** The last backup of a data folder; null when none was ever made, or what says so cannot be read. */
export async function lastBackup(paths: DataPaths): Promise<LastBackup | null> {
  try {
    const { at, file, bytes } = JSON.parse(await Deno.readTextFile(lastBackupPath(paths)));
    return { at: new Date(at).toISOString(), file: String(file), bytes: Number(bytes) };
  } catch {
    return null;
  }
}
