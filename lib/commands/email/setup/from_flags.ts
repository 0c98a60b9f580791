// Setting up a mail account without a question: what the dialogue asks comes from flags, and the password from standard input.
// Running it again is harmless: an account of that address is changed, and keeps what no flag names.
import { isPort } from "../../../addresses.ts";
import { quote, UsageError } from "../../../errors.ts";
import { type MailAccount, type SignIn, tidyPassword } from "../../../mail/account.ts";
import { findAddressFault } from "../../../mail/address.ts";
import { findProvider, type SmtpEndpoint } from "../../../mail/providers.ts";
import { jsonLine, safeText } from "../../../terminal/safe_text.ts";
import { publicPart } from "../accounts.ts";
import { readPath } from "../attachments.ts";
import { type EmailParts, type EmailScript, findAccount } from "../parts.ts";
import { readCaFile } from "./ca_file.ts";
import { SECURITY_OF_PORT } from "./server.ts";

export interface SetupFlags {
  readonly address?: string;
  readonly name?: string;
  readonly provider?: string;
  readonly host?: string;
  readonly port?: string;
  readonly security?: SmtpEndpoint["security"];
  readonly user?: string;
  readonly auth?: "password" | "command" | "asked" | "none";
  readonly command?: string;
  readonly ca?: string;
  readonly default?: boolean;
  readonly check: boolean; // signs in before anything is saved
  readonly json?: boolean;
}

/** OAuth2 is not among them: its consent needs a browser and a person. */
const AUTH_KINDS: Record<NonNullable<SetupFlags["auth"]>, SignIn["kind"]> = {
  password: "password",
  command: "password_command",
  asked: "password_asked",
  none: "none",
};

const DEFAULT_PORTS: Record<SmtpEndpoint["security"], number> = { tls: 465, starttls: 587 };

/**
 * Saves the account, once the server has accepted the sign-in.
 * @throws {UsageError} The flags do not make an account.
 * @throws {MailError} The sign-in does not work; nothing is saved.
 */
export async function setUpFromFlags(script: EmailScript, flags: SetupFlags): Promise<void> {
  const { parts, signal } = script;
  const { terminal, store, mailer } = parts;
  const address = checkedAddress(flags.address);
  const known = await findAccount(parts, address);
  const id = known?.id ?? crypto.randomUUID();
  const endpoint = await endpointOf(parts, flags, address, known?.endpoint ?? null);
  const signIn = await signInOf(script, flags, { id, address, known: known?.signIn ?? null });
  const account: MailAccount = { id, address, name: flags.name ?? known?.name ?? "", endpoint, signIn };
  if (flags.check) await mailer.check(account, { signal, askPassword: () => Promise.resolve(null) });
  await store.saveMailAccount(account);
  if (flags.default) await store.setDefaultMailAccount(id);
  if (!flags.json) return;
  const [first] = await store.listMailAccounts();
  const { check: checked } = flags;
  const result = { ...publicPart(account), default: first?.id === id, created: known === null, checked };
  await terminal.print(jsonLine(result));
}

function checkedAddress(typed: string | undefined): string {
  const address = typed?.trim();
  if (!address) {
    throw new UsageError(
      "Cannot set up an account without its address: give --address, or no flag for the dialogue",
    );
  }
  const fault = findAddressFault(address);
  if (fault === null) return address;
  throw new UsageError(`Cannot use ${safeText(address)} as an address: ${fault}`);
}

