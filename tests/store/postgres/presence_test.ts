import assert from "node:assert/strict";
import type { Connection, Query } from "../../../lib/store/postgres/connection.ts";
import { PostgresPresence } from "../../../lib/store/postgres/presence.ts";
import { waitUntil } from "../../helpers/wait_until.ts";

/** A lane that takes all that is written, and tells of each write. */
function laneThatTells(onWritten: (accountIds: readonly number[]) => void) {
  const connection = {
    pipeline: (queries: readonly Query[]) => {
      for (const { values = [] } of queries) onWritten(values[1] as number[]);
      return Promise.resolve([]);
    },
    query: () => Promise.resolve([]),
  };
  return {
    run: <Result>(work: (connection: Connection) => Promise<Result>) =>
      work(connection as unknown as Connection),
  };
}

Deno.test("PostgresPresence writes soon also what comes at the moment in which a write ends", async () => {
  // Between the last look for more and the note that nothing is being written, a change once waited for the next one.
  await Promise.all(Array.from({ length: 20 }, async (_, turns) => {
    const written: number[] = [];
    const presence = new PostgresPresence(
      "server",
      laneThatTells(async (accountIds) => {
        written.push(...accountIds);
        if (accountIds[0] !== 1) return;
        for (let turn = 0; turn < turns; turn++) await Promise.resolve();
        presence.noteHere(2, "online", []);
      }),
    );
    presence.writeAll(); // as a server does that has just begun
    presence.noteHere(1, "online", []);
    await waitUntil(
      `the second is written, ${turns} turns after the first`,
      () => written.includes(2),
      2_000,
    );
    assert.deepEqual(written, [1, 2]);
    await presence[Symbol.asyncDispose]();
  }));
});
