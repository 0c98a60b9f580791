// `backup`: the whole community in one file, made while the server runs; of dated ones in a folder, as many are kept as one likes.
import type { Command } from "commander";
import { dirname, join, resolve } from "node:path";
import { count } from "../../count.ts";
import { ChatError, messageOf, systemReasonOf, UsageError } from "../../errors.ts";
import { CERTIFICATE_FILE, type Identity, KEY_FILE } from "../../net/identity.ts";
import type { Terminal } from "../../terminal/terminal.ts";
import { VERSION } from "../../version.ts";
import { checkDatabaseIsThere, type DataPaths, dataPaths, isThere } from "../data_folder.ts";
import { addDataOption, databaseUrlOf, wholeNumber } from "../options.ts";
import { loadServerIdentity, WHERE_KEYS_ARE } from "../server_key.ts";
import { fileStamp } from "../restoring.ts";
import { noteBackup } from "./last_backup.ts";

/** The names of backups in a folder; their order is that of their dates. */
const DATED = /^mini-chat-\d{4}-\d\d-\d\dT\d\d-\d\d-\d\d\.\d{3}Z\.backup$/;

/** What a backup that was cut off leaves; one that is still being written changes all the time. */
const UNFINISHED = new RegExp(DATED.source.replace(/\$$/, "\\.partial(-journal)?$"));
const ABANDONED_AFTER_MS = 24 * 3_600_000;

export function addBackupCommand(program: Command, openTerminal: () => Promise<Terminal>): void {
  const command = addDataOption(program.command("backup"));
  command.description("write accounts, messages and the key to one file; works while the server runs")
    .argument("<path>", "new file, or a folder, which gets a file with the date in its name")
    .option(
      "--keep <n>",
      "then remove all but the newest <n> backups of this server in the folder",
      wholeNumber,
    )
    .action(async (path: string, { data, keep }: { data: string; keep?: number }) => {
      if (await databaseUrlOf(command) !== undefined) {
        throw new UsageError(
          "Cannot back up a PostgreSQL database: use pg_dump or pg_basebackup, which come with it, and keep copies of " +
            "server.key and server.crt",
        );
      }
      const terminal = await openTerminal();
      await backUp(dataPaths(data), { path: resolve(path), keep }, terminal);
      await terminal.flush();
    });
}

async function backUp(
  paths: DataPaths,
  { path, keep }: { readonly path: string; readonly keep: number | undefined },
  terminal: Terminal,
): Promise<void> {
  await checkDatabaseIsThere(paths);
  const { key, trouble } = await keyIn(paths);
  const { peekIntoBackup, writeBackup } = await import("../../store/backup.ts");
  const now = new Date();
  const isFolder = keep !== undefined || await isFolderAt(path);
  if (isFolder) await makeFolder(path);
  const file = isFolder ? join(path, `mini-chat-${fileStamp(now)}.backup`) : path;
  await writeBackup(paths.database, file, { madeAt: now.getTime(), version: VERSION, key });
  const { size } = await Deno.stat(file);
  const noted = await noteBackup(paths, { at: now.toISOString(), file, bytes: size }).then(
    () => null,
    (error) =>
      `The backup is whole, but doctor will not know of it: cannot note it in ${paths.folder}: ${
        messageOf(error)
      }`,
  );
  await terminal.print(
    trouble !== null
      ? `Wrote ${file} without a key.`
      : key === null
      ? `Wrote ${file} without a key, as ${KEY_FILE} is not in ${paths.folder}: keep copies of your --cert and --key files too.`
      : `Wrote ${file}. It holds all messages and the server's private key: keep it where only you can read it.`,
  );
  if (noted !== null) await terminal.print(noted);
  if (keep !== undefined) {
    const fingerprint = key?.fingerprint ?? null;
    const { kept, removed } = await removeOld(file, keep, (old) => peekIntoBackup(old) === fingerprint);
    const gone = removed === 0 ? "" : `; removed ${count(removed, "older one")}`;
    await terminal.print(`${path} has ${count(kept, "backup")} of this server now${gone}.`);
  }
  if (trouble === null) return;
  throw new ChatError("unavailable", `The backup holds all messages, but not the server's key. ${trouble}`);
}

/** The key of a data folder; null where the operator keeps it elsewhere, and where there is trouble with it, which keeps no message back. */
async function keyIn(
  paths: DataPaths,
): Promise<{ readonly key: Identity | null; readonly trouble: string | null }> {
  const { folder } = paths;
  const [hasKey, hasCertificate] = await Promise.all(
    [KEY_FILE, CERTIFICATE_FILE].map((name) => isThere(join(folder, name))),
  );
  if (!hasKey) {
    const lost = `${folder} holds ${CERTIFICATE_FILE}, but its ${KEY_FILE} is gone. ${WHERE_KEYS_ARE}`;
    return { key: null, trouble: hasCertificate ? lost : null };
  }
  try {
    return { key: await loadServerIdentity({}, paths), trouble: null };
  } catch (error) {
    return { key: null, trouble: messageOf(error) };
  }
}

async function isFolderAt(path: string): Promise<boolean> {
  return await Deno.stat(path).then(({ isDirectory }) => isDirectory, () => false);
}

async function makeFolder(path: string): Promise<void> {
  try {
    await Deno.mkdir(path, { recursive: true, mode: 0o700 });
  } catch (cause) {
    throw new ChatError("unavailable", `Cannot write backups to ${path}: ${systemReasonOf(cause)}`, {
      cause,
    });
  }
}

/**
 * Removes the oldest dated backups beyond `keep` from the folder of the one that was just made. That one is the newest, whatever a
 * clock that was set back has named it. Others' backups and damaged ones are left alone, and do not count.
 */
async function removeOld(
  made: string,
  keep: number,
  isOurs: (path: string) => boolean,
): Promise<{ readonly kept: number; readonly removed: number }> {
  const folder = dirname(made);
  const names = (await Array.fromAsync(Deno.readDir(folder))).map(({ name }) => name).sort();
  for (const path of names.filter((name) => UNFINISHED.test(name)).map((name) => join(folder, name))) {
    const mtime = await Deno.stat(path).then(({ mtime }) => mtime, () => null); // it may be whole by now
    if (mtime !== null && Date.now() - mtime.getTime() > ABANDONED_AFTER_MS) await remove(path);
  }
  const before = names.filter((name) => DATED.test(name)).map((name) => join(folder, name))
    .filter((path) => path !== made && isOurs(path));
  const old = before.slice(0, Math.max(0, before.length - (keep - 1)));
  for (const path of old) await remove(path);
  return { kept: before.length - old.length + 1, removed: old.length };
}

async function remove(path: string): Promise<void> {
  try {
    await Deno.remove(path);
  } catch (cause) {
    if (cause instanceof Deno.errors.NotFound) return; // another backup was faster
    const words = `The new backup is whole, but an older one cannot be removed: ${messageOf(cause)}`;
    throw new ChatError("unavailable", words, { cause });
  }
}
