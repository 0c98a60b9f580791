// Open direct chats of a community: a row for each, which is locked while a step of it runs. What only the rules read is kept
// as JSON. Rows survive a crash of PostgreSQL, since the sessions of their hosts do; tickets do not, and a round makes new ones.
import type {
  Change,
  ChatEntries,
  ChatEntry,
  ChatParty,
  RelayTicket,
  Step,
} from "../../chat/chat_entries.ts";
import type { Connection, Query } from "./connection.ts";
import { mayRunAgain, unavailableFrom } from "./errors.ts";
import type { Lane } from "./lane.ts";
import { DATABASE_NOW, IS_ALIVE } from "./lease.ts";

const CHAT = "c.host_id, c.friend_id, c.opened_at, c.is_joined, c.away_until, c.details, c.state";
const LIVING = `SELECT s.id FROM servers s WHERE ${IS_ALIVE}`;

const LOCK = `SELECT ${CHAT} FROM open_chats c WHERE c.chat_id = $1 FOR UPDATE`;
const MOMENT = `SELECT ${DATABASE_NOW} AS now, ARRAY(${LIVING}) AS living`;

// One host may open chats through several servers at once: its account's row is locked while they are counted.
const LOCK_HOST = "SELECT FROM accounts WHERE id = $1 FOR NO KEY UPDATE";
const COUNT = `
  SELECT (SELECT count(*) FROM open_chats WHERE host_id = $1) AS "ofHost", (SELECT count(*) FROM open_chats) AS "inAll"`;

const INSERT = `
  INSERT INTO open_chats (chat_id, is_joined, away_until, details, state,
    host_server, host_session, joiner_server, joiner_session, host_id, friend_id, opened_at)
  VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) ON CONFLICT (chat_id) DO NOTHING`;
// Details are the largest part, and change seldom: null where they stay.
const UPDATE = `
  UPDATE open_chats SET is_joined = $2, away_until = $3, details = coalesce($4, details), state = $5,
    host_server = $6, host_session = $7, joiner_server = $8, joiner_session = $9
  WHERE chat_id = $1`;
const DELETE = "DELETE FROM open_chats WHERE chat_id = $1";

const DROP_TICKETS = "DELETE FROM relay_tickets WHERE chat_id = $1";
const ISSUE = `
  INSERT INTO relay_tickets (ticket, chat_id, pair, account_id, name, server, relay_address, until)
  VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`;
const TICKET =
  `t.ticket, t.pair, t.account_id AS "accountId", t.name, t.server, t.relay_address AS "relayAddress", t.until`;
const REDEEM = `
  WITH spent AS (
    DELETE FROM relay_tickets t WHERE t.ticket = $1 AND t.until >= ${DATABASE_NOW} AND t.server = $2 RETURNING ${TICKET}
  ), carried AS (
    UPDATE relay_tickets t SET is_carried = 1
    WHERE t.ticket = $1 AND t.until >= ${DATABASE_NOW} AND t.server <> $2 AND t.is_carried = 0 RETURNING ${TICKET}
  )
  SELECT * FROM spent UNION ALL SELECT * FROM carried`;

const WAITING = `
  SELECT c.chat_id, ${CHAT} FROM open_chats c JOIN servers s ON s.id = c.host_server AND ${IS_ALIVE}
  WHERE c.friend_id = $1 AND c.is_joined = 0 ORDER BY c.opened_at, c.chat_id LIMIT $2`;
const HELD = `
  SELECT chat_id FROM open_chats
  WHERE (host_id = $1 AND host_server = $2 AND host_session = $3)
    OR (friend_id = $1 AND joiner_server = $2 AND joiner_session = $3)`;
const OF_ACCOUNT = "SELECT chat_id FROM open_chats WHERE host_id = $1 OR friend_id = $1";
const PARTIES =
  `SELECT host_id AS "accountId" FROM open_chats UNION SELECT friend_id AS "accountId" FROM open_chats`;
const OPEN = "SELECT count(*) AS chats FROM open_chats";
const NEGLECTED = `
  SELECT c.chat_id FROM open_chats c LEFT JOIN servers s ON s.id = c.host_server AND ${IS_ALIVE}
  WHERE (s.id IS NULL) = (c.away_until IS NULL) OR (s.id IS NULL AND c.away_until <= ${DATABASE_NOW})`;

interface ChatRow {
  readonly host_id: number;
  readonly friend_id: number;
  readonly opened_at: number;
  readonly is_joined: 0 | 1;
  readonly away_until: number | null;
  readonly details: string; // JSON
  readonly state: string; // JSON of `State`
}

type State = Pick<ChatEntry, "hostName" | "host" | "joiner" | "round" | "punch">;

const MOST_ATTEMPTS = 5; // at one step, while others make the same chat or lock the same rows

/** A chat that was not there has been added by another server meanwhile. */
class Overtaken extends Error {}

export class PostgresChatEntries implements ChatEntries {
  readonly #lane: Lane;

  /** Its lane is for these alone: a step that waits for another server's holds up no message. */
  constructor(lane: Lane) {
    this.#lane = lane;
  }

