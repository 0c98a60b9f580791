import assert from "node:assert/strict";
import { UsageError } from "../../lib/errors.ts";
import { checkDatabaseIsThere, dataPaths } from "../../lib/server/data_folder.ts";
import { checkDatabaseIsNotLost } from "../../lib/server/open_data.ts";
import { noteBackup } from "../../lib/server/operator/last_backup.ts";
import { tempFolder } from "../helpers/temp_folder.ts";

Deno.test("a server whose database was lost, or not moved yet, once made an empty one, which ended every login and took away the log", async () => {
  using folder = tempFolder();
  const paths = dataPaths(folder.path);
  const refused = async (words: RegExp) => {
    const error = await checkDatabaseIsNotLost(paths).then(
      () => assert.fail("it would start"),
      (error) => error,
    );
    assert.ok(error instanceof UsageError);
    assert.match(error.message, words);
  };
  await checkDatabaseIsNotLost(paths); // a first start
  await Deno.writeTextFile(`${paths.database}.partial`, "of a move");
  await refused(
    /^Cannot start: a move into .* was cut off, .* Run mini-chat-server move again; .* remove .*\.partial$/,
  );
  await Deno.remove(`${paths.database}.partial`);
  const log = `${paths.database}-wal`;
  await Deno.writeTextFile(log, "of the last messages");
  await refused(
    /^Cannot start: the database of .* is gone, as .*mini-chat\.db-wal shows\. Put .* restore BACKUP\. To begin anew/,
  );
  await Deno.writeTextFile(paths.database, "");
  await refused(/mini-chat\.db-wal shows/);
  await assert.rejects(
    checkDatabaseIsThere(paths),
    /mini-chat\.db: it is empty; put the database or a backup in its place/,
  );
  await Deno.remove(log);
  await checkDatabaseIsNotLost(paths); // cut off before anything was in it
  await noteBackup(paths, { at: "2026-11-25T03:00:00.000Z", file: "/backups/a.backup", bytes: 1 });
  await refused(/last_backup\.json shows\. .* restore \/backups\/a\.backup \(of 2026-11-25T03:00:00\.000Z\)/);
  await Deno.writeTextFile(paths.database, "a database");
  await checkDatabaseIsNotLost(paths);
});
