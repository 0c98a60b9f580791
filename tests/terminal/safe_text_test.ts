import assert from "node:assert/strict";
import fc from "fast-check";
import { jsonLine, MAX_MARKS_PER_LETTER, oneLine, safeText } from "../../lib/terminal/safe_text.ts";
import { columnsOf } from "../../lib/terminal/width.ts";

Deno.test("safeText() makes every harmful character visible", () => {
  const table: readonly [string, string][] = [
    ["\x1b[2J", "␛[2J"], // escape sequence
    ["\x1b]0;title\x07", "␛]0;title␇"], // window title
    ["\x9b31m", "‹U+009B›31m"], // the same, 8 bit
    ["a\rb", "a␍b"], // overwrite the line
    ["a\nb", "a␊b"],
    ["a\x00\x7f", "a␀␡"],
    ["ab\u202ecd\u2066ef", "ab‹U+202E›cd‹U+2066›ef"], // bidirectional override and isolate
    ["ad\u200bmin\ufeff\u2060\u00ad", "ad‹U+200B›min‹U+FEFF›‹U+2060›‹U+00AD›"], // invisible twins of a name
    ["a\u2028b\u2029c\u0085", "a‹U+2028›b‹U+2029›c‹U+0085›"], // line separators
    ["a\u200db", "a‹U+200D›b"], // a joiner where nothing joins
    ["x\ufe0f", "x‹U+FE0F›"],
    ["x\u{e0041}\u{e0101}", "x‹U+E0041›‹U+E0101›"], // hidden tags and selectors
    ["\u3164\u115f", "‹U+3164›‹U+115F›"], // fillers that look empty
    ["\ud800", "\ufffd"],
  ];
  for (const [text, shown] of table) assert.equal(safeText(text), shown);
});

Deno.test("safeText() leaves what people write as it is", () => {
  const texts = [
    "Hello, world!\ttab",
    "Привет, «мир»! ñ e\u0301 Ω 中文 日本語 한국어 ไทย",
    "👍🏽 👨‍👩‍👧 ❤️ ☺️ 1️⃣ 🇩🇪 🏳️‍🌈 🏴󠁧󠁢󠁳󠁣󠁴󠁿",
    "می‌خواهم", // Persian with a zero-width non-joiner
    "क्‍ष", // Devanagari with a joiner
    "葛󠄀", // Han with a variation selector
  ];
  for (const text of texts) assert.equal(safeText(text), text);
  assert.equal(safeText("one\r\ntwo\n", { multiline: true }), "one\ntwo\n");
});

Deno.test("safeText() keeps only so many marks on a letter", () => {
  const marks = [...safeText("a" + "\u0301\u0336".repeat(500))].length - 1;
  assert.equal(marks, MAX_MARKS_PER_LETTER);
});

Deno.test("safeText() of any text has no control character, and stays the same a second time", () => {
  const units = fc.array(
    fc.oneof(fc.integer({ min: 0, max: 0xffff }), fc.constantFrom(0x1b, 0x200d, 0xfe0f, 0x301, 0x0d, 0x0a)),
  );
  fc.assert(fc.property(units, fc.boolean(), (codes, multiline) => {
    const safe = safeText(String.fromCharCode(...codes), { multiline });
    assert.doesNotMatch(
      safe.replaceAll(multiline ? /[\t\n]/g : /\t/g, ""),
      // deno-lint-ignore no-control-regex
      /[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\u2028\u2029]/,
    );
    assert.ok(safe.isWellFormed());
    assert.equal(safeText(safe, { multiline }), safe);
  }));
});

Deno.test("oneLine() fits any text into one row", () => {
  assert.equal(oneLine("  two\n\nlines\tand more ", 40), "two lines and more");
  assert.equal(oneLine("中文中文中文", 7), "中文中…");
  fc.assert(fc.property(fc.string({ unit: "binary" }), fc.integer({ min: 1, max: 60 }), (text, columns) => {
    const line = oneLine(text, columns);
    assert.ok(columnsOf(line) <= columns);
    assert.doesNotMatch(line, /[\t\r\n]/);
  }));
});

Deno.test("jsonLine() has nothing that steers a terminal, and says the same to whoever parses it", () => {
  const value = {
    text: "\u009b2J\u009d0;x\u009c\u007f\u202e\u2066\u2028\u200f\u061c\u001b[2J\n",
    kept: ["Привет", "👩‍🚀", "می‌خواهم"],
  };
  const line = jsonLine(value);
  assert.doesNotMatch(line, /[\p{Cc}\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/u);
  assert.deepEqual(JSON.parse(line), value);
  assert.ok(line.includes('["Привет","👩‍🚀","می‌خواهم"]'), "what only joins letters stays readable");
});
