import assert from "node:assert/strict";
import fc from "fast-check";
import { ProtocolError } from "../../lib/errors.ts";
import { encodeFrame, FrameDecoder } from "../../lib/protocol/frame.ts";
import { parseEnvelope } from "../../lib/protocol/rpc.ts";
import { fuzzTest, hostileJson } from "./fuzz.ts";

/** Bytes as they come on a socket: JSON, cut JSON, line ends and noise. */
const streams = fc.array(
  fc.oneof(
    fc.uint8Array({ maxLength: 40 }),
    hostileJson.map((value) => new TextEncoder().encode(JSON.stringify(value) + "\n")),
    fc.constantFrom("\n", "\r\n", "{", '"', "\u0000", "[[[[").map((text) => new TextEncoder().encode(text)),
    fc.constantFrom([0xff], [0xc3], [0xed, 0xa0, 0x80], [0xf4, 0x90, 0x80, 0x80]).map((bytes) =>
      Uint8Array.from(bytes)
    ),
  ),
  { maxLength: 20 },
).map((parts) => Uint8Array.from(parts.flatMap((part) => [...part])));

const cuts = fc.array(fc.nat(400), { maxLength: 8 });

function decode(bytes: Uint8Array, at: readonly number[], maxFrameBytes: number) {
  const decoder = new FrameDecoder(maxFrameBytes);
  const ends = [...at.filter((end) => end < bytes.length).sort((a, b) => a - b), bytes.length];
  const lines = ends.flatMap((end, index) => decoder.push(bytes.subarray(ends[index - 1] ?? 0, end)));
  return { lines, fault: decoder.fault?.code, isMidFrame: decoder.isMidFrame && !decoder.fault };
}

fuzzTest(
  "FrameDecoder gives the same lines and the same fault however a stream is cut, and throws nothing",
  fc.property(streams, cuts, fc.integer({ min: 2, max: 64 }), (bytes, at, maxFrameBytes) => {
    assert.deepEqual(decode(bytes, at, maxFrameBytes), decode(bytes, [], maxFrameBytes));
  }),
  1_000,
);

fuzzTest(
  "encodeFrame() and FrameDecoder give back any JSON value",
  fc.property(fc.array(hostileJson, { maxLength: 5 }), cuts, (values, at) => {
    const bytes = new TextEncoder().encode(values.map(encodeFrame).join(""));
    const { lines, fault, isMidFrame } = decode(bytes, at, 64 * 1024);
    assert.equal(fault, undefined);
    assert.equal(isMidFrame, false);
    assert.deepEqual(
      lines.map((line) => JSON.parse(line)),
      values.map((value) => JSON.parse(JSON.stringify(value).toWellFormed())),
    );
  }),
);

fuzzTest(
  "parseEnvelope() reads a line, or throws a ProtocolError and nothing else",
  fc.property(
    fc.oneof(
      fc.string({ unit: "binary" }),
      hostileJson.map((value) => JSON.stringify(value)),
      fc.record({
        jsonrpc: fc.oneof(fc.constant("2.0"), hostileJson),
        id: hostileJson,
        method: fc.oneof(fc.constantFrom("ping", "__proto__"), hostileJson),
        params: hostileJson,
        result: hostileJson,
        error: fc.oneof(
          hostileJson,
          fc.record({ code: hostileJson, message: hostileJson, data: hostileJson }),
        ),
      }, { requiredKeys: [] }).map((value) => JSON.stringify(value)),
    ),
    (line) => {
      try {
        const envelope = parseEnvelope(line);
        assert.ok(["request", "notification", "success", "failure"].includes(envelope.kind));
      } catch (error) {
        if (!(error instanceof ProtocolError)) throw error;
      }
    },
  ),
  1_000,
);

Deno.test("parseEnvelope() takes the deepest JSON that fits a frame, or refuses it", () => {
  for (const [open, close] of [["[", "]"], ['{"a":', "}"]] as const) {
    const depth = Math.floor(65_000 / (open.length + close.length));
    const line = `{"jsonrpc":"2.0","id":1,"method":"ping","params":{"a":${open.repeat(depth)}1${
      close.repeat(depth)
    }}}`;
    try {
      assert.equal(parseEnvelope(line).kind, "request");
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
    }
  }
});
