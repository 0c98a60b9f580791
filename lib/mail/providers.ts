// Mail providers: from a name, or from an address, to the host and port that take mail from its users.
// The list is nodemailer's well-known one, less what only listens on this machine. Encryption is decided here and
// never left to the list: port 465 style TLS where the list says so, STARTTLS required everywhere else.
import wellKnown from "nodemailer/lib/well-known";
import services from "nodemailer/lib/well-known/services.json" with { type: "json" };

export interface SmtpEndpoint {
  readonly host: string;
  readonly port: number;
  /** TLS from the first byte, or STARTTLS before anything else is said; there is no value without encryption. */
  readonly security: "tls" | "starttls";
  readonly caPem?: string; // PEM of the only CAs trusted; unset means the built-in roots
}

export interface MailProvider {
  readonly id: string; // its key in the list, such as `Gmail`
  readonly title: string; // name for people, such as `Gmail` or `GMX Mail`
  readonly endpoint: SmtpEndpoint;
}

interface ListedService {
  readonly description?: string;
  readonly host?: string;
  readonly port?: number | string;
  readonly secure?: boolean;
  readonly ignoreTLS?: boolean;
}

const FIRST = "Gmail Hotmail Outlook365 iCloud Yahoo GMX FastMail Zoho Mail.ru Yandex".split(" "); // most people's; the rest follow by name

/** Every provider that takes mail over an encrypted connection, Gmail first, then the most used, then by name. */
export function listProviders(): MailProvider[] {
  const providers = Object.entries(services as Record<string, ListedService>)
    .flatMap(([id, service]) => toProvider(id, service) ?? []);
  const rank = (id: string) => FIRST.includes(id) ? FIRST.indexOf(id) : FIRST.length;
  return providers.sort((a, b) => rank(a.id) - rank(b.id) || a.title.localeCompare(b.title, "en"));
}

/** Finds the provider of an address by its domain, or a provider by its name. */
export function findProvider(text: string): MailProvider | null {
  const found = wellKnown(text);
  if (found === false) return null;
  const isFound = ({ id, title, endpoint }: MailProvider) =>
    endpoint.host === found.host && title === (found.description ?? id);
  return listProviders().find(isFound) ?? null;
}

function toProvider(id: string, service: ListedService): MailProvider | null {
  if (service.host === undefined || service.ignoreTLS === true) return null;
  const isImplicit = service.secure === true;
  const port = Number(service.port ?? (isImplicit ? 465 : 587));
  return {
    id,
    title: service.description ?? id,
    endpoint: { host: service.host, port, security: isImplicit ? "tls" : "starttls" },
  };
}

export function isGoogle(host: string): boolean {
  return /(?:^|\.)(?:gmail|google|googlemail)\.com$/i.test(host);
}
