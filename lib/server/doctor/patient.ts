// The server that is examined.

/** What is examined, as the running server says and the flags do. */
export interface Patient {
  readonly folder: string;
  readonly database: string; // path of the file, where there is no `databaseUrl`
  readonly databaseUrl: string | undefined;
  readonly certificatePath: string;
  readonly keyPath: string;
  readonly running: boolean; // a server says that it runs on the folder
  readonly isShared: boolean; // its database is a shared one
  readonly hasShut: boolean; // it says that it cannot reach that, so its port is shut
  readonly pid: number | null; // of that server
  readonly shownPem: string | null; // certificate that it shows
  readonly host: string;
  readonly port: number;
  readonly publicHost: string | null;
  readonly maxConnections: number;
}
