import assert from "node:assert/strict";
import fc from "fast-check";
import { UsageError } from "../../lib/errors.ts";
import {
  formatFingerprint,
  formatInviteLink,
  parseFingerprint,
  parseHostAndPort,
  parseInviteLink,
} from "../../lib/protocol/invite_link.ts";
import { normalizeAddress } from "../../lib/addresses.ts";
import { fuzzTest, hostileText } from "./fuzz.ts";

const links = fc.record({
  host: fc.oneof(fc.domain(), fc.ipV4(), fc.ipV6(), fc.constantFrom("localhost", "my_server")),
  port: fc.integer({ min: 1, max: 65_535 }),
  joinCode: fc.stringMatching(/^[A-Za-z0-9_-]{1,128}$/),
  fingerprint: fc.uint8Array({ minLength: 32, maxLength: 32 }).map(formatFingerprint),
}, { requiredKeys: ["host", "port"] });

/** What people paste: links, links with one place spoiled, and anything. */
const pasted = fc.oneof(
  hostileText,
  fc.string(),
  fc.tuple(links, fc.nat(200), hostileText).map(([link, at, noise]) => {
    const text = formatInviteLink(link);
    const place = at % (text.length + 1);
    return text.slice(0, place) + noise + text.slice(place + noise.length % 3);
  }),
);

fuzzTest(
  "parseInviteLink() gives back what formatInviteLink() was given",
  fc.property(links, (link) => {
    const host = normalizeAddress(link.host.toLowerCase());
    assert.deepEqual(parseInviteLink(formatInviteLink(link)), { ...link, host });
  }),
  1_000,
);

for (const [name, parse] of Object.entries({ parseInviteLink, parseHostAndPort, parseFingerprint })) {
  fuzzTest(
    `${name}() reads what was pasted, or says in one short printable sentence why not`,
    fc.property(pasted, (text) => {
      try {
        parse(text);
      } catch (error) {
        assert.ok(error instanceof UsageError, String(error));
        // deno-lint-ignore no-control-regex
        assert.doesNotMatch(error.message, /[\u0000-\u001f]/);
        assert.ok(error.message.length < 400);
      }
    }),
    1_000,
  );
}

fuzzTest(
  "parseInviteLink() takes no time to speak of, however long the text",
  fc.property(fc.constantFrom("a.", "-", "[", ":", "/", "#", "::", " ", "%", "<"), (part) => {
    let quickest = Infinity; // of ten, since a busy machine can only make it slower
    for (let attempt = 0; attempt < 10 && quickest >= 500; attempt++) {
      const startedAt = performance.now();
      try {
        parseInviteLink(`mini-chat://${part.repeat(20_000)}`);
      } catch (error) {
        assert.ok(error instanceof UsageError);
      }
      quickest = Math.min(quickest, performance.now() - startedAt);
    }
    assert.ok(quickest < 500, part);
  }),
  10,
);
