import assert from "node:assert/strict";
import fc from "fast-check";
import { ChatError } from "../../lib/errors.ts";
import { EVENTS, parseEvent } from "../../lib/protocol/events.ts";
import { parseParams, parseResult, type RequestName, REQUESTS } from "../../lib/protocol/requests.ts";
import { fuzzTest, hostileJson } from "./fuzz.ts";
import { mutated, validParams } from "./request_samples.ts";

const names = Object.keys(REQUESTS) as RequestName[];

Deno.test("validParams has a sample of every request, and each is taken", () => {
  for (const name of names) assert.doesNotThrow(() => parseParams(name, validParams(name)), name);
});

for (const name of names) {
  fuzzTest(
    `parseParams(${name}) takes what it knows, or refuses with invalid or too_large`,
    fc.property(fc.oneof(hostileJson, mutated(validParams(name))), (params) => {
      let taken: unknown;
      try {
        taken = parseParams(name, params);
      } catch (error) {
        assert.ok(error instanceof ChatError, String(error));
        assert.ok(["invalid", "too_large"].includes(error.code), error.code);
        assert.ok(error.message.length < 400, "a refusal stays short, whatever was sent");
        return;
      }
      // What was taken has no key that nobody asked for, so that none can reach the code behind.
      assert.equal(typeof taken, "object");
      assert.equal(Object.getPrototypeOf(taken), Object.prototype);
      assert.deepEqual(parseParams(name, taken), taken);
    }),
    150,
  );

  fuzzTest(
    `parseResult(${name}) never takes a hostile server's word for more than its shape`,
    fc.property(hostileJson, (result) => {
      try {
        parseResult(name, result);
      } catch (error) {
        assert.ok(error instanceof ChatError && error.code === "internal", String(error));
      }
    }),
    50,
  );
}

fuzzTest(
  "parseEvent() ignores what is not one of ours",
  fc.property(
    fc.oneof(fc.constantFrom(...Object.keys(EVENTS), "__proto__", "toString", "constructor"), fc.string()),
    hostileJson,
    (method, params) => {
      const event = parseEvent(method, params);
      if (event !== null) assert.ok(Object.hasOwn(EVENTS, event.name));
    },
  ),
  1_000,
);
