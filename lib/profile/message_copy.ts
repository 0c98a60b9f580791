/**
 * A copy of the messages that were seen here, so that they can be read without a connection.
 *
 * The server has the originals; this is bounded, the oldest go first, and it can be switched off. A text that was cleared on the
 * server is cleared here once a page of the history says so; what the server only lost, or no longer keeps for its age, stays.
 * It never claims to be whole: {@linkcode MessageCopy.reach} says of which part that is known.
 * @module
 */
import type { Insertable } from "kysely";
import type { Database, PreparedQuery } from "../sqlite/database.ts";
import type { AccountKey, MessageCopiesTable, ProfileTables } from "./schema.ts";

/** A message as the server's history has it. */
export interface CopiedMessage {
  readonly sequence: number;
  readonly id: string;
  readonly from: string;
  readonly to: string;
  readonly text: string;
  readonly storedAt: number; // epoch milliseconds
}

/** A part of a conversation, oldest first. */
export interface CopiedPage {
  readonly messages: CopiedMessage[];
  /** Give it as `before` for the page of older messages; null where there is none. */
  readonly next: number | null;
}

/** How far the copy of a conversation reaches; times in epoch milliseconds. */
export interface CopyReach {
  readonly messages: number;
  readonly newestAt: number | null; // null without a message
  /** The part that is whole: from its first message on, null where it is all that the server had; up to the last look at the server. */
  readonly whole: { readonly from: number | null; readonly until: number } | null; // null where none is known to be
}

/** Most that all conversations of a profile take together. */
export interface CopyLimits {
  readonly messages: number;
  readonly bytes: number;
}

const USUAL_LIMITS: CopyLimits = { messages: 10_000, bytes: 32 * 1024 * 1024 };

/** What a message takes beside its text, in bytes. */
const ROW_BYTES = 150;

const PAGE_MESSAGES = 50;

/** Messages that may be added before the limits are looked at again. */
const UNCHECKED_MESSAGES = 50;

/** The share that is left when the limits were passed, so that making room is rare. */
const ROOM_AFTER = 0.95;

const SETTING = "local-history";

/** The copy for one account. Several programs may use it at once. */
export class MessageCopy {
  readonly #database: Database<ProfileTables>;
  readonly #account: { readonly server_id: number; readonly name: string };
  readonly #now: () => number;
  readonly #limits: CopyLimits;
  readonly #forget: PreparedQuery<
    Pick<MessageCopiesTable, "server_id" | "name" | "other" | "is_mine" | "id" | "sequence">,
    unknown
  >;
  readonly #save: PreparedQuery<Insertable<ProfileTables["message_copies"]>, unknown>;
  #unchecked = UNCHECKED_MESSAGES;
  /** Time of the newest message that made room, in epoch milliseconds: what is older would be the next to go. */
  #droppedAt = -Infinity;

