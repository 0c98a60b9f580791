// The operator's subcommands: accounts, invites, backup, check; `move.ts` has one more. They work on the data folder, whether or not a server
// is running on it; a running server notices within seconds.
import type { Command } from "commander";
import type { ListedAccount, ServerStore } from "../chat/operator_store.ts";
import { UsageError } from "../errors.ts";
import type { Terminal } from "../terminal/terminal.ts";
import { checkDatabaseIsThere, checkKeyIsThere, dataPaths } from "./data_folder.ts";
import { inviteLink, newJoinCode, reachableAddresses } from "./invites.ts";
import {
  addDataOption,
  addLinkOptions,
  checkServeOptions,
  databaseUrlOf,
  type LinkOptions,
  wholeNumber,
} from "./options.ts";
import { addMoveCommand } from "./move.ts";
import { loadServerIdentity } from "./serve.ts";

const ACCOUNTS_PER_PAGE = 500;
const DAY_MS = 24 * 3_600_000;

interface Desk {
  readonly store: ServerStore;
  readonly terminal: Terminal;
  readonly databaseUrl: string | undefined; // of a shared database; unset: the file in the data folder
}

/** Makes work the action of a subcommand: on the store of its data folder, with the arguments and flags that were given. */
type OnStore = <Given extends unknown[]>(command: Command, work: Work<Given>) => void;

type Work<Given extends unknown[]> = (desk: Desk, ...given: Given) => Promise<void>;

