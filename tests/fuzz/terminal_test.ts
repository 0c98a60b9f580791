import assert from "node:assert/strict";
import fc from "fast-check";
import { oneLine, safeText } from "../../lib/terminal/safe_text.ts";
import { columnsOf } from "../../lib/terminal/width.ts";
import { fuzzTest, hostileText } from "./fuzz.ts";

// Everything that moves a cursor, changes a colour or a title, or turns the direction of reading around.
const HARMFUL =
  // deno-lint-ignore no-control-regex
  /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u061c\u200e\u200f\u202a-\u202e\u2028\u2029\u2066-\u2069\ufeff]/;

fuzzTest(
  "safeText() lets nothing through that a terminal obeys, and changes nothing more the second time",
  fc.property(hostileText, fc.boolean(), (text, multiline) => {
    const safe = safeText(text, { multiline });
    assert.doesNotMatch(safe, HARMFUL);
    assert.equal(multiline || !safe.includes("\n"), true);
    assert.ok(safe.isWellFormed());
    assert.equal(safeText(safe, { multiline }), safe);
  }),
  2_000,
);

fuzzTest(
  "safeText() of two texts after each other is as harmless as of each alone",
  fc.property(hostileText, hostileText, (first, second) => {
    assert.doesNotMatch(safeText(first) + safeText(second), HARMFUL);
  }),
);

fuzzTest(
  "oneLine() is one line, no wider than it may be",
  fc.property(hostileText, fc.integer({ min: 1, max: 80 }), (text, columns) => {
    const line = oneLine(text, columns);
    assert.doesNotMatch(line, HARMFUL);
    assert.doesNotMatch(line, /[\n\t]/);
    assert.ok(columnsOf(line) <= columns, `${columnsOf(line)} columns: ${JSON.stringify(line)}`);
  }),
  2_000,
);
