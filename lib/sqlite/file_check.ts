import type { DatabaseSync } from "node:sqlite";

/** Most problems that one check reports; a broken file has thousands of the same kind. */
const MAX_PROBLEMS = 20;

/** What is wrong with a file and its references, in words. */
export function fileProblems(database: DatabaseSync): string[] {
  const lines = database.prepare(`PRAGMA integrity_check(${MAX_PROBLEMS})`).all();
  const problems = lines.map((line) => String(line["integrity_check"])).filter((line) => line !== "ok");
  if (problems.length > 0) return problems;
  const references = database.prepare("PRAGMA foreign_key_check").all();
  return references.map((row) => `a row of ${row["table"]} refers to a row of ${row["parent"]} that is gone`);
}
