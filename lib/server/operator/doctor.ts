// `doctor`: looks at all that a server depends on, and says of each thing how it is and what to do.
import type { Command } from "commander";
import { join, resolve } from "node:path";
import { ChatError } from "../../errors.ts";
import { CERTIFICATE_FILE, KEY_FILE } from "../../net/identity.ts";
import { DEFAULT_PORT } from "../../protocol/limits.ts";
import { bold, dim, green, red, yellow } from "../../terminal/style.ts";
import type { Terminal } from "../../terminal/terminal.ts";
import { dataPaths } from "../data_folder.ts";
import type { Finding, Patient } from "../doctor/finding.ts";
import { readRunFile } from "../live/run_file.ts";
import {
  addDataOption,
  addDoctorOptions,
  databaseUrlOf,
  DEFAULT_MAX_CONNECTIONS,
  type DoctorOptions,
} from "../options.ts";

const MARKS = { ok: green("ok     "), warning: yellow("warning"), error: red("ERROR  ") } as const;
const MARK_COLUMNS = 9; // with the two spaces after it
const ABOUT_COLUMNS = 13;
const MOST_COLUMNS = 110;

export function addDoctorCommand(command: Command, openTerminal: () => Promise<Terminal>): void {
  addDoctorOptions(addDataOption(command))
    .description(
      "examine port, key, clock, disk, database and backups; exit code 1 where something does not work",
    )
    .option("--json", "one JSON object per line")
    .action(async (options: DoctorOptions & { data: string; json?: boolean }) => {
      const patient = await patientOf(options, await databaseUrlOf(command));
      const terminal = await openTerminal();
      const findings: Finding[] = [];
      for await (const finding of examine(patient)) {
        findings.push(finding);
        await terminal.print(options.json ? JSON.stringify(finding) : shown(finding, terminal.size.columns));
      }
      await terminal.flush();
      const counts = `${count(findings, "error")}, ${count(findings, "warning")}`;
      if (findings.some(({ level }) => level === "error")) {
        throw new ChatError("unavailable", `Found ${counts}`);
      }
      if (!options.json) await terminal.print(bold(`Found ${counts}.`));
      await terminal.flush();
    });
}

async function* examine(patient: Patient): AsyncGenerator<Finding> {
  const [network, folder, identity, database] = await Promise.all([
    import("../doctor/network.ts"),
    import("../doctor/folder.ts"),
    import("../doctor/identity.ts"),
    import("../doctor/database.ts"),
  ]);
  const empty = await folder.whyEmpty(patient);
  if (empty) return yield empty;
  yield await network.examineServer(patient);
  yield* await network.examineReach(patient);
  yield* await identity.examineIdentity(patient);
  yield* await database.examineDatabase(patient);
  yield* await folder.examineFolder(patient);
  const isShared = patient.databaseUrl !== undefined || patient.isShared;
  if (!isShared) yield await folder.examineBackup(dataPaths(patient.folder));
}

/** What the running server says of itself counts, then the flags, then their defaults. */
async function patientOf(options: DoctorOptions & { data: string }, databaseUrl?: string): Promise<Patient> {
  const { folder, database } = dataPaths(options.data);
  const running = await readRunFile(folder);
  const { cert = running?.cert, key = running?.key } = options;
  return {
    folder,
    database,
    databaseUrl,
    certificatePath: resolve(cert ?? join(folder, CERTIFICATE_FILE)),
    keyPath: resolve(key ?? join(folder, KEY_FILE)),
    running: running !== null,
    isShared: running?.isShared ?? false,
    pid: running?.pid ?? null,
    shownPem: running?.certificatePem ?? null,
    host: running?.host ?? options.host ?? "::",
    port: running?.port || options.port || DEFAULT_PORT,
    publicHost: running ? running.publicHost ?? null : options.publicHost ?? null,
    maxConnections: running?.maxConnections ?? options.maxConnections ?? DEFAULT_MAX_CONNECTIONS,
  };
}

function count(findings: readonly Finding[], level: Finding["level"]): string {
  const found = findings.filter((finding) => finding.level === level).length;
  return `${found} ${level}${found === 1 ? "" : "s"}`;
}

function shown({ level, about, seen, next }: Finding, columns: number): string {
  const indent = MARK_COLUMNS + ABOUT_COLUMNS;
  const width = Math.max(20, Math.min(columns, MOST_COLUMNS) - indent);
  const pad = " ".repeat(indent);
  const lines = wrapped(seen, width).map((line, index) =>
    index === 0
      ? `${MARKS[level]}  ${bold(about)}${" ".repeat(ABOUT_COLUMNS - about.length)}${line}`
      : pad + line
  );
  const hints = next === undefined
    ? []
    : wrapped(next, width - 2).map((line, index) =>
      pad + (index === 0 ? "→ " : "  ") + (level === "ok" ? dim(line) : line)
    );
  return [...lines, ...hints].join("\n");
}

/** Breaks between words; a word that is too long for a line, such as a path, is left whole. */
function wrapped(text: string, width: number): string[] {
  const lines: string[] = [];
  for (const word of text.split(" ")) {
    const last = lines.at(-1);
    if (last !== undefined && last.length + 1 + word.length <= width) {
      lines[lines.length - 1] = `${last} ${word}`;
    } else lines.push(word);
  }
  return lines;
}
