// Queries that are built by Kysely and compiled once, and run many times with other values.
import type { Compilable } from "kysely";

/** The text of a query for one kind of database, and where its values go. */
export class Prepared<Parameters extends object, Row> {
  declare readonly row?: Row; // a type alone
  readonly sql: string;
  readonly #parameters: readonly unknown[];

  /**
   * @param build Gets one stand-in for each parameter, to be used where its value would be.
   * @example `new Prepared((p: { name: string }) => tables.selectFrom("accounts").where("name", "=", p.name).select("id"))`
   */
  constructor(build: (parameters: Parameters) => Compilable<Row>) {
    const standIns = new Proxy({}, { get: (_, name) => new StandIn(name as string) }) as Parameters;
    const { sql, parameters } = build(standIns).compile();
    this.sql = sql;
    this.#parameters = parameters;
  }

  /** The values in the order of the text's places. */
  bind(values: Parameters): unknown[] {
    return this.#parameters.map((value) =>
      value instanceof StandIn ? values[value.name as keyof Parameters] : value
    );
  }
}

/** Stands where a parameter's value will be. */
class StandIn {
  constructor(readonly name: string) {}
}
