/**
 * The client's outbox on disk: what was written and not yet acknowledged by a server.
 *
 * A message is here before it is first sent and until the server has answered for it, so neither a broken connection nor a
 * killed client loses it; its id makes sure that sending it again stores it once. Several programs may use one outbox: each message is
 * sent by the program that wrote it, or, once that has ended, by the first other that comes by.
 * @module
 */
import { sql } from "kysely";
import { v7 as uuidv7 } from "uuid";
import type { Database, PreparedQuery } from "../sqlite/database.ts";
import type { OutboxTable, ProfileTables } from "./schema.ts";
import type { ProgramMarks } from "./program_marks.ts";

export interface ProfileAccount {
  readonly serverId: number;
  readonly name: string;
}

export interface QueuedMessage {
  readonly id: string;
  readonly to: string;
  readonly text: string;
  readonly createdAt: number;
}

/** A message that a server refused for good; kept until the person was told. */
export interface RejectedMessage extends QueuedMessage {
  readonly code: string;
  readonly reason: string;
}

export class ProfileOutbox {
  readonly #database: Database<ProfileTables>;
  readonly #marks: ProgramMarks;
  readonly #now: () => number;
  readonly #waiting: PreparedQuery<ProfileAccount, Pick<OutboxTable, "id" | "claimed_by">>;

  constructor(database: Database<ProfileTables>, marks: ProgramMarks, now: () => number) {
    this.#database = database;
    this.#marks = marks;
    this.#now = now;
    this.#waiting = database.prepare((account: ProfileAccount) =>
      database.tables.selectFrom("outbox").select(["id", "claimed_by"])
        .where("server_id", "=", account.serverId).where("name", "=", account.name)
        .where("rejected_code", "is", null).orderBy("position")
    );
  }

  /** Puts a message at the end of the queue, to be sent by this program; it is on disk when this returns. */
  enqueueMessage(
    account: ProfileAccount,
    message: { readonly to: string; readonly text: string },
  ): QueuedMessage {
    const queued = { id: uuidv7(), to: message.to, text: message.text, createdAt: this.#now() };
    this.#database.run(
      this.#database.tables.insertInto("outbox").values({
        id: queued.id,
        server_id: account.serverId,
        name: account.name,
        recipient: queued.to,
        text: queued.text,
        created_at: queued.createdAt,
        claimed_by: this.#marks.own,
      }),
    );
    return queued;
  }

  /** What waits, in the order in which it was written. */
  listOutbox(account: ProfileAccount): readonly QueuedMessage[] {
    return this.#database.all(this.#rows(account).where("rejected_code", "is", null)).map(queuedFrom);
  }

  /** The oldest message that is this program's to send: one that it wrote, or whose writer has ended before it was sent. */
  findFirst(account: ProfileAccount): QueuedMessage | null {
    for (;;) {
      const found = this.#findFree(account);
      if (!found) return null;
      // Another program may have claimed it, or even sent it, since it was read.
      if (found.claimed_by !== this.#marks.own && !this.#claim(found)) continue;
      const row = this.#database.get(this.#rows(account).where("id", "=", found.id));
      if (row) return queuedFrom(row);
    }
  }

  #findFree(account: ProfileAccount): Pick<OutboxTable, "id" | "claimed_by"> | undefined {
    const running = new Set<string>();
    for (const row of this.#waiting.iterate(account)) {
      const { claimed_by: owner } = row;
      if (owner === null || owner === this.#marks.own) return row;
      if (running.has(owner)) continue;
      if (!this.#marks.isRunning(owner)) return row;
      running.add(owner);
    }
  }

  #claim({ id, claimed_by }: Pick<OutboxTable, "id" | "claimed_by">): boolean {
    const changed = this.#database.run(
      this.#database.tables.updateTable("outbox").set({ claimed_by: this.#marks.own })
        .where("id", "=", id).where("claimed_by", "is", claimed_by),
    );
    return changed > 0;
  }

  /** Removes a message that the server has acknowledged. Does nothing when another process has done so. */
  markAccepted(id: string): void {
    this.#database.run(this.#database.tables.deleteFrom("outbox").where("id", "=", id));
  }

  markRejected(id: string, rejection: { readonly code: string; readonly reason: string }): void {
    this.#database.run(
      this.#database.tables.updateTable("outbox")
        .set({ rejected_code: rejection.code, rejected_reason: rejection.reason }).where("id", "=", id),
    );
  }

  /** What servers refused and nobody has been told of yet, oldest first. */
  listRejected(account: ProfileAccount): readonly RejectedMessage[] {
    return this.#database.all(this.#rows(account).where("rejected_code", "is not", null)).map((row) => ({
      ...queuedFrom(row),
      code: row.rejected_code ?? "",
      reason: row.rejected_reason ?? "",
    }));
  }

  /** Drops a refused message once the person has seen that it was refused. */
  dismissRejected(id: string): void {
    this.#database.run(
      this.#database.tables.deleteFrom("outbox").where("id", "=", id).where("rejected_code", "is not", null),
    );
  }

  #rows(account: ProfileAccount) {
    return this.#database.tables.selectFrom("outbox")
      .select(["id", "recipient", "created_at", "rejected_code", "rejected_reason"])
      // As bytes, since `node:sqlite` ends a text that it reads at the first NUL.
      .select(sql<Uint8Array>`CAST(text AS BLOB)`.as("bytes"))
      .where("server_id", "=", account.serverId).where("name", "=", account.name).orderBy("position");
  }
}

function queuedFrom(
  row: Pick<OutboxTable, "id" | "recipient" | "created_at"> & { bytes: Uint8Array },
): QueuedMessage {
  const text = new TextDecoder("utf-8", { ignoreBOM: true }).decode(row.bytes);
  return { id: row.id, to: row.recipient, text, createdAt: row.created_at };
}
