import { deepEqual, equal, throws } from "node:assert/strict";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { ChatError, UsageError } from "../../lib/errors.ts";
import { openProfile, PROFILE_FILE } from "../../lib/profile/profile.ts";
import { testWith } from "../helpers/needs.ts";
import { tempFolder } from "../helpers/temp_folder.ts";

/** Words of SQLite's own, which say nothing to people. */
const RAW = /SQLITE|locked|malformed|not a database|readonly database|unable to open|disk I\/O|full$/;

/** Checks that work on a profile fails with words for people. */
function failsInWords(work: () => unknown, kind: typeof ChatError | typeof UsageError, words: RegExp): void {
  throws(work, (error: Error) => {
    equal(error.constructor, kind, String(error));
    const text = words.test(error.message) && !RAW.test(error.message.replace(words, ""));
    equal(text, true, error.message);
    return true;
  });
}

Deno.test("a profile that another program holds says so", () => {
  using folder = tempFolder();
  using profile = openProfile(folder.path);
  profile.database.connection.exec("PRAGMA busy_timeout = 1");
  using other = new DatabaseSync(join(folder.path, PROFILE_FILE));
  other.exec("BEGIN IMMEDIATE; INSERT INTO settings VALUES ('a', 'b')");
  const words = /^Cannot use \S+profile\.db now: another program is using the database$/;
  failsInWords(() => profile.markServerUsed(1), ChatError, words);
  failsInWords(() => profile.addHistory("line"), ChatError, words);
  other.exec("COMMIT");
  profile.addHistory("line");
  deepEqual(profile.listHistory(), ["line"]);
});

Deno.test("a damaged profile says what to do", () => {
  using folder = tempFolder();
  Deno.writeTextFileSync(
    join(folder.path, PROFILE_FILE),
    "not a database, but long enough to be looked at".repeat(100),
  );
  failsInWords(
    () => openProfile(folder.path),
    UsageError,
    /^Cannot use \S+profile\.db: it is damaged, or no database; put a backup in its place, or move it away to begin anew$/,
  );
});

testWith(["unix"], "a profile where no folder can be made says so", () => {
  using folder = tempFolder();
  const file = join(folder.path, "file");
  Deno.writeTextFileSync(file, "");
  const words = /^Cannot use \S+: a file is in the way, where a folder should be; choose another place$/;
  failsInWords(() => openProfile(join(file, "profile")), UsageError, words);
  failsInWords(() => openProfile(file), UsageError, words);
  const long = join(folder.path, "x".repeat(300));
  failsInWords(() => openProfile(long), UsageError, /^Cannot use \S+: File ?name too long$/);
});

Deno.test("a profile without the name of a folder says so, in place of a stack trace", () => {
  failsInWords(
    () => openProfile(""),
    UsageError,
    /^Cannot use a profile without a folder: give one with --profile DIR .*$/,
  );
});

Deno.test("a profile whose file may not be written says so", () => {
  using folder = tempFolder();
  using profile = openProfile(folder.path);
  profile.database.connection.exec("PRAGMA query_only = ON");
  failsInWords(
    () => profile.addHistory("line"),
    UsageError,
    /^Cannot use \S+profile\.db: it may not be written; check who owns it and its folder, and whether its disk is read-only or full$/,
  );
});
