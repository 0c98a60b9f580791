// `restore`: a backup takes the place of what is in a data folder, which is kept aside. After a restore of PostgreSQL's own
// tools, it does for the shared database what is left to do.
import type { Command } from "commander";
import { basename, join } from "node:path";
import { UsageError } from "../../errors.ts";
import { CERTIFICATE_FILE, KEY_FILE, loadIdentity } from "../../net/identity.ts";
import { writeWhole } from "../../sync_folder.ts";
import type { Terminal } from "../../terminal/terminal.ts";
import { DATABASE_FILE, type DataPaths, lockDataFolder, prepareDataFolder } from "../data_folder.ts";
import { addDataOption, databaseUrlOf } from "../options.ts";
import { finishRestore, prepareRestore } from "../restoring.ts";
import { inspectBackup } from "./database.ts";

/** @param actor Who is at it, for the audit log. */
export function addRestoreCommand(
  program: Command,
  openTerminal: () => Promise<Terminal>,
  actor: () => string,
): void {
  const command = addDataOption(program.command("restore"));
  command.description("put a backup into the data folder while no server runs; keeps aside what is there")
    .argument("[backup]", "file that backup wrote; none for --database, after pg_restore")
    .option("--yes", "do not ask")
    .action(async (backup: string | undefined, { data, yes }: { data: string; yes?: true }) => {
      const databaseUrl = await databaseUrlOf(command);
      const terminal = await openTerminal();
      if (databaseUrl !== undefined) await afterRestore(databaseUrl, backup, actor(), terminal);
      else if (backup === undefined) throw new UsageError("Cannot restore: name the file that backup wrote");
      else await restore(backup, { data, isAgreed: yes === true, actor: actor() }, terminal);
      await terminal.flush();
    });
}

async function restore(
  backup: string,
  { data, isAgreed, actor }: { readonly data: string; readonly isAgreed: boolean; readonly actor: string },
  terminal: Terminal,
): Promise<void> {
  const { madeAt, key, accounts, messages } = await inspectBackup(backup);
  const date = madeAt === null ? "an unknown date" : new Date(madeAt).toUTCString();
  await terminal.print(`Backup of ${date}, not damaged; accounts: ${accounts}, messages: ${messages}.`);
  const paths = await prepareDataFolder(data);
  using _lock = await lockDataFolder(paths, "Cannot restore");
  const fingerprint = await fingerprintIn(paths);
  if (key !== null && fingerprint !== null && fingerprint !== key.fingerprint) {
    await terminal.print(
      `Its key ${key.fingerprint} is another one than in ${paths.folder}: clients that know ${fingerprint} will be warned.`,
    );
  }
  const question = `Put it into ${paths.folder}, and keep aside what is there?`;
  if (!isAgreed && !(await terminal.confirm(question, false))) {
    throw new UsageError("Nothing was changed: answer yes, or give --yes");
  }
  await finishRestore(paths); // one that was cut off
  const { unpackBackup } = await import("../../store/backup.ts");
  await prepareRestore(paths, async (folder) => {
    const act = { actor, act: "restore", subject: basename(backup) };
    await unpackBackup(backup, join(folder, DATABASE_FILE), act);
    if (key === null) return;
    await writeWhole(join(folder, CERTIFICATE_FILE), key.certificatePem, 0o644);
    await writeWhole(join(folder, KEY_FILE), key.privateKeyPem, 0o600);
  });
  const kept = await finishRestore(paths);
  if (kept !== null) await terminal.print(`What was there is in ${kept}: remove it once all is well.`);
  if (key === null && fingerprint === null) {
    await terminal.print(
      `The backup has no key: before the server starts, copy its ${KEY_FILE} and ${CERTIFICATE_FILE} into ${paths.folder}, ` +
        "or start it with the --cert and --key that it had; with a new key (--new-key) all clients will be warned.",
    );
  }
  await terminal.print(
    "Restored. Start the server: its clients go on by themselves. What came after the backup is gone: messages, accounts and " +
      "logins; accounts that were removed since are there again, changed passwords are the old ones, and logins that were ended " +
      "since are good again: of whoever lost a machine, reset the password.",
  );
}

/** What `pg_restore` cannot know of: clients that have seen more than the database now holds. */
async function afterRestore(
  url: string,
  backup: string | undefined,
  actor: string,
  terminal: Terminal,
): Promise<void> {
  if (backup !== undefined) {
    throw new UsageError(
      `Cannot restore ${backup} into PostgreSQL: use pg_restore, then run mini-chat-server restore --database without a file`,
    );
  }
  const { openSharedStore } = await import("../../store/open.ts");
  await using store = await openSharedStore(url);
  await store.operate({ actor, act: "restore", subject: "" }, "leapAhead", []);
  await terminal.print(
    "New messages get numbers that no client has seen. Start servers with the server.key and server.crt that the community had.",
  );
}

async function fingerprintIn({ folder }: DataPaths): Promise<string | null> {
  const [certificate, key] = [join(folder, CERTIFICATE_FILE), join(folder, KEY_FILE)];
  // A key that cannot be used is kept aside like any other.
  return await loadIdentity(certificate, key).then(({ fingerprint }) => fingerprint, () => null);
}
