// What a person has chosen, kept for every program that uses the profile. A change counts for all of them at once.
import type { Database } from "../sqlite/database.ts";
import type { AccountKey, ProfileTables } from "./schema.ts";

export class ProfileSettings {
  readonly #database: Database<ProfileTables>;

  constructor(database: Database<ProfileTables>) {
    this.#database = database;
  }

  /** The value of a setting; null where nothing was chosen. */
  get(key: string): string | null {
    const { tables } = this.#database;
    return this.#database.get(tables.selectFrom("settings").select("value").where("key", "=", key))?.value ??
      null;
  }

  /** Keeps a choice; null forgets it. */
  set(key: string, value: string | null): void {
    const { tables } = this.#database;
    if (value === null) this.#database.run(tables.deleteFrom("settings").where("key", "=", key));
    else {
      this.#database.run(
        tables.insertInto("settings").values({ key, value })
          .onConflict((known) => known.column("key").doUpdateSet({ value })),
      );
    }
  }

  /** Whether somebody is to be notified of this conversation; null where it is as for all others. */
  notifiesOf({ serverId, name }: AccountKey, other: string): boolean | null {
    const row = this.#database.get(
      this.#database.tables.selectFrom("notified_conversations").select("is_on")
        .where("server_id", "=", serverId).where("name", "=", name).where("other", "=", other),
    );
    return row === undefined ? null : row.is_on === 1;
  }

  /** Makes an exception of a conversation; null ends it. */
  setNotifiesOf({ serverId, name }: AccountKey, other: string, isOn: boolean | null): void {
    const { tables } = this.#database;
    if (isOn === null) {
      this.#database.run(
        tables.deleteFrom("notified_conversations").where("server_id", "=", serverId).where("name", "=", name)
          .where("other", "=", other),
      );
      return;
    }
    const value = { is_on: isOn ? 1 : 0 };
    this.#database.run(
      tables.insertInto("notified_conversations").values({ server_id: serverId, name, other, ...value })
        .onConflict((known) => known.columns(["server_id", "name", "other"]).doUpdateSet(value)),
    );
  }

  /** The exceptions of an account, by name. */
  notifiedConversations(
    { serverId, name }: AccountKey,
  ): readonly { readonly other: string; readonly isOn: boolean }[] {
    const rows = this.#database.all(
      this.#database.tables.selectFrom("notified_conversations").select(["other", "is_on"])
        .where("server_id", "=", serverId).where("name", "=", name).orderBy("other"),
    );
    return rows.map(({ other, is_on }) => ({ other, isOn: is_on === 1 }));
  }
}
