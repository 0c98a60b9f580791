// What a profile keeps for the chat of one account: the outbox, and how far its messages were shown.
// A message is in the outbox before it is first sent and until the server has answered for it, so neither a broken connection nor
// a killed client loses it; its id makes sure that sending it again stores it once. Several programs may use one outbox: each
// message is sent by the program that wrote it, or, once that has ended, by the first other that comes by.
import { sql } from "kysely";
import type { Database, PreparedQuery } from "../sqlite/database.ts";
import type { AccountKey, OutboxTable, ProfileTables } from "./schema.ts";
import { type CopiedMessage, type CopiedPage, MessageCopy } from "./message_copy.ts";
import type { ProgramMarks } from "./program_marks.ts";

export type { AccountKey } from "./schema.ts";

interface QueuedMessage {
  readonly id: string;
  readonly to: string;
  readonly text: string;
}

/** A message that the server refused for good; kept until the person was told. */
interface RefusedMessage extends QueuedMessage {
  readonly reason: string; // the server's words
}

type Row = Pick<OutboxTable, "id" | "recipient" | "claimed_by" | "rejected_reason"> & { bytes: Uint8Array };

/** What a profile keeps for the chat of one account. Every change is on disk when its method returns. */
export class AccountRecords {
  readonly #database: Database<ProfileTables>;
  readonly #account: AccountKey;
  readonly #marks: ProgramMarks;
  readonly #now: () => number;
  /** What is kept of the messages themselves. */
  readonly copy: MessageCopy;
  readonly #waiting: PreparedQuery<object, Row>;

  constructor(
    database: Database<ProfileTables>,
    account: AccountKey,
    options: { readonly marks: ProgramMarks; readonly now: () => number },
  ) {
    this.#database = database;
    this.#account = account;
    this.#marks = options.marks;
    this.#now = options.now;
    this.copy = new MessageCopy(database, account, options);
    this.#waiting = database.prepare(() => this.#rows().where("rejected_code", "is", null));
  }

  /** Puts a message at the end of the outbox, to be sent by this program. @returns Whether no other one waits there, whoever wrote it. */
  add({ id, to, text }: QueuedMessage): boolean {
    this.#database.run(
      this.#database.tables.insertInto("outbox").values({
        id,
        server_id: this.#account.serverId,
        name: this.#account.name,
        recipient: to,
        text,
        created_at: this.#now(),
        claimed_by: this.#marks.own,
      }),
    );
    for (const oldest of this.#waiting.iterate({})) return oldest.id === id;
    return false; // another program has taken it over and sent it
  }

  /** The oldest message that is this program's to send: one that it wrote, or whose writer has ended before it was sent. */
  first(): QueuedMessage | null {
    for (;;) {
      const row = this.#findFree();
      if (!row) return null;
      // Another program may have claimed it, or even sent it, since it was read.
      if (row.claimed_by === this.#marks.own || this.#claim(row)) return messageFrom(row);
    }
  }

  #findFree(): Row | undefined {
    const running = new Set<string>();
    for (const row of this.#waiting.iterate({})) {
      const { claimed_by: owner } = row;
      if (owner === null || owner === this.#marks.own) return row;
      if (running.has(owner)) continue;
      if (!this.#marks.isRunning(owner)) return row;
      running.add(owner);
    }
  }

  #claim({ id, claimed_by }: Row): boolean {
    const changed = this.#database.run(
      this.#database.tables.updateTable("outbox").set({ claimed_by: this.#marks.own })
        .where("id", "=", id).where("claimed_by", "is", claimed_by),
    );
    return changed > 0;
  }

  /** Removes a message that the server has stored, and keeps a copy where it is told of it. Does nothing when another process has done so. */
  accepted(
    id: string,
    message?: QueuedMessage,
    stored?: { readonly sequence: number; readonly storedAt: number },
  ): void {
    this.#database.transaction(() => {
      this.#database.run(this.#database.tables.deleteFrom("outbox").where("id", "=", id));
      if (message && stored) this.copy.keepWithin([{ ...message, ...stored, from: this.#account.name }]);
    });
  }

  /** Keeps a copy of messages that were shown. */
  seen(messages: readonly Omit<CopiedMessage, "to">[]): void {
    this.copy.keep(messages.map((message) => ({ ...message, to: this.#account.name })));
  }

  /** Takes over a page of the history with somebody. */
  keepHistory(name: string, before: number | null, page: CopiedPage): void {
    this.copy.keepPage(name, before, page);
  }

  /** Clears what somebody wrote whom the server does not have any more. */
  forgetWriter(name: string): void {
    this.copy.clearFrom(name);
  }

  /** Takes a message out of the queue that the server will never store; it is kept until it is dismissed. */
  refused(id: string, { code, message }: { readonly code: string; readonly message: string }): void {
    this.#database.run(
      this.#database.tables.updateTable("outbox")
        .set({ rejected_code: code, rejected_reason: message }).where("id", "=", id),
    );
  }

  /** Refused messages of which nobody has been told yet, oldest first. */
  listRefused(): readonly RefusedMessage[] {
    return this.#database.all(this.#rows().where("rejected_code", "is not", null))
      .map((row) => ({ ...messageFrom(row), reason: row.rejected_reason ?? "" }));
  }

  /** Drops a refused message, once the person was told. */
  dismissRefused(id: string): void {
    this.#database.run(
      this.#database.tables.deleteFrom("outbox").where("id", "=", id).where("rejected_code", "is not", null),
    );
  }

  /** Highest sequence of the mailbox that this profile has shown; 0 at first. */
  readCursor(): number {
    const row = this.#database.get(
      this.#database.tables.selectFrom("cursors").select("read_sequence")
        .where("server_id", "=", this.#account.serverId).where("name", "=", this.#account.name),
    );
    return row?.read_sequence ?? 0;
  }

  /** Moves the cursor; it never goes back. */
  saveReadCursor(sequence: number): void {
    const { serverId, name } = this.#account;
    this.#database.run(
      this.#database.tables.insertInto("cursors").values({
        server_id: serverId,
        name,
        read_sequence: sequence,
      })
        .onConflict((known) =>
          known.columns(["server_id", "name"]).doUpdateSet({ read_sequence: sequence })
            .where("cursors.read_sequence", "<", sequence)
        ),
    );
  }

  #rows() {
    return this.#database.tables.selectFrom("outbox")
      .select(["id", "recipient", "claimed_by", "rejected_reason"])
      // As bytes, since `node:sqlite` ends a text that it reads at the first NUL.
      .select(sql<Uint8Array>`CAST(text AS BLOB)`.as("bytes"))
      .where("server_id", "=", this.#account.serverId).where("name", "=", this.#account.name)
      .orderBy("position");
  }
}

function messageFrom({ id, recipient, bytes }: Row): QueuedMessage {
  return { id, to: recipient, text: new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytes) };
}
