// `user`: the accounts.
import type { Command } from "commander";
import type { ListedAccount } from "../../chat/operator_store.ts";
import { count } from "../../count.ts";
import { UsageError } from "../../errors.ts";
import type { Terminal } from "../../terminal/terminal.ts";
import { addDataOption } from "../options.ts";
import type { OnStore } from "./desk.ts";
import { jsonLine } from "../../terminal/safe_text.ts";

const ACCOUNTS_PER_PAGE = 500;

/** Of an export: a page at a time is in memory, and other calls of the store get their turn between two. */
const MESSAGES_PER_PAGE = 1_000;
const BYTES_PER_PAGE = 1024 * 1024;

export function addUserCommands(user: Command, onStore: OnStore): void {
  user.description("accounts: add, list, disable, enable, reset-password, export, remove");
  const about = (verb: string, argument: string, description: string) =>
    addDataOption(user.command(verb).argument(argument, "name of the account")).description(description);
  const named = (verb: string, description: string) => about(verb, "<account>", description);

  onStore(
    about("add", "<name>", "create an account; asks for its password"),
    async ({ noted, terminal }, name: string) => {
      const { checked, nameField } = await schemas();
      checked(nameField, name, "the name");
      const passwordHash = await askNewPassword(terminal, name);
      await noted(name).createAccount({ name, passwordHash, joinCode: null });
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
          await terminal.print(json ? jsonLine(account) : accountLine(account));
        }
        after = next;
      } while (after !== null);
    },
  );
  onStore(
    named("disable", "sign the account out everywhere, and refuse its logins"),
    async ({ noted, terminal }, name: string) => {
      await noted(name).setDisabled(name, true);
      await terminal.print(`Disabled ${name}, and signed it out everywhere.`);
    },
  );
  onStore(
    named("enable", "let a disabled account log in again"),
    async ({ noted, terminal }, name: string) => {
      await noted(name).setDisabled(name, false);
      await terminal.print(`Enabled ${name}.`);
    },
  );
  onStore(
    named("reset-password", "set a new password, and sign the account out everywhere"),
    async ({ store, noted, terminal }, name: string) => {
      const account = await store.findCredentials(name, null);
      if (!account) throw new UsageError(`Cannot find user ${name}`);
      const passwordHash = await askNewPassword(terminal, name);
      const change = { passwordHash, formerHash: null, exceptTokenHash: null };
      await noted(name).changePassword(account.accountId, change);
      await terminal.print(`Set a new password for ${name}, and signed it out everywhere.`);
    },
  );
  onStore(
    named("export", "write all messages and settings of an account to a new folder; the audit log notes it")
      .argument("<dir>", "a folder that is not there yet"),
    async ({ store, noted, terminal }, name: string, folder: string) => {
      const { exportTo } = await import("../../export/export.ts");
      const { accountId, shareRead, email, blocked } = await noted(name).openAccount(name);
      const { messages } = await exportTo(folder, {
        account: name,
        server: Deno.hostname(),
        about: () => Promise.resolve({ shareRead, email, blocked: [...blocked] }),
        conversations: (after) => store.listConversations({ accountId, after, limit: ACCOUNTS_PER_PAGE }),
        history: (other, before) =>
          store.listHistory({
            accountId,
            with: other,
            before,
            limit: MESSAGES_PER_PAGE,
            maxBytes: BYTES_PER_PAGE,
          }),
      });
      await terminal.print(
        `Exported ${count(messages, "message")} of ${name} to ${folder}.`,
      );
    },
  );
  onStore(
    named(
      "remove",
      "remove an account and its mailbox; the messages it sent stay with their recipients, unless --clear-texts is given",
    )
      .option("--clear-texts", "clear the texts that it sent too, as when somebody deletes their own account")
      .option("--yes", "do not ask"),
    async (
      { noted, terminal },
      name: string,
      { yes = false, clearTexts = false }: { yes?: boolean; clearTexts?: boolean },
    ) => {
      if (!yes && !(await terminal.confirm(`Remove ${name} and its mailbox permanently?`, false))) {
        throw new UsageError("Nothing was removed: answer yes, or give --yes");
      }
      await noted(name).removeAccount(name, clearTexts);
      if (clearTexts) {
        await terminal.print("The texts that it sent are cleared within minutes while a server runs.");
      }
      await terminal.print(`Removed ${name}. The name stays taken, so that nobody can pose as its owner.`);
    },
  );
}

async function askNewPassword(terminal: Terminal, name: string): Promise<string> {
  const password = await terminal.readSecret(`New password for ${name}: `);
  if (password === null) throw new UsageError("Cannot set a password as none was given");
  const { checked, passwordField } = await schemas();
  checked(passwordField, password, "the password");
  if (terminal.isInteractive && await terminal.readSecret("Once more: ") !== password) {
    throw new UsageError("Cannot use the password: the two do not match");
  }
  const { Passwords } = await import("../../chat/passwords.ts");
  return await new Passwords().hash(password);
}

/** Loaded when they are needed: a server that only serves checks nothing before it listens. */
async function schemas() {
  const [fields, requests] = await Promise.all([
    import("../../protocol/fields.ts"),
    import("../../protocol/requests.ts"),
  ]);
  return { ...fields, ...requests };
}

function accountLine(account: ListedAccount): string {
  const seen = account.lastSeenAt === null ? "never" : new Date(account.lastSeenAt).toISOString();
  const devices = count(account.deviceCount, "device");
  const state = account.isDisabled ? "  disabled" : "";
  return `${account.name}  last seen ${seen}  ${account.unreadMessages} unread  ${devices}${state}`;
}
