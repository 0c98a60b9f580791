// A verb as steps: it yields a query and goes on with the answer. SQLite's engine answers at once, PostgreSQL's when the rows
// have come, so each rule is written once and SQLite's path has no promises.
import type { Compilable, Kysely, RawBuilder, SelectQueryBuilder } from "kysely";
import type { BusNews } from "../../chat/cluster.ts";
import { Prepared } from "../../sql/prepared.ts";
import type { StoreLimits } from "../limits.ts";
import type { Reads, Writes } from "../queue.ts";
import type { ServerTables } from "./schema.ts";

/** A compiled query; the engine goes on with its rows, or with how many it changed. */
export interface Step {
  readonly sql: string;
  readonly values: readonly unknown[];
  readonly wanted: "rows" | "changes";
}

export type Steps<Result> = Generator<Step, Result, unknown>;

/** A query that was compiled once and runs many times with other values. */
export interface Query<Parameters, Row> {
  all(parameters: Parameters): Steps<Row[]>;
  first(parameters: Parameters): Steps<Row | undefined>;
  run(parameters: Parameters): Steps<number>; // how many rows it changed
}

export function query<Parameters extends object, Row>(
  build: (parameters: Parameters) => Compilable<Row>,
): Query<Parameters, Row> {
  const prepared = new Prepared(build);
  const { sql } = prepared;
  return {
    *all(parameters) {
      return (yield { sql, values: prepared.bind(parameters), wanted: "rows" }) as Row[];
    },
    *first(parameters) {
      return ((yield { sql, values: prepared.bind(parameters), wanted: "rows" }) as Row[])[0];
    },
    *run(parameters) {
      return (yield { sql, values: prepared.bind(parameters), wanted: "changes" }) as number;
    },
  };
}

/** What the engines say differently. */
export interface Dialect {
  /** Builds and compiles queries; runs none. */
  readonly tables: Kysely<ServerTables>;
  /** Holds the rows that are read until the transaction ends, against everybody who does the same; SQLite has one writer anyway. */
  forUpdate<Tables, Used extends keyof Tables, Row>(
    rows: SelectQueryBuilder<Tables, Used, Row>,
  ): SelectQueryBuilder<Tables, Used, Row>;
  /** The values of a list that is bound as one value, as JSON: a query has a fixed number of places. */
  listed<Value extends number | string>(json: string, type: "bigint" | "text"): RawBuilder<Value>;
  /** Bytes of a message's text in UTF-8. */
  readonly textBytes: RawBuilder<number>;
  /** What a message is set to whose text is cleared. */
  readonly noText: { readonly text: "" };
  /** Size of the database in bytes. */
  readonly databaseBytes: RawBuilder<number>;
  /** How many messages there are; about, where there are so many that to count them takes long. */
  roughMessages(): Steps<{ readonly messages: number; readonly isEstimated: boolean }>;
  /** One way of a history, newest first, as far as a page can hold, and one row more, which tells that there is more. */
  readConversation(page: ConversationPage): Steps<ConversationRow[]>;
  /** What is wrong with the file and its references, in words. */
  checkFile(): Steps<string[]>;
  /** The highest sequence that was ever given to a message; 0 for none. */
  lastSequence(): Steps<number>;
  /** Has messages from now on get sequences above this one. */
  setLastSequence(sequence: number): Steps<void>;
  /** Tells all servers, when the transaction commits. */
  announce(news: StoreNews): Steps<void>;
}

/** What whoever changed the store tells those that serve from it. */
export type StoreNews = Extract<BusNews, { readonly type: "logins_ended" | "orders_changed" }>;

export interface ConversationPage {
  readonly senderId: number;
  readonly recipientId: number;
  readonly before: number;
  readonly limit: number; // rows at most
  readonly maxBytes: number; // of text that the page holds
}

export interface ConversationRow {
  readonly sequence: number;
  readonly id: string;
  readonly senderId: number;
  readonly text: string; // whole
  readonly bytes: number;
  readonly storedAt: number;
}

/** One open store, as its verbs see it. Verbs that write run inside a transaction that the engine opens and ends. */
export interface VerbContext {
  readonly dialect: Dialect;
  readonly limits: StoreLimits;
  now: number; // time of the calls being run, in epoch milliseconds
  /** What is kept in memory of an account, or of all, is out of date. */
  forget(accountId?: number): void;
}

type Stepwise<Verbs> = {
  readonly [Verb in keyof Verbs]: Verbs[Verb] extends (...args: infer Arguments) => Promise<infer Result>
    ? (...args: Arguments) => Steps<Result>
    : never;
};

/** Verbs as steps, each on the side that the contract says. */
export interface VerbSteps {
  readonly reads: Partial<Stepwise<Reads>>;
  readonly writes: Partial<Stepwise<Writes>>;
}
