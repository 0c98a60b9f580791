// The people of a server whose names this machine has seen, so that Tab knows them also without a connection: at the menu, and at
// the shell (`known_words.ts`). A cache: what is in it may be lost.
import type { Database } from "../sqlite/database.ts";
import type { AccountKey } from "./account_records.ts";
import type { ProfileTables } from "./schema.ts";

/** Names kept for an account. Those go first that were only listed, then those who were met longest ago. */
const MAX_PEOPLE = 1_000;

/** Who was met so lately is not noted again: a script that sends each minute need not write each minute. */
const NOTED_AGAIN_AFTER_MS = 24 * 3_600_000;

/** How a name was seen: in a message or chat with its owner, or in the user list. */
export type Acquaintance = "met" | "listed";

export class People {
  readonly #database: Database<ProfileTables>;
  readonly #account: AccountKey;
  readonly #now: () => number;

  constructor(database: Database<ProfileTables>, account: AccountKey, now: () => number) {
    this.#database = database;
    this.#account = account;
    this.#now = now;
  }

  /** Names, those met last first; `met` for those whose next meeting need not be kept. */
  list(): ReadonlyMap<string, Acquaintance> {
    const lately = this.#now() - NOTED_AGAIN_AFTER_MS;
    const rows = this.#database.all(this.#rows().select("met_at"));
    return new Map(rows.map(({ person, met_at }) => [person, met_at > lately ? "met" : "listed"]));
  }

  keep(people: ReadonlyMap<string, Acquaintance>): void {
    const { tables } = this.#database;
    const met = [...people].filter(([, how]) => how === "met");
    const listed = [...people].filter(([, how]) => how === "listed");
    this.#database.transaction(() => {
      for (const [person, how] of [...met, ...listed].slice(0, MAX_PEOPLE)) {
        const row = { server_id: this.#account.serverId, name: this.#account.name, person };
        const insert = tables.insertInto("people").values({
          ...row,
          met_at: how === "met" ? this.#now() : 0,
        });
        this.#database.run(
          insert.onConflict((known) =>
            known.columns(["server_id", "name", "person"]).doUpdateSet((values) => ({
              met_at: values.fn("max", ["people.met_at", "excluded.met_at"]),
            }))
          ),
        );
      }
      this.#database.run(
        tables.deleteFrom("people").where("server_id", "=", this.#account.serverId)
          .where("name", "=", this.#account.name).where("person", "not in", this.#rows().limit(MAX_PEOPLE)),
      );
    });
  }

  #rows() {
    return this.#database.tables.selectFrom("people").select("person")
      .where("server_id", "=", this.#account.serverId).where("name", "=", this.#account.name)
      .orderBy("met_at", "desc").orderBy("person");
  }
}