  async change<T>(chatId: string, step: Step<T>): Promise<Pick<Change<T>, "result" | "news">> {
    for (let attempt = 1;; attempt++) {
      try {
        return await this.#lane.run((connection) => changeOnce(connection, chatId, step));
      } catch (error) {
        if (attempt === MOST_ATTEMPTS || !(error instanceof Overtaken || mayRunAgain(error))) {
          throw unavailableFrom(error) ?? error;
        }
      }
    }
  }

  async waitingFor(friendId: number, limit: number): Promise<ChatEntry[]> {
    const rows = await this.#rows<ChatRow & { chat_id: string }>(WAITING, [friendId, limit]);
    return rows.map((row) => entryFrom(row.chat_id, row));
  }

  async count(): Promise<number> {
    return (await this.#rows<{ chats: number }>(OPEN))[0]!.chats;
  }

  async heldBy({ accountId, at: { server, session } }: ChatParty): Promise<string[]> {
    const rows = await this.#rows<{ chat_id: string }>(HELD, [accountId, server, session]);
    return rows.map(({ chat_id }) => chat_id);
  }

  async ofAccount(accountId: number): Promise<string[]> {
    return (await this.#rows<{ chat_id: string }>(OF_ACCOUNT, [accountId])).map(({ chat_id }) => chat_id);
  }

  async parties(): Promise<number[]> {
    return (await this.#rows<{ accountId: number }>(PARTIES)).map(({ accountId }) => accountId);
  }

  async neglected(): Promise<string[]> {
    return (await this.#rows<{ chat_id: string }>(NEGLECTED)).map(({ chat_id }) => chat_id);
  }

  async redeem(ticket: string, here: string): Promise<RelayTicket | null> {
    const [taken] = await this.#rows<RelayTicket>(REDEEM, [ticket, here]);
    return taken ?? null;
  }

  async #rows<Row>(sql: string, values: readonly unknown[] = []): Promise<Row[]> {
    try {
      return await this.#lane.run((connection) => connection.rows<Row>(sql, values));
    } catch (error) {
      throw unavailableFrom(error) ?? error;
    }
  }
}

function changeOnce<T>(
  connection: Connection,
  chatId: string,
  step: Step<T>,
): Promise<Pick<Change<T>, "result" | "news">> {
  return connection.transaction(async () => {
    // The second sees what was committed while the first waited for the lock.
    const [[row], [moment]] = await connection.pipeline([
      { sql: LOCK, values: [chatId] },
      { sql: MOMENT },
    ]) as [ChatRow[], { now: number; living: string[] }[]];
    const { now, living } = moment!;
    const before = row ? entryFrom(chatId, row) : null;
    const { entry, result, news, tickets, admit } = step(before, {
      now,
      since: 0,
      isHere: ({ at }) => living.includes(at.server),
    });
    if (!before && entry) await add(connection, entry, admit);
    const writes: Query[] = [];
    if (before && !entry) writes.push({ sql: DELETE, values: [chatId] });
    else if (before && entry && entry !== before) {
      writes.push({ sql: UPDATE, values: valuesOf(entry, before) });
    }
    if (tickets || (before && !entry)) writes.push({ sql: DROP_TICKETS, values: [chatId] });
    for (const it of tickets ?? []) {
      const { ticket, pair, accountId, name, server, relayAddress, until } = it;
      writes.push({
        sql: ISSUE,
        values: [ticket, chatId, pair, accountId, name, server, relayAddress, until],
      });
    }
    await connection.commit(writes);
    return { result, news };
  });
}

async function add(connection: Connection, entry: ChatEntry, admit: Change<unknown>["admit"]): Promise<void> {
  const { hostId, friendId, openedAt } = entry;
  const [, [count]] = await connection.pipeline([
    { sql: LOCK_HOST, values: [hostId] },
    { sql: COUNT, values: [hostId] },
  ]) as [unknown, { ofHost: number; inAll: number }[]];
  admit?.(count!.ofHost, count!.inAll);
  const added = await connection.changes(INSERT, [...valuesOf(entry, null), hostId, friendId, openedAt]);
  if (added === 0) throw new Overtaken(`chat ${entry.chatId} is there already`);
}

/** Values of `UPDATE`, and the first ones of `INSERT`. */
function valuesOf(entry: ChatEntry, before: ChatEntry | null): unknown[] {
  const { chatId, isJoined, awayUntil, details, hostName, host, joiner, round, punch } = entry;
  const state: State = { hostName, host, joiner, round, punch };
  return [
    chatId,
    isJoined ? 1 : 0,
    awayUntil,
    details === before?.details ? null : JSON.stringify(details),
    JSON.stringify(state),
    host?.at.server ?? null,
    host?.at.session ?? null,
    joiner?.at.server ?? null,
    joiner?.at.session ?? null,
  ];
}

function entryFrom(chatId: string, row: ChatRow): ChatEntry {
  return {
    chatId,
    hostId: row.host_id,
    friendId: row.friend_id,
    openedAt: row.opened_at,
    isJoined: row.is_joined === 1,
    awayUntil: row.away_until,
    details: JSON.parse(row.details) as ChatEntry["details"],
    ...JSON.parse(row.state) as State,
  };
}
