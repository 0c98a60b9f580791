/**
 * The operator's subcommands: accounts, invites, backup, check. They work on the data folder, whether or not a server
 * is running on it; a running server notices within seconds.
 * @module
 */
import { type Command, InvalidArgumentError } from "commander";
import { Passwords } from "../chat/passwords.ts";
import { messageOf, UsageError } from "../errors.ts";
import { checked } from "../protocol/requests.ts";
import { nameField, passwordField } from "../protocol/fields.ts";
import type { ListedAccount, ServerStore } from "../chat/operator_store.ts";
import type { Terminal } from "../terminal/terminal.ts";
import { dataPaths } from "./data_folder.ts";
import { isOpen, newJoinCode } from "./invites.ts";
import { reachableAddresses } from "./addresses.ts";
import { addDataOption, addLinkOptions, type LinkOptions } from "./options.ts";
import { inviteLink, loadServerIdentity } from "./serve.ts";

const DAY_MS = 24 * 60 * 60 * 1000;
const ACCOUNTS_PER_PAGE = 500;
/** The argument that most subcommands about accounts take. */
const NAME = ["<name>", "name of the account"] as const;

/** What the subcommands need of the world. */
export interface AdminDeps {
  /** Gives what asks for secrets, and prints. */
  readonly openTerminal: () => Promise<Terminal>;
}

/** Does work on the store of a data folder. */
type WithStore = (
  data: string,
  work: (store: ServerStore, terminal: Terminal) => Promise<void>,
) => Promise<void>;

/** Adds `user`, `invite`, `backup` and `check` to the program. */
export function addAdminCommands(program: Command, { openTerminal }: AdminDeps): void {
  const withStore: WithStore = async (data, work) => {
    await using store = await openStore(data);
    const terminal = await openTerminal();
    await work(store, terminal);
    await terminal.flush();
  };
  // `--data DIR check` means the same as `check --data DIR`; of two that differ, the nearer one counts.
  program.hook("preAction", (_program, subcommand) => takeOver(subcommand));
  addUserCommands(program.command("user"), withStore);
  addInviteCommands(program.command("invite"), withStore);
  addDataOption(program.command("backup").argument("<file>", "new file to write the copy to"))
    .description("write a consistent copy of the database, also while the server runs")
    .action((file: string, options: { data: string }) =>
      withStore(options.data, async (store, terminal) => {
        await store.backup(file);
        await terminal.print(`Wrote ${file}. The key is not in it: copy the data folder's key files too.`);
      })
    );
  addDataOption(program.command("check"))
    .description("verify the database and print what is in it")
    .action((options: { data: string }) => withStore(options.data, check));
}

/** Gives a subcommand what was given before it, of the flags that both have. */
function takeOver(subcommand: Command): void {
  for (let above = subcommand.parent; above !== null; above = above.parent) {
    for (const name of subcommand.options.map((option) => option.attributeName())) {
      if (subcommand.getOptionValueSource(name) === "cli" || above.getOptionValueSource(name) !== "cli") {
        continue;
      }
      subcommand.setOptionValueWithSource(name, above.getOptionValue(name), "cli");
    }
  }
}

function addUserCommands(user: Command, withStore: WithStore): void {
  user.description("accounts: add, list, disable, enable, reset-password, remove");
  addDataOption(user.command("add").argument(...NAME)).description("make an account; asks for its password")
    .action((name: string, options: { data: string }) =>
      withStore(options.data, async (store, terminal) => {
        checked(nameField, name, "the name");
        const passwordHash = await askNewPassword(terminal, name);
        await store.createAccount({ name, passwordHash, joinCode: null });
        await terminal.print(`Added ${name}.`);
      })
    );
  addDataOption(user.command("list")).description("list accounts")
    .option("--json", "one JSON object a line")
    .action((options: { data: string; json?: boolean }) =>
      withStore(options.data, (store, terminal) => listAccounts(store, terminal, options.json ?? false))
    );
  for (const [verb, isDisabled] of [["disable", true], ["enable", false]] as const) {
    addDataOption(user.command(verb).argument(...NAME))
      .description(
        isDisabled ? "end the account's sessions and refuse its logins" : "let a disabled account in again",
      )
      .action((name: string, options: { data: string }) =>
        withStore(options.data, async (store, terminal) => {
          await store.setDisabled(name, isDisabled);
          await terminal.print(isDisabled ? `Disabled ${name}; its sessions end.` : `Enabled ${name}.`);
        })
      );
  }
  addDataOption(user.command("reset-password").argument(...NAME))
    .description("set a new password and end the account's sessions")
    .action((name: string, options: { data: string }) =>
      withStore(options.data, async (store, terminal) => {
        const account = await store.findCredentials(name, null);
        if (!account) throw new UsageError(`Cannot find user ${name}`);
        const passwordHash = await askNewPassword(terminal, name);
        await store.changePassword(account.accountId, {
          passwordHash,
          formerHash: null,
          exceptTokenHash: null,
        });
        await terminal.print(`Set a new password for ${name}; its sessions end.`);
      })
    );
  addDataOption(user.command("remove").argument(...NAME))
    .description("remove an account and its mailbox; what it sent stays with those who got it")
    .option("--yes", "do not ask")
    .action((name: string, options: { data: string; yes?: boolean }) =>
      withStore(options.data, async (store, terminal) => {
        if (!options.yes && !(await terminal.confirm(`Remove ${name} and its mailbox for ever?`, false))) {
          return;
        }
        await store.removeAccount(name);
        await terminal.print(`Removed ${name}. The name stays taken, so that nobody can pose as its owner.`);
      })
    );
}