/** The server that the flags name; what they leave out is as it was, or as the provider of the address has it. */
async function endpointOf(
  { homeFolder }: EmailParts,
  flags: SetupFlags,
  address: string,
  before: SmtpEndpoint | null,
): Promise<SmtpEndpoint> {
  const base = flags.host === undefined ? baseEndpoint(flags, address, before) : null;
  if (flags.host !== undefined && flags.provider !== undefined) {
    throw new UsageError("Cannot use --host and --provider together: give one");
  }
  const host = flags.host ?? base!.host;
  if (!/^[^\s/@]+$/.test(host)) {
    throw new UsageError(`Cannot use ${quote(host)} as --host: it looks like smtp.example.org`);
  }
  const kept = before?.host === host ? before : null;
  const { port, security } = transportOf(flags, base ?? kept);
  const caPem = flags.ca === undefined ? kept?.caPem : await readCaFile(readPath(flags.ca, homeFolder));
  return { host, port, security, ...(caPem === undefined ? {} : { caPem }) };
}

function baseEndpoint({ provider }: SetupFlags, address: string, before: SmtpEndpoint | null): SmtpEndpoint {
  if (provider !== undefined) {
    const found = findProvider(provider);
    if (found) return found.endpoint;
    throw new UsageError(`Cannot find the provider ${quote(provider)}: give its server with --host`);
  }
  const base = before ?? findProvider(address)?.endpoint;
  if (base) return base;
  throw new UsageError(
    `Cannot tell the mail server of ${
      safeText(address)
    }: give it with --host, or the provider with --provider`,
  );
}

function transportOf(
  { port: typed, security: wanted }: SetupFlags,
  base: Pick<SmtpEndpoint, "port" | "security"> | null,
): Pick<SmtpEndpoint, "port" | "security"> {
  if (typed === undefined) {
    if (base && (wanted === undefined || wanted === base.security)) return base;
    const security = wanted ?? "tls";
    return { port: DEFAULT_PORTS[security], security };
  }
  if (!isPort(typed)) {
    throw new UsageError(`Cannot use ${quote(typed)} as --port: it is a number from 1 to 65535`);
  }
  const port = Number(typed);
  const security = wanted ?? (port === base?.port ? base.security : SECURITY_OF_PORT[port]);
  if (security) return { port, security };
  throw new UsageError(`Cannot tell how port ${port} is encrypted: give --security tls or starttls`);
}

async function signInOf(
  script: EmailScript,
  flags: SetupFlags,
  { id, address, known }: { readonly id: string; readonly address: string; readonly known: SignIn | null },
): Promise<SignIn> {
  const byDefault = flags.command === undefined ? known?.kind ?? "password" : "password_command";
  const kind = flags.auth === undefined ? byDefault : AUTH_KINDS[flags.auth];
  const user = flags.user ?? (known && "user" in known ? known.user : address);
  if (flags.command !== undefined && kind !== "password_command") {
    throw new UsageError("Cannot use --command with this --auth: it goes with --auth command");
  }
  switch (kind) {
    case "none":
      return { kind };
    case "oauth2": // as it is known already
      return { ...known as Extract<SignIn, { kind: "oauth2" }>, user };
    case "password_command": {
      const command = flags.command ?? (known?.kind === kind ? known.command : "");
      if (command.trim()) return { kind, user, command };
      throw new UsageError("Cannot sign in with a command without --command");
    }
    case "password": {
      const password = await readPassword(script) ?? (known?.kind === kind ? known.password : undefined);
      if (password !== undefined) return { kind, user, password };
      throw new UsageError(
        `Cannot sign in as ${safeText(user)} without a password: give it on standard input`,
      );
    }
    case "password_asked": {
      if (!flags.check) return { kind, user };
      const password = await readPassword(script);
      if (password === undefined) {
        throw new UsageError(
          "Cannot check the sign-in without the password: give it on standard input, or --no-check",
        );
      }
      script.parts.mailer.rememberPassword(id, password);
      return { kind, user };
    }
  }
}

/** The first line of standard input, or what the person types unseen; undefined for an empty one. */
async function readPassword({ parts, readInput }: EmailScript): Promise<string | undefined> {
  const { terminal } = parts;
  const typed = terminal.isInteractive
    ? await terminal.readSecret("Password: ")
    : (await readInput()).split(/\r?\n/, 1)[0];
  return typed?.trim() ? tidyPassword(typed) : undefined;
}
