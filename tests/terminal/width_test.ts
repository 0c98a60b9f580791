import assert from "node:assert/strict";
import { columnsOf, cutToColumns } from "../../lib/terminal/width.ts";

/** Texts, and the columns that terminals of today give them. */
const WIDTHS: Readonly<Record<string, readonly (readonly [text: string, columns: number])[]>> = {
  "plain": [["", 0], ["hello", 5], ["naïve", 5], ["žluťoučký kůň", 13]],
  "controls and the unseen": [["\x07\x9f", 0], ["a\tb", 2], ["\u00ad", 0], ["\u200b\u2060\ufeff", 0], [
    "\u202e",
    0,
  ]],
  "Chinese, Japanese": [["漢字", 4], ["かな", 4], ["ｶﾞ", 2], ["Ａｂ", 4], ["。、　", 6], ["が\u3099", 2]],
  "Korean": [["한글", 4], ["\u1112\u1161\u11ab", 2], ["\u1112\u1161\u11ab\u1100\u1173\u11af", 4], [
    "\u1161",
    1,
  ]],
  "combining marks": [["e\u0301", 1], ["a\u0489", 1], ["1\u20dd", 1], ["\u0301", 0], [
    `Z${"\u0337".repeat(5_000)}`,
    1,
  ]],
  "scripts with spacing marks": [["กำ", 2], ["कि", 2], ["क्ष", 2], ["عَّ", 1], ["می\u200cخواهم", 7], [
    "\u0600١",
    2,
  ]],
  "emoji": [["🚀", 2], ["⌚", 2], ["⌚\ufe0e", 1], ["❤", 1], ["❤\ufe0f", 2], ["☝🏽", 2], ["👍🏿", 2], [
    "🐻‍❄\ufe0f",
    2,
  ]],
  "emoji that are joined": [["👩‍🚀", 2], ["👩🏽‍🚀", 2], ["👨‍👩‍👧‍👦", 2], ["👩‍❤‍👩", 2], ["🏳\ufe0f‍🌈", 2]],
  "flags and keycaps": [["🇩🇪", 2], ["🇩🇪🇫🇷", 4], ["🇩", 2], [
    "🏴\u{e0067}\u{e0062}\u{e0073}\u{e0063}\u{e0074}\u{e007f}",
    2,
  ], [
    "1\ufe0f\u20e3",
    2,
  ], ["#", 1]],
  "ambiguous: narrow": [["±§¶×÷", 5], ["←→■●★", 5], ["αβя", 3], ["“”…‰", 4], ["①⑴", 2]],
  "broken": [["\ud800", 1], ["a\udc00", 2], ["\ufffd", 1]],
};

for (const [kind, texts] of Object.entries(WIDTHS)) {
  Deno.test(`width of text: ${kind}`, () => {
    for (const [text, columns] of texts) assert.equal(columnsOf(text), columns, JSON.stringify(text));
  });
}

Deno.test("what is cut fits, and no grapheme is torn", () => {
  assert.equal(cutToColumns("漢字漢字", 5), "漢字…");
  assert.equal(cutToColumns("漢字漢字", 4), "漢…");
  assert.equal(cutToColumns("👩🏽‍🚀👩🏽‍🚀", 3), "👩🏽‍🚀…");
});