function addInviteCommands(invite: Command, withStore: WithStore): void {
  invite.description("invites: new, list, revoke");
  addLinkOptions(addDataOption(invite.command("new"))).description("make an invite and print its link")
    .option("--uses <number>", "accounts it may make (default: any number)", wholeNumber)
    .option("--days <number>", "days until it ends (default: never)", wholeNumber)
    .option("--note <text>", "your own words about it", "")
    .action((options: LinkOptions & { data: string; uses?: number; days?: number; note: string }) =>
      withStore(options.data, async (store, terminal) => {
        const { code } = await store.createInvite({
          code: newJoinCode(),
          maxUses: options.uses ?? null,
          expiresAt: options.days === undefined ? null : Date.now() + options.days * DAY_MS,
          note: options.note,
        });
        const identity = await loadServerIdentity(options, dataPaths(options.data));
        const host = options.publicHost ?? reachableAddresses("::")[0]!;
        await terminal.print(inviteLink({ host, port: options.port, identity }, code));
      })
    );
  addDataOption(invite.command("list")).description("list invites, also those that no longer work")
    .action((options: { data: string }) =>
      withStore(options.data, async (store, terminal) => {
        for (const { code, uses, maxUses, note, ...rest } of await store.listInvites()) {
          const state = isOpen({ code, uses, maxUses, note, ...rest }, Date.now()) ? "open" : "ended";
          await terminal.print(
            `${code}  ${state}  used ${uses} of ${maxUses ?? "any number"}${note && `  ${note}`}`,
          );
        }
      })
    );
  addDataOption(invite.command("revoke").argument("<code>", "the join code, as list shows it")).description(
    "end an invite; its accounts stay",
  )
    .action((code: string, options: { data: string }) =>
      withStore(options.data, async (store, terminal) => {
        await store.revokeInvite(code);
        await terminal.print(`Revoked ${code}.`);
      })
    );
}

async function openStore(data: string): Promise<ServerStore> {
  const { database } = dataPaths(data);
  try {
    await Deno.stat(database);
  } catch (error) {
    throw new UsageError(
      `Cannot find a database at ${database}: start the server once, or say where it is with --data DIR`,
      { cause: error },
    );
  }
  const { openLocalStore } = await import("../store/open.ts");
  return await openLocalStore(database);
}

async function askNewPassword(terminal: Terminal, name: string): Promise<string> {
  const password = await terminal.readSecret(`New password for ${name}: `);
  if (password === null) throw new UsageError("Cannot go on without a password");
  checked(passwordField, password, "the password");
  if (terminal.isInteractive && await terminal.readSecret("Once more: ") !== password) {
    throw new UsageError("Cannot use the password: the two do not match");
  }
  return await new Passwords().hash(password);
}

async function listAccounts(store: ServerStore, terminal: Terminal, json: boolean): Promise<void> {
  let after: string | null = null;
  do {
    const page = await store.listAccounts({ after, limit: ACCOUNTS_PER_PAGE });
    for (const account of page.accounts) {
      await terminal.print(json ? JSON.stringify(account) : accountLine(account));
    }
    after = page.next;
  } while (after !== null);
}

function accountLine(account: ListedAccount): string {
  const seen = account.lastSeenAt === null ? "never" : new Date(account.lastSeenAt).toISOString();
  const state = account.isDisabled ? "  disabled" : "";
  return `${account.name}  last seen ${seen}  ${account.unreadMessages} unread  ${account.deviceCount} devices${state}`;
}

async function check(store: ServerStore, terminal: Terminal): Promise<void> {
  const problems = await store.checkIntegrity();
  for (const [name, value] of Object.entries(await store.counts())) await terminal.print(`${name}: ${value}`);
  if (problems.length > 0) {
    throw new UsageError(`Cannot vouch for the database:\n${problems.map(messageOf).join("\n")}`);
  }
  await terminal.print("The database is whole.");
}

function wholeNumber(text: string): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < 1) {
    throw new InvalidArgumentError("Give a whole number from 1 up.");
  }
  return value;
}
