import assert from "node:assert/strict";
import { parseWhen } from "../../lib/commands/chat/when.ts";
import { UsageError } from "../../lib/errors.ts";

Deno.test("parseWhen() reads moments as people write them, in their own time zone", () => {
  const now = new Date(2026, 10, 25, 14, 30).getTime();
  const table: readonly (readonly [string, number])[] = [
    ["now", now],
    ["2d", now - 2 * 86_400_000],
    ["3h", now - 3 * 3_600_000],
    ["30min", now - 30 * 60_000],
    ["30m", now - 30 * 60_000],
    ["1w", now - 7 * 86_400_000],
    ["today", new Date(2026, 10, 25).getTime()],
    ["yesterday", new Date(2026, 10, 24).getTime()],
    ["9:05", new Date(2026, 10, 25, 9, 5).getTime()],
    ["2026-03-01", new Date(2026, 2, 1).getTime()],
    ["2026-03-01T07:08", new Date(2026, 2, 1, 7, 8).getTime()],
    [" 2026-03-01 07:08:09 ", new Date(2026, 2, 1, 7, 8, 9).getTime()],
    ["2026-03-01T07:08Z", Date.UTC(2026, 2, 1, 7, 8)],
    ["2026-03-01T07:08:09.5+02:00", Date.UTC(2026, 2, 1, 5, 8, 9, 500)],
  ];
  for (const [text, at] of table) assert.equal(parseWhen(text, now), at, text);
  for (
    const wrong of [
      "",
      "d",
      "2x",
      "-2d",
      "25:00",
      "14:60",
      "2026-02-30",
      "2026-13-01",
      "2026-03-01T24:00",
      "1764081000",
    ]
  ) {
    assert.throws(() => parseWhen(wrong, now), UsageError, wrong);
  }
});
