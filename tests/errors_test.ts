import assert from "node:assert/strict";
import { messageOf, systemReasonOf } from "../lib/errors.ts";

Deno.test("systemReasonOf() leaves out the number of a system's error and the call, which messageOf() has", () => {
  try {
    Deno.readTextFileSync("no-such-folder/file");
    assert.fail("it is there");
  } catch (error) {
    assert.match(messageOf(error), / \(os error \d+\): .*no-such-folder/);
    assert.match(systemReasonOf(error), /^[^()]+$/);
    assert.doesNotMatch(systemReasonOf(error), /no-such-folder/);
  }
  assert.equal(systemReasonOf(new Error("other words (1)")), "other words (1)");
});