  constructor(
    database: Database<ProfileTables>,
    { serverId, name }: AccountKey,
    options: { readonly now: () => number; readonly limits?: CopyLimits },
  ) {
    this.#database = database;
    this.#account = { server_id: serverId, name };
    this.#now = options.now;
    this.#limits = options.limits ?? USUAL_LIMITS;
    this.#forget = database.prepare((p) =>
      database.tables.deleteFrom("message_copies").where("server_id", "=", p.server_id).where(
        "name",
        "=",
        p.name,
      )
        .where("id", "=", p.id).where("sequence", "!=", p.sequence)
        .where("other", "=", p.other).where("is_mine", "=", p.is_mine)
    );
    this.#save = database.prepare((row) =>
      database.tables.insertInto("message_copies").values({
        server_id: row.server_id,
        name: row.name,
        other: row.other,
        sequence: row.sequence,
        id: row.id,
        is_mine: row.is_mine,
        stored_at: row.stored_at,
        text: row.text,
        bytes: row.bytes,
      }).onConflict((known) =>
        known.columns(["server_id", "name", "other", "sequence"]).doUpdateSet(({ ref }) => ({
          text: ref("excluded.text"),
          bytes: ref("excluded.bytes"),
          stored_at: ref("excluded.stored_at"),
        }))
      )
    );
  }

  /** Adds messages that were seen, or sent. */
  keep(messages: readonly CopiedMessage[]): void {
    if (messages.length > 0) this.#database.transaction(() => this.keepWithin(messages));
  }

  /** The same, inside a transaction of the caller. */
  keepWithin(messages: readonly CopiedMessage[]): void {
    if (isCopying(this.#database)) this.#insert(messages);
  }

  /**
   * Takes over a page of the history.
   * @param before The sequence that the page was asked for, null for the newest page.
   */
  keepPage(other: string, before: number | null, { messages, next }: CopiedPage): void {
    const [oldest, newest] = [messages[0]?.sequence, messages.at(-1)?.sequence];
    if (oldest === undefined || newest === undefined || !isCopying(this.#database)) return;
    // On the way through a long history, each page would be written, and make room for the next.
    if (messages.every(({ storedAt }) => storedAt < this.#droppedAt)) return;
    const [from, to] = [next === null ? 0 : oldest, before === null ? newest : before - 1];
    this.#database.transaction(() => {
      this.#saveSpan(other, from, to, before === null);
      this.#insert(messages); // makes room, and what it drops is no longer in the span
    });
  }

  /** Clears what a person wrote, since the server has no such person any more. */
  clearFrom(other: string): void {
    this.#database.transaction(() => {
      this.#database.run(
        this.#database.tables.updateTable("message_copies").set({ text: new Uint8Array(), bytes: ROW_BYTES })
          .where("server_id", "=", this.#account.server_id).where("name", "=", this.#account.name)
          .where("other", "=", other).where("is_mine", "=", 0),
      );
    });
  }

  /** A page of what is here: the newest, or the one before a sequence. */
  page(other: string, before: number | null): CopiedPage {
    const rows = this.#database.all(
      this.#database.tables.selectFrom("message_copies").select([
        "sequence",
        "id",
        "is_mine",
        "stored_at",
        "text",
      ])
        .where("server_id", "=", this.#account.server_id).where("name", "=", this.#account.name)
        .where("other", "=", other).where("sequence", "<", before ?? Number.MAX_SAFE_INTEGER)
        .orderBy("sequence", "desc").limit(PAGE_MESSAGES + 1),
    );
    const messages = rows.slice(0, PAGE_MESSAGES).reverse().map((row) => ({
      sequence: row.sequence,
      id: row.id,
      from: row.is_mine === 1 ? this.#account.name : other,
      to: row.is_mine === 1 ? other : this.#account.name,
      text: new TextDecoder("utf-8", { ignoreBOM: true }).decode(row.text),
      storedAt: row.stored_at,
    }));
    return { messages, next: rows.length > PAGE_MESSAGES ? messages[0]!.sequence : null };
  }

  reach(other: string): CopyReach {
    const { tables } = this.#database;
    const { messages, newestAt } = this.#database.get(
      tables.selectFrom("message_copies")
        .select(({ fn }) => [fn.countAll<number>().as("messages"), fn.max("stored_at").as("newestAt")])
        .where("server_id", "=", this.#account.server_id).where("name", "=", this.#account.name)
        .where("other", "=", other),
    )!;
    const span = this.#span(other);
    if (span === undefined || messages === 0) return { messages, newestAt, whole: null };
    const first = span.from_sequence === 0 ? undefined : this.#database.get(
      tables.selectFrom("message_copies").select("stored_at")
        .where("server_id", "=", this.#account.server_id).where("name", "=", this.#account.name)
        .where("other", "=", other).where("sequence", ">=", span.from_sequence).orderBy("sequence").limit(1),
    );
    return { messages, newestAt, whole: { from: first?.stored_at ?? null, until: span.checked_at } };
  }

  /** Removes the copy of this account from the disk. */
  remove(): void {
    this.#droppedAt = -Infinity;
    const { server_id, name } = this.#account;
    removeForGood(
      this.#database,
      (table) =>
        this.#database.tables.deleteFrom(table).where("server_id", "=", server_id).where("name", "=", name),
    );
  }

  #insert(messages: readonly CopiedMessage[]): void {
    for (const { sequence, id, from, to, text, storedAt } of messages) {
      const isMine = from === this.#account.name;
      const key = { ...this.#account, other: isMine ? to : from, is_mine: isMine ? 1 : 0, id, sequence };
      // A server that was restored may give a message another sequence. Of the same writer alone: others choose their ids as they like.
      this.#forget.run(key);
      const inUtf8 = new TextEncoder().encode(text);
      this.#save.run({
        ...key,
        stored_at: storedAt,
        text: inUtf8,
        bytes: inUtf8.length + ROW_BYTES,
      });
    }
    this.#unchecked += messages.length;
    if (this.#unchecked < UNCHECKED_MESSAGES) return;
    this.#unchecked = 0;
    this.#makeRoom();
  }

  /** Inside a transaction: drops the oldest messages of all conversations while there are too many. */
  #makeRoom(): void {
    const { tables } = this.#database;
    let { messages, bytes } = this.#database.get(
      tables.selectFrom("message_copies")
        .select((
          { fn },
        ) => [fn.countAll<number>().as("messages"), fn.sum<number | null>("bytes").as("bytes")]),
    )!;
    bytes ??= 0;
    if (messages <= this.#limits.messages && bytes <= this.#limits.bytes) return;
    const oldest = this.#database.all(
      tables.selectFrom("message_copies").select([
        "server_id",
        "name",
        "other",
        "sequence",
        "bytes",
        "stored_at",
      ])
        .orderBy("stored_at").orderBy("sequence"),
    );
    for (const { bytes: size, stored_at, ...key } of oldest) {
      const isEnough = messages <= this.#limits.messages * ROOM_AFTER &&
        bytes <= this.#limits.bytes * ROOM_AFTER;
      if (isEnough) break;
      this.#database.run(
        tables.deleteFrom("message_copies").where("server_id", "=", key.server_id).where(
          "name",
          "=",
          key.name,
        )
          .where("other", "=", key.other).where("sequence", "=", key.sequence),
      );
      this.#database.run(
        tables.updateTable("message_copy_spans").set({ from_sequence: key.sequence + 1 })
          .where("server_id", "=", key.server_id).where("name", "=", key.name)
          .where("other", "=", key.other).where("from_sequence", "<=", key.sequence),
      );
      this.#droppedAt = Math.max(this.#droppedAt, stored_at);
      messages -= 1;
      bytes -= size;
    }
    this.#database.run(tables.deleteFrom("message_copy_spans").whereRef("from_sequence", ">", "to_sequence"));
  }

  /** Inside a transaction: joins a part that is whole with the one that was known, or keeps the later of the two. */
  #saveSpan(other: string, from: number, to: number, isNewest: boolean): void {
    const known = this.#span(other);
    const touches = known !== undefined && known.from_sequence <= to + 1 && from <= known.to_sequence + 1;
    if (known !== undefined && !touches && known.to_sequence > to) return;
    const span = {
      from_sequence: touches ? Math.min(from, known.from_sequence) : from,
      to_sequence: touches ? Math.max(to, known.to_sequence) : to,
      checked_at: isNewest || known === undefined ? this.#now() : known.checked_at,
    };
    this.#database.run(
      this.#database.tables.insertInto("message_copy_spans").values({ ...this.#account, other, ...span })
        .onConflict((found) => found.columns(["server_id", "name", "other"]).doUpdateSet(span)),
    );
  }

  #span(other: string) {
    return this.#database.get(
      this.#database.tables.selectFrom("message_copy_spans").select([
        "from_sequence",
        "to_sequence",
        "checked_at",
      ])
        .where("server_id", "=", this.#account.server_id).where("name", "=", this.#account.name)
        .where("other", "=", other),
    );
  }
}

