/**
 * Numbers of bytes in words that people read.
 * @module
 */
import assert from "node:assert/strict";
import { formatBytes } from "../lib/bytes.ts";

Deno.test("formatBytes() counts in powers of 1000 with one decimal below ten, and never shows 1000 of a unit", () => {
  const table: readonly [number, string][] = [
    [0, "0 B"],
    [812, "812 B"],
    [999, "999 B"],
    [1_000, "1.0 kB"],
    [9_949, "9.9 kB"],
    [9_950, "10 kB"],
    [14_000, "14 kB"],
    [999_499, "999 kB"],
    [999_500, "1.0 MB"],
    [2_500_000, "2.5 MB"],
    [Number.MAX_SAFE_INTEGER, "9.0 PB"],
    [5e18, "5000 PB"],
  ];
  for (const [bytes, words] of table) assert.equal(formatBytes(bytes), words);
});
