// Ids of accounts by name, kept in memory: a name is never given to somebody else, so what is kept is never wrong.
import type { Connection } from "../connection.ts";

/** Names kept at most; some 10 MiB. Beyond it the ones found first go first. */
const MAX_KEPT = 100_000;

export class AccountsByName {
  readonly #ids = new Map<string, number>();

  /** Finds the ids of names, in one query for all that are not known yet. Who has no account is left out. */
  async load(connection: Connection, names: ReadonlySet<string>): Promise<ReadonlyMap<string, number>> {
    const found = new Map<string, number>();
    const unknown: string[] = [];
    for (const name of names) {
      const id = this.#ids.get(name);
      if (id === undefined) unknown.push(name);
      else found.set(name, id);
    }
    if (unknown.length === 0) return found;
    const rows = await connection.rows<{ id: number; name: string }>(
      "SELECT id, name FROM accounts WHERE name = ANY($1)",
      [unknown],
    );
    for (const { id, name } of rows) {
      found.set(name, id);
      this.#ids.set(name, id);
    }
    for (const name of this.#ids.keys()) {
      if (this.#ids.size <= MAX_KEPT) break;
      this.#ids.delete(name);
    }
    return found;
  }
}
