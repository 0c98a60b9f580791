// What a Tab at the shell offers for each kind of value, from the data folder, where it may be read; nothing where the database is
// a shared one, which is too far away for a Tab.
import type { Candidate, Sources, Typed } from "../completion/complete.ts";
import { lookForAccounts, lookForInvites, lookForReports } from "../store/look.ts";
import { dataPaths } from "./data_folder.ts";

type Look = (path: string, typed: Typed) => readonly Candidate[];

const inDatabase = (look: Look) => (typed: Typed): Promise<readonly Candidate[]> => {
  const isShared = (typed.flag("database") ?? typed.flag("databaseFile")) !== undefined;
  const folder = typed.flag("data");
  return Promise.resolve(isShared || folder === undefined ? [] : look(dataPaths(folder).database, typed));
};

/** For each word that stands between the brackets of an argument or flag. */
export const KNOWN_WORDS: Sources = {
  account: inDatabase((path, { word }) =>
    lookForAccounts(path, word.toLowerCase()).map(({ name }) => ({ value: name }))
  ),
  code: inDatabase((path) => lookForInvites(path).map(({ code, note }) => ({ value: code, about: note }))),
  report: inDatabase((path) =>
    lookForReports(path).map(({ id, reporter, reported }) => ({
      value: String(id),
      about: `${reporter} about ${reported}`,
    }))
  ),
};
