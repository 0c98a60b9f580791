import assert from "node:assert/strict";
import fc from "fast-check";
import { type FetchPage, type HistoryRange, newestFirst, oldestFirst } from "../../lib/client/history.ts";

const PER_PAGE = 3;

/** Pages of a conversation whose messages have these times; the sequence of each is ten times its place. */
function conversation(times: readonly number[]): FetchPage {
  const all = times.map((storedAt, index) => ({
    sequence: 10 * (index + 1),
    id: `id-${index}`,
    from: "bob",
    to: "ana",
    text: "",
    storedAt,
  }));
  return (before) => {
    const older = all.filter(({ sequence }) => sequence < (before ?? Infinity));
    const messages = older.slice(-PER_PAGE);
    return Promise.resolve({ messages, next: older.length > PER_PAGE ? messages[0]!.sequence : null });
  };
}

async function timesOf(pages: AsyncIterable<readonly { readonly storedAt: number }[]>): Promise<number[][]> {
  const all: number[][] = [];
  for await (const page of pages) all.push(page.map(({ storedAt }) => storedAt));
  return all;
}

Deno.test("both ways through a history give the same: what is in the range, and of that the newest", async () => {
  const wish = fc.option(fc.nat(30), { nil: undefined });
  await fc.assert(fc.asyncProperty(
    fc.array(fc.nat(30), { maxLength: 20 }),
    fc.record({
      since: wish,
      before: wish,
      limit: fc.option(fc.integer({ min: 1, max: 25 }), { nil: undefined }),
    }),
    async (times, range: HistoryRange) => {
      times.sort((one, other) => one - other);
      const { since = -Infinity, before = Infinity, limit = Infinity } = range;
      const inRange = times.filter((at) => at >= since && at < before);
      const wanted = inRange.slice(Math.max(0, inRange.length - limit));
      const fetch = conversation(times);
      assert.deepEqual((await timesOf(oldestFirst(fetch, range))).flat(), wanted);
      assert.deepEqual((await timesOf(newestFirst(fetch, range))).reverse().flat(), wanted);
    },
  ));
});

Deno.test("a history stops asking once it has what is wanted", async () => {
  let asked = 0;
  const all = conversation(Array.from({ length: 300 }, (_, index) => index));
  const fetch: FetchPage = (before) => {
    asked += 1;
    return all(before);
  };
  assert.deepEqual((await timesOf(oldestFirst(fetch, { limit: 4 }))).flat(), [296, 297, 298, 299]);
  assert.equal(asked, 3); // back over two pages, forward over one
  asked = 0;
  assert.deepEqual((await timesOf(newestFirst(fetch, { since: 298 }))).flat(), [298, 299]);
  assert.equal(asked, 2); // the second is wholly too old
});

Deno.test("a history ends with an error when the server's next page is the same one again", async () => {
  // Such a server once kept a client asking for ever.
  const page = await conversation([1, 2, 3])(null);
  const fetch: FetchPage = () => Promise.resolve({ ...page, next: 10 });
  for (const walk of [oldestFirst, newestFirst]) {
    await assert.rejects(timesOf(walk(fetch)), /Cannot read on: .* 10 .*tell its operator/);
  }
});
