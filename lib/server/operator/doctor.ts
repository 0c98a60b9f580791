// `doctor`: looks at all that a server depends on, and says of each thing how it is and what to do.
import type { Command } from "commander";
import { join, resolve } from "node:path";
import { CERTIFICATE_FILE, KEY_FILE } from "../../net/identity.ts";
import { DEFAULT_PORT } from "../../protocol/limits.ts";
import type { Terminal } from "../../terminal/terminal.ts";
import { dataPaths } from "../data_folder.ts";
import type { Finding } from "../../findings/finding.ts";
import type { Patient } from "../doctor/patient.ts";
import type { Figures } from "../live/figures.ts";
import { readRunFile } from "../live/run_file.ts";
import {
  addDataOption,
  addDoctorOptions,
  databaseUrlOf,
  DEFAULT_MAX_CONNECTIONS,
  type DoctorOptions,
} from "../options.ts";

export function addDoctorCommand(command: Command, openTerminal: () => Promise<Terminal>): void {
  addDoctorOptions(addDataOption(command))
    .description(
      "examine port, key, clock, disk, database and backups; exit code 1 where something does not work",
    )
    .option("--json", "one JSON object per line")
    .action(async (options: DoctorOptions & { data: string; json?: boolean }) => {
      const patient = await patientOf(options, await databaseUrlOf(command));
      const terminal = await openTerminal();
      const { reportFindings } = await import("../../findings/report.ts");
      await reportFindings(terminal, examine(patient), options);
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

async function hasShut(folder: string): Promise<boolean> {
  const { askServer } = await import("../live/control.ts");
  const figures = await askServer(folder, "status").catch(() => null) as Figures | null;
  return figures?.community?.servers === 0;
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
    hasShut: running?.isShared === true && await hasShut(folder),
    pid: running?.pid ?? null,
    shownPem: running?.certificatePem ?? null,
    host: running?.host ?? options.host ?? "::",
    port: running?.port || options.port || DEFAULT_PORT,
    publicHost: running ? running.publicHost ?? null : options.publicHost ?? null,
    maxConnections: running?.maxConnections ?? options.maxConnections ?? DEFAULT_MAX_CONNECTIONS,
  };
}
