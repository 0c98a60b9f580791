// Reads `postgres://user:password@host1:5432,host2:5432/database?sslmode=…`, as PostgreSQL's own programs write it.
// No message here shows the URL, as a password is in it.
import { formatHostAndPort, isPort, scopeOf } from "../../addresses.ts";
import { quote, UsageError } from "../../errors.ts";

/** Where the database is, and who signs in. */
export interface DatabaseUrl {
  readonly hosts: readonly DatabaseHost[]; // at least one; of several the one that takes writes is used
  readonly user: string;
  readonly password: string; // empty when none is given
  readonly database: string;
  readonly tls: TlsToDatabase | null; // null: in the clear, over loopback or a Unix socket
}

export interface DatabaseHost {
  readonly host: string; // begins with "/" for the folder of a Unix socket
  readonly port: number;
}

/** The server's certificate must be signed by one of these and name the host. */
export interface TlsToDatabase {
  readonly rootCertificatePath: string | null; // a file of PEM; null for those that the system trusts
}

const DEFAULT_PORT = 5432; // PostgreSQL's
const URL_PARTS = /^postgres(?:ql)?:\/\/(?:([^/?]*)@)?([^/?@]*)(?:\/([^?]*))?(?:\?(.*))?$/s;
const PARAMETERS = ["sslmode", "sslrootcert", "host", "port"];

/** @throws {UsageError} Something is missing, unknown, or would send the password in the clear. */
export function parseDatabaseUrl(text: string): DatabaseUrl {
  const parts = URL_PARTS.exec(text.trim());
  if (!parts) {
    throw cannotUse("it does not look like postgres://USER@HOST/DATABASE");
  }
  const [, login = "", authority = "", path = "", search = ""] = parts;
  if (`${path}${search}`.includes("@")) {
    throw cannotUse("there is an @ behind its host: write %40 %2F %3F for @ / ? of a password");
  }
  const [user = "", password = ""] = splitOnce(login, ":").map(decode);
  const database = decode(path);
  if (user === "") {
    throw cannotUse("it names no user: write postgres://USER@HOST/DATABASE");
  }
  if (database === "") throw cannotUse("it names no database: write postgres://USER@HOST/DATABASE");
  const parameters = parametersFrom(search);
  const hosts = (authority || socketFrom(parameters)).split(",").map(hostFrom);
  return { hosts, user, password, database, tls: tlsFrom(parameters, hosts) };
}

/** For messages: where the database is, without who signs in. */
export function describeDatabase({ hosts, database }: DatabaseUrl): string {
  const places = hosts.map(({ host, port }) => isSocket(host) ? host : formatHostAndPort(host, port));
  return `${places.join(",")}/${database}`;
}

function parametersFrom(search: string): Map<string, string> {
  const parameters = new Map<string, string>();
  for (const part of search.split("&").filter((it) => it !== "")) {
    const [name = "", value = ""] = splitOnce(part, "=").map(decode);
    if (!PARAMETERS.includes(name)) {
      throw cannotUse(`it has the unknown parameter ${quote(name)}; known are ${PARAMETERS.join(", ")}`);
    }
    parameters.set(name, value);
  }
  return parameters;
}

/** A Unix socket is written as a parameter: `?host=/run/postgresql&port=5432`. */
function socketFrom(parameters: ReadonlyMap<string, string>): string {
  return `${encodeURIComponent(parameters.get("host") ?? "")}:${parameters.get("port") ?? DEFAULT_PORT}`;
}

function hostFrom(text: string): DatabaseHost {
  const [, bracketed, plain = "", port = String(DEFAULT_PORT)] =
    /^(?:\[([^\]]*)\]|([^:]*))(?::(.*))?$/.exec(text) ?? [];
  const host = decode(bracketed ?? plain);
  if (host === "") {
    throw cannotUse(
      "it names no host: write postgres://USER@HOST/DATABASE, or ?host=/run/postgresql for a socket",
    );
  }
  if (!isPort(port)) {
    throw cannotUse(`the port of ${quote(host)} is no number from 1 to 65535: ${quote(port)}`);
  }
  return { host, port: Number(port) };
}

function tlsFrom(
  parameters: ReadonlyMap<string, string>,
  hosts: readonly DatabaseHost[],
): TlsToDatabase | null {
  const isNear = hosts.every(({ host }) =>
    isSocket(host) || host === "localhost" || scopeOf(host) === "loopback"
  );
  const mode = parameters.get("sslmode") ??
    (isNear && !parameters.has("sslrootcert") ? "disable" : "verify-full");
  if (mode === "verify-full") return { rootCertificatePath: parameters.get("sslrootcert") ?? null };
  if (mode !== "disable") throw cannotUse(`sslmode is ${quote(mode)}: verify-full and disable are known`);
  if (!isNear) throw cannotUse("sslmode=disable is only for a database on this machine: use verify-full");
  return null;
}

function isSocket(host: string): boolean {
  return host.startsWith("/");
}

function splitOnce(text: string, separator: string): string[] {
  const at = text.indexOf(separator);
  return at < 0 ? [text] : [text.slice(0, at), text.slice(at + 1)];
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw cannotUse("a % in it is not followed by two hexadecimal digits: write % as %25");
  }
}

function cannotUse(reason: string): UsageError {
  return new UsageError(`Cannot use the database URL: ${reason}`);
}
