// Asking for the mail server of an account: known from the address, chosen from the list, or given as host and port.
import { isPort } from "../../../addresses.ts";
import {
  findProvider,
  listProviders,
  type MailProvider,
  type SmtpEndpoint,
} from "../../../mail/providers.ts";
import { safeText } from "../../../terminal/safe_text.ts";
import type { Terminal } from "../../../terminal/terminal.ts";
import { padToColumns } from "../../../terminal/width.ts";
import { askUntil } from "../parts.ts";

const OFFERED = 10; // providers that are chosen by number; the others by name
const NAME_COLUMNS = 26; // of a provider in the long list
export const SECURITY_OF_PORT: Record<number, SmtpEndpoint["security"]> = {
  25: "starttls",
  465: "tls",
  587: "starttls",
};

/** An empty address asks only for host and port; `null` at the end of the input. */
export async function askEndpoint(
  terminal: Terminal,
  address: string,
  before: SmtpEndpoint | null,
): Promise<SmtpEndpoint | null> {
  if (address === "") return await askHost(terminal, before);
  const known = before ?? findProvider(address)?.endpoint ?? null;
  if (known !== null && await terminal.confirm(`Use ${describeEndpoint(known)}?`, true)) return known;
  const providers = listProviders();
  const choice = await terminal.choose<MailProvider | "more" | "own">("Who is your mail provider?", [
    ...providers.slice(0, OFFERED).map((provider) => ({
      value: provider,
      label: provider.title,
      description: provider.endpoint.host,
    })),
    { value: "more", label: "More", description: `${providers.length - OFFERED} others by name` },
    { value: "own", label: "Host and port", description: "any other mail server" },
  ]);
  if (choice === null) return null;
  if (choice === "own") return await askHost(terminal, before);
  if (choice === "more") return await askByName(terminal, providers.slice(OFFERED));
  return choice.endpoint;
}

function describeEndpoint(endpoint: SmtpEndpoint): string {
  const how = endpoint.security === "tls" ? "TLS" : "STARTTLS";
  return `${safeText(endpoint.host)}, port ${endpoint.port}, ${how}`;
}

async function askByName(
  terminal: Terminal,
  providers: readonly MailProvider[],
): Promise<SmtpEndpoint | null> {
  const perRow = Math.max(1, Math.floor(terminal.size.columns / (NAME_COLUMNS + 2)));
  const names = providers.map((provider) => padToColumns(provider.id, NAME_COLUMNS));
  for (let at = 0; at < names.length; at += perRow) {
    await terminal.print(`  ${names.slice(at, at + perRow).join("")}`.trimEnd());
  }
  const complete = (text: string) => ({
    from: 0,
    candidates: providers.map(({ id }) => id).filter((id) => id.toLowerCase().startsWith(text.toLowerCase())),
  });
  const find = (text: string) => {
    const wanted = text.toLowerCase();
    return providers.find(({ id }) => id.toLowerCase() === wanted) ??
      (wanted === "" ? null : findProvider(wanted));
  };
  const advice = "There is no provider of that name in the list.";
  return (await askUntil(terminal, { prompt: "Name: ", complete }, find, advice))?.endpoint ?? null;
}

async function askHost(terminal: Terminal, before: SmtpEndpoint | null): Promise<SmtpEndpoint | null> {
  const host = await askUntil(
    terminal,
    { prompt: "Host of the mail server: ", initial: before?.host ?? "" },
    (text) => /^[^\s/@]+$/.test(text) ? text : null,
    "It looks like smtp.example.org, without a space.",
  );
  if (host === null) return null;
  const port = await askUntil(
    terminal,
    { prompt: "Port (465 for TLS, 587 for STARTTLS): ", initial: String(before?.port ?? 465) },
    (text) => isPort(text) ? Number(text) : null,
    "The port is a number from 1 to 65535.",
  );
  if (port === null) return null;
  const security = SECURITY_OF_PORT[port] ?? await terminal.choose(
    "How is it encrypted?",
    [
      { value: "starttls", label: "STARTTLS", description: "a plain start that turns into TLS at once" },
      { value: "tls", label: "TLS", description: "from the first byte" },
    ] as const,
    { byDefault: 0 },
  );
  if (security === null) return null;
  // A CA given for one host says nothing about another.
  const ca = before?.caPem !== undefined && before.host === host ? { caPem: before.caPem } : {};
  return { host, port, security, ...ca };
}
