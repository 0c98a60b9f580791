// Pages of mailboxes: those that many sessions ask for in one moment are read by one statement.
import type { ChatReads, StoredMessage } from "../../../chat/store.ts";
import { takePage } from "../../page.ts";
import type { Connection } from "../connection.ts";
import { type StoredText, wholeText } from "./texts.ts";

export type PageRequest = Parameters<ChatReads["listMailbox"]>[0];
export type Page = Awaited<ReturnType<ChatReads["listMailbox"]>>;

// One row more than asked for, or than the bytes allow, tells that there is a next page; a first row that is too long alone
// needs the second for that.
const PAGES = `
  SELECT asked.place::int AS place, found.* FROM
    unnest($1::bigint[], $2::bigint[], $3::int[], $4::bigint[]) WITH ORDINALITY
      AS asked(account_id, after, most, max_bytes, place)
    CROSS JOIN LATERAL (
      SELECT sequence, id, sender_id, text, nul_at, bytes, stored_at FROM (
        SELECT *, sum(bytes) OVER (ORDER BY sequence) AS total, row_number() OVER (ORDER BY sequence) AS nth FROM (
          SELECT * FROM messages WHERE recipient_id = asked.account_id AND sequence > asked.after
          ORDER BY sequence LIMIT asked.most
        ) oldest
      ) counted WHERE total - bytes <= asked.max_bytes OR nth = 2
    ) found
  ORDER BY asked.place, found.sequence`;

const NAMES = "SELECT id, name FROM accounts WHERE id = ANY($1)";

interface Row extends StoredText {
  readonly place: number; // of its request, from 1 on
  readonly sequence: number;
  readonly id: string;
  readonly sender_id: number;
  readonly bytes: number;
  readonly stored_at: number;
}

/** One page for each request, in their order. */
export async function readPages(connection: Connection, requests: readonly PageRequest[]): Promise<Page[]> {
  const rows = await connection.rows<Row>(PAGES, [
    requests.map(({ accountId }) => accountId),
    requests.map(({ after }) => after),
    requests.map(({ limit }) => limit + 1),
    requests.map(({ maxBytes }) => maxBytes),
  ]);
  if (rows.length === 0) return requests.map(() => ({ messages: [], next: null }));
  const ids = new Set([...rows.map((row) => row.sender_id), ...requests.map(({ accountId }) => accountId)]);
  const accounts = await connection.rows<{ id: number; name: string }>(NAMES, [[...ids]]);
  const names = new Map(accounts.map(({ id, name }) => [id, name]));
  const byPlace = Map.groupBy(rows, (row) => row.place);
  return requests.map((request, index) => {
    const { page, hasMore } = takePage(byPlace.get(index + 1) ?? [], request);
    const to = names.get(request.accountId) ?? "";
    const messages = page.map((row): StoredMessage => {
      const { sequence, id, sender_id, stored_at: storedAt } = row;
      return { sequence, id, from: names.get(sender_id) ?? "", to, text: wholeText(row), storedAt };
    });
    return { messages, next: hasMore ? messages.at(-1)!.sequence : null };
  });
}
