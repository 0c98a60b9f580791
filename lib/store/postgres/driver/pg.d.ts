/**
 * The part of node-postgres 8.23 that is used here. `@types/pg` draws in `@types/node`, which hides the runtime's types
 * from the whole program.
 * @module
 */

export interface ClientConfig {
  readonly host: string; // a path that begins with "/" is the folder of a Unix socket
  readonly port: number;
  readonly user: string;
  readonly database: string;
  readonly password: () => string; // a function keeps the package from looking for files of its own
  readonly ssl: false | { readonly rejectUnauthorized: true; readonly ca?: string };
  readonly connectionTimeoutMillis: number;
  readonly keepAlive: boolean;
  readonly keepAliveInitialDelayMillis: number;
  readonly pipeline: boolean; // queries leave at once, without waiting for the answers of those before them
}

export interface QueryConfig {
  readonly text: string;
  readonly values?: unknown[];
  readonly name?: string; // of a prepared statement: the same name means the same text
}

export interface QueryResult {
  readonly command: string; // the command's tag, such as COMMIT
  readonly rowCount: number | null;
  readonly rows: unknown[];
}

/** What PostgreSQL itself says, beside the message. */
export interface Notice {
  readonly severity?: string;
  readonly code?: string;
  readonly message?: string;
}

export interface Notification {
  readonly channel: string;
  readonly payload: string;
}

declare class Client {
  constructor(config: ClientConfig);
  connect(): Promise<unknown>;
  query(query: QueryConfig, callback: (error: Error | null, result: QueryResult) => void): void;
  setTypeParser(oid: number, parse: (text: string) => unknown): void;
  getTypeParser(oid: number): (text: string) => unknown;
  on(event: "error", listener: (error: Error) => void): this;
  on(event: "end", listener: () => void): this;
  on(event: "notice", listener: (notice: Notice) => void): this;
  on(event: "notification", listener: (notification: Notification) => void): this;
  end(): Promise<void>;
  readonly connection: { readonly stream: { destroy(): void } };
}

declare const pg: { readonly Client: typeof Client };
export default pg;
export type { Client };
