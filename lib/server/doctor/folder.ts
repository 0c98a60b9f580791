// The data folder: who may read it, how fast and how large its disk is, what was left in it, and when it was last backed up.
import { stat, statfs } from "node:fs/promises";
import { join } from "node:path";
import { formatBytes } from "../../bytes.ts";
import { count } from "../../count.ts";
import { messageOf } from "../../errors.ts";
import { databaseLogBytes, type DataPaths, isLogHeld, USUAL_LOG_BYTES } from "../data_folder.ts";
import { lastBackup } from "../operator/last_backup.ts";
import { error, type Finding, ok, warning } from "../../findings/finding.ts";
import type { Patient } from "./patient.ts";

const DAY_MS = 86_400_000;
const PROBES = 15;
const PROBE_BYTES = 4 * 1024; // a page, as a small commit writes
const SLOW_SYNC_MS = 20; // with one client at a time, 50 messages a second
const LITTLE_BYTES = 1e9;
const TOO_LITTLE_BYTES = 1e8;
const OLD_BACKUP_DAYS = 8; // a weekly one that is late
/** Linux's number of a file system in memory (statfs(2)). */
const TMPFS = 0x01021994;
/** What writes of ours leave when they are cut off, and what a restore has kept. */
const LEFTOVER = /\.new$|\.partial(-journal)?$|^doctor-.*\.probe$|^before-restore-/;

/** Why there is nothing to examine: no folder, or one that no server has used; null when there is something. */
export async function whyEmpty(
  { folder, database, keyPath, isShared, databaseUrl }: Patient,
): Promise<Finding | null> {
  const next = "Name the right one with --data DIR, or start a server, which makes it.";
  try {
    if (!(await Deno.stat(folder)).isDirectory) throw new Error("it is a file");
    const needed = isShared || databaseUrl !== undefined ? [keyPath] : [keyPath, database];
    const isThere = await Promise.all(needed.map((path) => Deno.stat(path).then(() => true, () => false)));
    if (isThere.some((there) => there)) return null;
    return error("folder", `Data folder ${folder} holds no key and no database.`, next);
  } catch (reason) {
    const isMissing = reason instanceof Deno.errors.NotFound;
    const why = isMissing ? "there is none" : messageOf(reason);
    return error("folder", `Data folder ${folder} cannot be used: ${why}.`, next);
  }
}

export async function examineFolder(patient: Patient): Promise<Finding[]> {
  const { folder } = patient;
  const left = await leftovers(folder); // before a probe lies there
  return [await modes(patient), await sync(folder), await space(folder), await databaseLog(patient), left];
}

async function modes({ folder, database, keyPath }: Patient): Promise<Finding> {
  if (Deno.build.os === "windows") return ok("modes", "Who may read the files is left to Windows.");
  const open: string[] = [];
  for (const path of [keyPath, database, folder]) {
    const mode = await Deno.stat(path).then(({ mode }) => mode ?? 0, () => 0);
    if ((mode & 0o077) !== 0) open.push(`${path} (${(mode & 0o777).toString(8)})`);
  }
  if (open.length === 0) return ok("modes", "Key, database and folder are for their owner alone.");
  const next = `chmod go= ${open.map((entry) => entry.replace(/ \(\d+\)$/, "")).join(" ")}`;
  const seen = `Other users of this machine have rights on ${open.join(", ")}.`;
  // In a folder that is shut, nobody reaches what lies open in it.
  const isShut = open.every((entry) => entry.startsWith(`${folder}/`));
  return isShut ? warning("modes", seen, next) : error("modes", seen, next);
}

/** Writes a small file again and again, each time down to the disk, and removes it. */
async function sync(folder: string): Promise<Finding> {
  const path = join(folder, `doctor-${crypto.randomUUID().slice(0, 8)}.probe`);
  const times: number[] = [];
  try {
    using file = await Deno.open(path, { write: true, createNew: true, mode: 0o600 });
    const page = crypto.getRandomValues(new Uint8Array(PROBE_BYTES));
    for (let probe = 0; probe < PROBES; probe++) {
      await file.seek(0, Deno.SeekMode.Start);
      await file.write(page);
      const startedAt = performance.now();
      await file.sync();
      times.push(performance.now() - startedAt);
    }
  } catch (reason) {
    const seen = `Nothing can be written to ${folder}: ${messageOf(reason)}.`;
    return error("sync", seen, whatToDo(reason));
  } finally {
    await Deno.remove(path).catch(() => {});
  }
  const ms = times.toSorted((a, b) => a - b)[PROBES >> 1]!;
  const { type } = await statfs(folder).catch(() => ({ type: 0 }));
  const seen = `A write reaches the disk within ${ms.toFixed(ms < 10 ? 2 : 0)} ms (median of ${PROBES}).`;
  if (Number(type) === TMPFS) {
    return error(
      "sync",
      `${folder} lies in memory: all is lost when the machine stops.`,
      "Move it to a disk.",
    );
  }
  if (ms <= SLOW_SYNC_MS) return ok("sync", seen);
  return warning(
    "sync",
    seen,
    "No message is acknowledged faster: use a faster disk, or find out who else writes to it.",
  );
}

