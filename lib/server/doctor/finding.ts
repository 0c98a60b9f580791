// What an examination says: one finding for each thing that was looked at.

export interface Finding {
  readonly about: string; // one word
  readonly level: "ok" | "warning" | "error"; // as it should be; works, but not for long or not for all; does not work
  readonly seen: string; // one sentence, with the value
  readonly next?: string; // what to do
}

/** What is examined, as the running server says and the flags do. */
export interface Patient {
  readonly folder: string;
  readonly database: string; // path of the file, where there is no `databaseUrl`
  readonly databaseUrl: string | undefined;
  readonly certificatePath: string;
  readonly keyPath: string;
  readonly running: boolean; // a server says that it runs on the folder
  readonly isShared: boolean; // its database is a shared one
  readonly pid: number | null; // of that server
  readonly shownPem: string | null; // certificate that it shows
  readonly host: string;
  readonly port: number;
  readonly publicHost: string | null;
  readonly maxConnections: number;
}

export const ok = (about: string, seen: string, next?: string): Finding => finding(about, "ok", seen, next);
export const warning = (about: string, seen: string, next: string) => finding(about, "warning", seen, next);
export const error = (about: string, seen: string, next: string) => finding(about, "error", seen, next);

function finding(about: string, level: Finding["level"], seen: string, next?: string): Finding {
  return { about, level, seen, ...(next === undefined ? {} : { next }) };
}