/** Adds `user`, `invite`, `backup`, `check` and `move` to the program. */
export function addAdminCommands(program: Command, openTerminal: () => Promise<Terminal>): void {
  const onStore: OnStore = <Given extends unknown[]>(command: Command, work: Work<Given>) =>
    command.action(async (...given) => {
      const databaseUrl = await databaseUrlOf(command);
      await using store = await openStore(command.opts<{ data: string }>().data, databaseUrl);
      const terminal = await openTerminal();
      await work({ store, terminal, databaseUrl }, ...given as Given);
      await terminal.flush();
    });
  // `--data DIR check` means the same as `check --data DIR`; of two that differ, the nearer one counts.
  program.hook("preAction", (_program, subcommand) => takeOver(subcommand));
  addUserCommands(program.command("user"), onStore);
  addInviteCommands(program.command("invite"), onStore);
  onStore(
    addDataOption(program.command("backup").argument("<file>", "new file to write the copy to"))
      .description("copy the database to a file; works while the server runs"),
    async ({ store, terminal }, file: string) => {
      await store.backup(file);
      await terminal.print(`Wrote ${file}, without the key: copy the data folder's key files too.`);
    },
  );
  onStore(
    addDataOption(program.command("check")).description("check the database and print what it holds"),
    check,
  );
  addMoveCommand(program.command("move"), openTerminal);
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

function addUserCommands(user: Command, onStore: OnStore): void {
  user.description("accounts: add, list, disable, enable, reset-password, remove");
  const named = (verb: string, description: string) =>
    addDataOption(user.command(verb).argument("<name>", "name of the account")).description(description);

  onStore(
    named("add", "create an account; asks for its password"),
    async ({ store, terminal }, name: string) => {
      const { checked, nameField } = await schemas();
      checked(nameField, name, "the name");
      const passwordHash = await askNewPassword(terminal, name);
      await store.createAccount({ name, passwordHash, joinCode: null });
      await terminal.print(`Added ${name}.`);
    },
  );
  onStore(
    addDataOption(user.command("list")).description("list accounts").option(
      "--json",
      "one JSON object per line",
    ),
    async ({ store, terminal }, { json = false }: { json?: boolean }) => {
      let after: string | null = null;
      do {
        const { accounts, next } = await store.listAccounts({ after, limit: ACCOUNTS_PER_PAGE });
        for (const account of accounts) {
          await terminal.print(json ? JSON.stringify(account) : accountLine(account));
        }
        after = next;
      } while (after !== null);
    },
  );
  onStore(
    named("disable", "sign the account out everywhere, and refuse its logins"),
    async ({ store, terminal }, name: string) => {
      await store.setDisabled(name, true);
      await terminal.print(`Disabled ${name}, and signed it out everywhere.`);
    },
  );
  onStore(
    named("enable", "let a disabled account log in again"),
    async ({ store, terminal }, name: string) => {
      await store.setDisabled(name, false);
      await terminal.print(`Enabled ${name}.`);
    },
  );
  onStore(
    named("reset-password", "set a new password, and sign the account out everywhere"),
    async ({ store, terminal }, name: string) => {
      const account = await store.findCredentials(name, null);
      if (!account) throw new UsageError(`Cannot find user ${name}`);
      const passwordHash = await askNewPassword(terminal, name);
      const change = { passwordHash, formerHash: null, exceptTokenHash: null };
      await store.changePassword(account.accountId, change);
      await terminal.print(`Set a new password for ${name}, and signed it out everywhere.`);
    },
  );
  onStore(
    named("remove", "remove an account and its mailbox; the messages it sent stay with their recipients")
      .option("--yes", "do not ask"),
    async ({ store, terminal }, name: string, { yes = false }: { yes?: boolean }) => {
      if (!yes && !(await terminal.confirm(`Remove ${name} and its mailbox permanently?`, false))) return;
      await store.removeAccount(name);
      await terminal.print(`Removed ${name}. The name stays taken, so that nobody can pose as its owner.`);
    },
  );
}

function addInviteCommands(invite: Command, onStore: OnStore): void {
  invite.description("invites: new, list, revoke");
  onStore(
    addLinkOptions(addDataOption(invite.command("new"))).description("create an invite and print its link")
      .option("--uses <number>", "how many accounts it can create (default: no limit)", wholeNumber)
      .option("--days <number>", "days until it expires (default: never)", wholeNumber)
      .option("--note <text>", "a note for yourself", ""),
    async (
      { store, terminal, databaseUrl },
      options: LinkOptions & { data: string; uses?: number; days?: number; note: string },
    ) => {
      const { uses, days, note } = options;
      const paths = dataPaths(options.data);
      if (checkServeOptions(options).cert === undefined) await checkKeyIsThere(paths);
      const identity = await loadServerIdentity(options, paths);
      if (databaseUrl !== undefined) {
        const { checkCommunityKey } = await import("../store/open.ts");
        await checkCommunityKey(databaseUrl, identity.fingerprint); // else the link would warn everybody away
      }
      const code = newJoinCode();
      await store.createInvite({
        code,
        maxUses: uses ?? null,
        expiresAt: days === undefined ? null : Date.now() + days * DAY_MS,
        note,
      });
      const host = options.publicHost ?? reachableAddresses("::")[0]!;
      await terminal.print(inviteLink({ host, port: options.port, identity }, code));
    },
  );
  onStore(
    addDataOption(invite.command("list")).description("list all invites, also those that have ended"),
    async ({ store, terminal }) => {
      for (const { code, isOpen, uses, maxUses, note } of await store.listInvites()) {
        const state = isOpen ? "open" : "ended";
        await terminal.print(
          `${code}  ${state}  used ${uses}${maxUses === null ? "" : ` of ${maxUses}`} times${
            note && `  ${note}`
          }`,
        );
      }
    },
  );
  onStore(
    addDataOption(invite.command("revoke").argument("<code>", "join code, as invite list shows it"))
      .description("revoke an invite; accounts created with it stay"),
    async ({ store, terminal }, code: string) => {
      await store.revokeInvite(code);
      await terminal.print(`Revoked ${code}.`);
    },
  );
}

async function openStore(data: string, url: string | undefined): Promise<ServerStore> {
  const { openLocalStore, openSharedStore } = await import("../store/open.ts");
  if (url !== undefined) return await openSharedStore(url);
  const paths = dataPaths(data);
  await checkDatabaseIsThere(paths);
  return await openLocalStore(paths.database);
}

async function askNewPassword(terminal: Terminal, name: string): Promise<string> {
  const password = await terminal.readSecret(`New password for ${name}: `);
  if (password === null) throw new UsageError("Cannot set a password as none was given");
  const { checked, passwordField } = await schemas();
  checked(passwordField, password, "the password");
  if (terminal.isInteractive && await terminal.readSecret("Once more: ") !== password) {
    throw new UsageError("Cannot use the password: the two do not match");
  }
  const { Passwords } = await import("../chat/passwords.ts");
  return await new Passwords().hash(password);
}

/** Loaded when they are needed: a server that only serves checks nothing before it listens. */
async function schemas() {
  const [fields, requests] = await Promise.all([
    import("../protocol/fields.ts"),
    import("../protocol/requests.ts"),
  ]);
  return { ...fields, ...requests };
}

function accountLine(account: ListedAccount): string {
  const seen = account.lastSeenAt === null ? "never" : new Date(account.lastSeenAt).toISOString();
  const state = account.isDisabled ? "  disabled" : "";
  return `${account.name}  last seen ${seen}  ${account.unreadMessages} unread  ${account.deviceCount} devices${state}`;
}

async function check({ store, terminal }: Desk): Promise<void> {
  const problems = await store.checkIntegrity();
  for (const [name, value] of Object.entries(await store.counts())) await terminal.print(`${name}: ${value}`);
  if (problems.length > 0) {
    throw new UsageError(`The database is damaged:\n${problems.join("\n")}`);
  }
  await terminal.print("The database is not damaged.");
}