function whatToDo(reason: unknown): string {
  switch ((reason as { code?: unknown }).code) {
    case "ENOSPC":
    case "EDQUOT":
      return "Make room on its disk: nobody can send until then.";
    case "EROFS":
      return "Its disk is read-only: make a backup to another one, and look into the system's log for why (dmesg).";
    default:
      return "Run this as the server's user, and look at the disk and the rights of the folder.";
  }
}

async function space(folder: string): Promise<Finding> {
  let free: number;
  let size: number;
  try {
    const { bavail, bsize, blocks } = await statfs(folder);
    [free, size] = [bavail * bsize, blocks * bsize];
  } catch (reason) {
    return ok("disk", `How much of the disk is free cannot be known here: ${messageOf(reason)}.`);
  }
  const seen = `${formatBytes(free)} of the disk's ${formatBytes(size)} are free.`;
  const next = `${
    size < LITTLE_BYTES ? "Use a larger disk" : "Make room"
  }: the database's log alone may take ${formatBytes(USUAL_LOG_BYTES)}, and on a full disk nobody can send.`;
  if (free < TOO_LITTLE_BYTES) return error("disk", seen, next);
  return free < LITTLE_BYTES ? warning("disk", seen, next) : ok("disk", seen);
}

async function databaseLog({ database }: Patient): Promise<Finding> {
  const bytes = await databaseLogBytes({ database });
  if (!isLogHeld(bytes)) return ok("log", `The database's log takes ${formatBytes(bytes)}.`);
  return warning(
    "log",
    `The database's log has grown to ${
      formatBytes(bytes)
    }, as some program has been reading the database for long: perhaps a check ` +
      "or backup that was stopped with Ctrl+Z. It grows until that ends, and is cut back then.",
    `Find it with fuser -v ${database}-wal, and let it go on (fg, or kill -CONT) or end it; not the server.`,
  );
}

async function leftovers(folder: string): Promise<Finding> {
  const found: string[] = [];
  for await (const { name } of Deno.readDir(folder)) if (LEFTOVER.test(name)) found.push(name);
  if (found.length === 0) return ok("leftovers", "No temporary file was left behind.");
  const old = found.filter((name) => name.startsWith("before-restore-"));
  const seen = `Left in the folder: ${found.toSorted().join(", ")}.`;
  const next = old.length === found.length
    ? "Remove it once the restored community is as it should be."
    : "Remove it when no server, backup, restore or move is at work.";
  return warning("leftovers", seen, next);
}

export async function examineBackup(paths: DataPaths, now = Date.now()): Promise<Finding> {
  const next = "mini-chat-server backup DIR --keep 7, every day by a timer, to another disk.";
  const last = await lastBackup(paths);
  if (last === null) return warning("backup", "No backup was ever made of this data folder.", next);
  const days = (now - Date.parse(last.at)) / DAY_MS;
  const age = days < 1 ? count(Math.round(days * 24), "hour") : count(Math.floor(days), "day");
  const isThere = await Deno.stat(last.file).then(() => true, () => false);
  const when = days < 0 ? "of later than now, by this clock" : `${age} old`;
  const seen = `The last backup is ${when}: ${last.file} (${formatBytes(last.bytes)})${
    isThere ? "" : ", moved since"
  }.`;
  return days > OLD_BACKUP_DAYS ? warning("backup", seen, next) : ok("backup", seen);
}

/** When each file of the folder was last written; for the clock. */
export async function newestFile(
  folder: string,
): Promise<{ readonly name: string; readonly at: number } | null> {
  let newest: { name: string; at: number } | null = null;
  try {
    for await (const { name } of Deno.readDir(folder)) {
      const at = await stat(join(folder, name)).then(({ mtimeMs }) => mtimeMs, () => 0);
      if (at > (newest?.at ?? 0)) newest = { name, at };
    }
  } catch {
    // Said already.
  }
  return newest;
}
