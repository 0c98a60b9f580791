// The database, and the clock, which is held against what the database and the folder have seen.
import { countMessages } from "../../count.ts";
import { ChatError, messageOf } from "../../errors.ts";
import { checkLogIsThere } from "../data_folder.ts";
import { error, type Finding, ok, warning } from "../../findings/finding.ts";
import type { Patient } from "./patient.ts";
import { newestFile } from "./folder.ts";

const TOLERATED_MS = 60_000;
/** No clock that is right shows an earlier time than this. */
const RELEASED_AT = Date.UTC(2026, 0, 1);

interface Seen {
  readonly finding: Finding;
  readonly newestStoredAt: number | null;
}

export async function examineDatabase(patient: Patient): Promise<Finding[]> {
  const { finding, newestStoredAt } =
    await (patient.databaseUrl === undefined ? ofFile(patient) : ofShared(patient.databaseUrl));
  return [finding, await clock(patient.folder, newestStoredAt)];
}

async function ofFile(patient: Patient): Promise<Seen> {
  const { database } = patient;
  if (patient.isShared) {
    const seen = "The server uses a shared database, which was not looked at.";
    return {
      finding: warning("database", seen, "Give --database-file FILE, as the server was."),
      newestStoredAt: null,
    };
  }
  const { examineDatabaseFile } = await import("../../store/open.ts");
  try {
    await checkLogIsThere(patient);
    const { schema, knownSchema, problems, newestStoredAt } = await examineDatabaseFile(database);
    return { finding: ofSchema(schema, knownSchema, problems), newestStoredAt };
  } catch (reason) {
    const next = reason instanceof ChatError
      ? "Mend that, and run this again; a backup to another disk is possible all the same."
      : "Look at the path and its rights; if the file is gone, mini-chat-server restore BACKUP.";
    return { finding: error("database", `${messageOf(reason)}.`, next), newestStoredAt: null };
  }
}

function ofSchema(schema: number, knownSchema: number, problems: readonly string[]): Finding {
  if (problems.length > 0) {
    const seen = `The database is damaged: ${problems[0]}${
      problems.length > 1 ? `, and ${problems.length - 1} more` : ""
    }.`;
    return error("database", seen, "Stop the server, and mini-chat-server restore BACKUP.");
  }
  const seen = `The database is not damaged; its schema is ${schema}.`;
  if (schema > knownSchema) {
    return error("database", seen, `Update: this program knows schema ${knownSchema}.`);
  }
  if (schema < knownSchema) {
    return warning("database", seen, `The next start brings it to ${knownSchema}; make a backup before it.`);
  }
  return ok("database", seen);
}

async function ofShared(url: string): Promise<Seen> {
  const { openSharedStore } = await import("../../store/open.ts");
  const startedAt = performance.now();
  try {
    await using store = await openSharedStore(url);
    const survey = await store.survey();
    const ms = (performance.now() - startedAt).toFixed(0);
    const seen = `PostgreSQL answers, in ${ms} ms with ${countMessages(survey)}.`;
    return { finding: ok("database", seen), newestStoredAt: survey.newestStoredAt };
  } catch (reason) {
    const seen = `${messageOf(reason)}.`;
    return {
      finding: error("database", seen, "Look at PostgreSQL, its address and its password."),
      newestStoredAt: null,
    };
  }
}

/** Nobody here knows the time; but a clock that is behind what was written already is wrong. */
async function clock(folder: string, newestStoredAt: number | null): Promise<Finding> {
  const now = Date.now();
  const next =
    "Set the clock, and keep it by NTP (timedatectl): times of messages and ends of bans depend on it.";
  if (now < RELEASED_AT) return error("clock", `The clock shows ${time(now)}, which is long past.`, next);
  if (newestStoredAt !== null && newestStoredAt > now + TOLERATED_MS) {
    return error(
      "clock",
      `The clock shows ${time(now)}, the newest message is of ${time(newestStoredAt)}.`,
      next,
    );
  }
  const newest = await newestFile(folder);
  if (newest && newest.at > now + TOLERATED_MS) {
    return warning(
      "clock",
      `The clock shows ${time(now)}, but ${newest.name} was written at ${time(newest.at)}.`,
      next,
    );
  }
  return ok("clock", `The clock shows ${time(now)}, and nothing here is newer.`);
}

function time(at: number): string {
  return new Date(at).toISOString().replace(/\.\d+Z$/, "Z");
}
