import { formatHostAndPort } from "../../addresses.ts";
import { UsageError } from "../../errors.ts";
import { type MailAccount, SIGN_IN_TITLES } from "../../mail/account.ts";
import { revokeTokens } from "../../mail/oauth.ts";
import { jsonLine, safeText } from "../../terminal/safe_text.ts";
import { bold, dim } from "../../terminal/style.ts";
import { type EmailParts, findAccount, noAccountWords } from "./parts.ts";
import { sendTestMail } from "./send.ts";
import { exitCodeOfRefusal } from "./words.ts";

export async function listAccounts(parts: EmailParts, options: { json: boolean }): Promise<void> {
  const { terminal, store } = parts;
  const accounts = (await store.listMailAccounts()).map(publicPart);
  if (accounts.length === 0 && !options.json) await terminal.print(`${noAccountWords("")}.`);
  for (const [at, account] of accounts.entries()) {
    const isDefault = at === 0;
    const { address, server, security, signIn } = account;
    const how = dim(`${safeText(server)}, ${security.toUpperCase()}, ${signIn}`);
    await terminal.print(
      options.json
        ? jsonLine({ ...account, default: isDefault })
        : `${bold(safeText(address))}${isDefault ? "  (default)" : ""}  ${how}`,
    );
  }
}

/** An account without its secrets, as `--json` prints it. */
export function publicPart(account: MailAccount) {
  const { endpoint } = account;
  return {
    address: account.address,
    name: account.name,
    server: formatHostAndPort(endpoint.host, endpoint.port),
    security: endpoint.security,
    signIn: SIGN_IN_TITLES[account.signIn.kind],
  };
}

export async function makeDefault(parts: EmailParts, address: string): Promise<void> {
  const account = await getAccount(parts, address);
  await parts.store.setDefaultMailAccount(account.id);
  await parts.terminal.print(`${safeText(account.address)} is the default now.`);
}

/** Signs in and sends a test mail to oneself; an empty address means the default account. */
export async function testAccount(parts: EmailParts, address: string, signal: AbortSignal): Promise<number> {
  const error = await sendTestMail(parts, await getAccount(parts, address), signal);
  return error === null ? 0 : exitCodeOfRefusal(error);
}

/** Removes an account with its secret; a consent is given back to the provider. */
export async function removeAccount(
  parts: EmailParts,
  address: string,
  options: { mustAsk: boolean },
): Promise<void> {
  const { terminal, store } = parts;
  const account = await getAccount(parts, address);
  const shown = safeText(account.address);
  const waiting = (await store.listOutboxEntries()).filter((entry) => entry.accountId === account.id).length;
  const warning = waiting === 0 ? "" : ` ${waiting} of its mails in the outbox can then not be sent.`;
  if (options.mustAsk && !await terminal.confirm(`Remove ${shown} from this profile?${warning}`, false)) {
    return;
  }
  await store.removeMailAccount(account.id);
  const { signIn } = account;
  if (signIn.kind !== "oauth2") return await terminal.print(`Removed ${shown}, and its secret.`);
  const isRevoked = await revokeTokens(signIn.settings, signIn.tokens);
  await terminal.print(
    isRevoked
      ? `Removed ${shown}; the provider has ended the access.`
      : `Removed ${shown}. End the access in the provider's account settings too: it could not be done from here.`,
  );
}

async function getAccount(parts: EmailParts, address: string): Promise<MailAccount> {
  const account = await findAccount(parts, address.trim());
  if (account === null) throw new UsageError(noAccountWords(address.trim()));
  return account;
}
