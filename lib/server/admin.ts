// The operator's subcommands. They work on the data folder, whether or not a server is running on it; a running server notices
// within seconds.
import type { Command } from "commander";
import type { Terminal } from "../terminal/terminal.ts";
import { addMoveCommand } from "./operator/move.ts";
import { actorFrom, addAuditCommand } from "./operator/audit.ts";
import { addBackupCommand } from "./operator/backup.ts";
import { addBanCommands } from "./operator/bans.ts";
import { addCheckCommand } from "./operator/database.ts";
import { onStoreWith } from "./operator/desk.ts";
import { addDoctorCommand } from "./operator/doctor.ts";
import { addHealthcheckCommand } from "./operator/healthcheck.ts";
import { addInviteCommands } from "./operator/invites.ts";
import { addLockdownCommand } from "./operator/lockdown.ts";
import { addRestoreCommand } from "./operator/restore.ts";
import { addReportCommands } from "./operator/reports.ts";
import { addStatusCommand } from "./operator/status.ts";
import { addUserCommands } from "./operator/users.ts";

/** Adds the subcommands to the program. */
export function addAdminCommands(
  program: Command,
  openTerminal: () => Promise<Terminal>,
  readVariable: (name: string) => string | undefined,
): void {
  const actor = () => actorFrom(readVariable);
  const onStore = onStoreWith(openTerminal, actor);
  // `--data DIR check` means the same as `check --data DIR`; of two that differ, the nearer one counts.
  program.hook("preAction", (_program, subcommand) => takeOver(subcommand));
  addUserCommands(program.command("user"), onStore);
  addInviteCommands(program.command("invite"), onStore);
  addBanCommands(program.command("ban"), onStore);
  addLockdownCommand(program.command("lockdown"), onStore);
  addReportCommands(program.command("report"), onStore);
  addAuditCommand(program.command("audit"), onStore);
  addBackupCommand(program, openTerminal);
  addCheckCommand(program, openTerminal);
  addRestoreCommand(program, openTerminal, actor);
  addMoveCommand(program.command("move"), openTerminal, actor);
  addStatusCommand(program.command("status"), openTerminal);
  addDoctorCommand(program.command("doctor"), openTerminal);
  addHealthcheckCommand(program.command("healthcheck"), openTerminal);
}

/** Gives a subcommand what was given before it, of the flags that both have. */
function takeOver(subcommand: Command): void {
  for (let above = subcommand.parent; above !== null; above = above.parent) {
    for (const name of subcommand.options.map((option) => option.attributeName())) {
      const isNearer = subcommand.getOptionValueSource(name) === "cli";
      if (isNearer || above.getOptionValueSource(name) !== "cli") continue;
      subcommand.setOptionValueWithSource(name, above.getOptionValue(name), "cli");
    }
  }
}