/** Whether messages are copied; they are unless somebody has chosen otherwise. */
export function isCopying(database: Database<ProfileTables>): boolean {
  const setting = database.tables.selectFrom("settings").select("value").where("key", "=", SETTING);
  return database.get(setting)?.value !== "off";
}

/** Has messages copied from now on, or no longer: then the copies of all accounts are removed from the disk. */
export function setCopying(database: Database<ProfileTables>, isOn: boolean): void {
  const value = isOn ? "on" : "off";
  database.run(
    database.tables.insertInto("settings").values({ key: SETTING, value })
      .onConflict((known) => known.column("key").doUpdateSet({ value })),
  );
  if (!isOn) removeForGood(database, (table) => database.tables.deleteFrom(table));
}

/** Deletes so that the texts are in no part of the files any more: SQLite overwrites what is deleted, and the log is cut off. */
function removeForGood(
  database: Database<ProfileTables>,
  deleteFrom: (table: "message_copies" | "message_copy_spans") => { compile(): unknown },
): void {
  database.transaction(() => {
    for (const table of ["message_copies", "message_copy_spans"] as const) {
      database.run(deleteFrom(table) as Parameters<typeof database.run>[0]);
    }
  });
  database.connection.exec("PRAGMA wal_checkpoint(TRUNCATE)");
}
