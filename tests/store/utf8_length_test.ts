import { equal } from "node:assert/strict";
import fc from "fast-check";
import { utf8Length } from "../../lib/store/sqlite/whole_text.ts";

Deno.test("utf8Length() counts what an encoder writes, for any text", () => {
  const encoder = new TextEncoder();
  const anyUnits = fc.array(fc.nat({ max: 0xffff })).map((units) => String.fromCharCode(...units));
  fc.assert(
    fc.property(fc.oneof(fc.string({ unit: "binary" }), anyUnits), (text) => {
      equal(utf8Length(text), encoder.encode(text).length);
    }),
  );
  for (
    const text of [
      "",
      "a",
      "\x7f",
      "\x80",
      "\u07ff",
      "\u0800",
      "\uffff",
      "\u{10000}",
      "\ud800",
      "\udc00\ud800",
    ]
  ) {
    equal(utf8Length(text), encoder.encode(text).length);
  }
});
