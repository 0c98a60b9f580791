import assert from "node:assert/strict";
import { count } from "../lib/count.ts";

Deno.test("count() knows one from many", () => {
  assert.deepEqual([0, 1, 2].map((n) => count(n, "message")), ["0 messages", "1 message", "2 messages"]);
  assert.deepEqual([1, 2].map((n) => count(n, "person", "people")), ["1 person", "2 people"]);
});
