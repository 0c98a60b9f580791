import assert from "node:assert/strict";
import fc from "fast-check";
import { encodeFrame, FrameDecoder } from "../../lib/protocol/frame.ts";
import { MAX_FRAME_BYTES } from "../../lib/protocol/limits.ts";

const encoder = new TextEncoder();

/** All lines of a stream that arrives in the given chunks, and the fault it ended with. */
function decode(chunks: Uint8Array[], maxFrameBytes = 100): { lines: string[]; fault: string | undefined } {
  const decoder = new FrameDecoder(maxFrameBytes);
  const lines = chunks.flatMap((chunk) => decoder.push(chunk));
  return { lines, fault: decoder.fault?.code };
}

Deno.test("FrameDecoder cuts lines whatever their ends, and skips blank ones", () => {
  const cases: [string, string[]][] = [
    ["", []],
    ["{}", []],
    ["{}\n", ["{}"]],
    ["{}\r\n", ["{}"]],
    ["\n\r\n{}\n\n", ["{}"]],
    ["a\nb\r\nc", ["a", "b"]],
    ["a\rb\n", ["a\rb"]],
    ["Привет, \u{1f44b}\n", ["Привет, \u{1f44b}"]],
    ["\ufeff{}\n", ["\ufeff{}"]],
  ];
  for (const [text, lines] of cases) {
    assert.deepEqual(decode([encoder.encode(text)]), { lines, fault: undefined });
  }
});

Deno.test("FrameDecoder gives the same lines for every split position", () => {
  const bytes = encoder.encode('{"text":"Привет, \u{1f44b}"}\r\n\n[1]\n{"half":');
  const whole = decode([bytes]);
  for (let i = 0; i <= bytes.length; i++) {
    for (let j = i; j <= bytes.length; j++) {
      assert.deepEqual(decode([bytes.subarray(0, i), bytes.subarray(i, j), bytes.subarray(j)]), whole);
    }
  }
});

Deno.test("FrameDecoder takes a frame at the cap and refuses one byte more, however it arrives", () => {
  const bytesOf = (length: number, end: string) => encoder.encode("x".repeat(length - end.length) + end);
  for (const end of ["\n", "\r\n"]) {
    for (const before of ["", "ok\n"]) {
      for (const size of [99, 100, 101]) {
        const bytes = encoder.encode(before + "x".repeat(size - end.length) + end);
        for (const chunks of [[bytes], [...bytes].map((byte) => Uint8Array.of(byte))]) {
          const { lines, fault } = decode(chunks);
          assert.equal(fault, size > 100 ? "too_large" : undefined, `${size} ${JSON.stringify(end)}`);
          assert.equal(lines.length, (before ? 1 : 0) + (size > 100 ? 0 : 1));
        }
      }
    }
  }
  assert.equal(decode([bytesOf(99, "")]).fault, undefined);
  assert.equal(decode([bytesOf(100, "")]).fault, "too_large", "no line end can come in time");
});

Deno.test("FrameDecoder refuses bytes that are not UTF-8, and keeps the lines before them", () => {
  for (const bad of [[0xff], [0xc0, 0x80], [0xed, 0xa0, 0x80], [0xf0, 0x9f]]) {
    const bytes = new Uint8Array([...encoder.encode("ok\n"), ...bad, 10, ...encoder.encode("late\n")]);
    assert.deepEqual(decode([bytes]), { lines: ["ok"], fault: "invalid" });
  }
});

Deno.test("FrameDecoder tells a clean end from a cut frame", () => {
  const decoder = new FrameDecoder();
  assert.equal(decoder.isMidFrame, false);
  decoder.push(encoder.encode("{}\n{"));
  assert.equal(decoder.isMidFrame, true);
  decoder.push(encoder.encode("}\n"));
  assert.equal(decoder.isMidFrame, false);
});

Deno.test("FrameDecoder does not keep the caller's buffer", () => {
  const decoder = new FrameDecoder();
  const buffer = encoder.encode("abc");
  decoder.push(buffer);
  buffer.fill(0x7a);
  assert.deepEqual(decoder.push(encoder.encode("d\n")), ["abcd"]);
});

Deno.test("FrameDecoder gives the same for random bytes in random chunks", () => {
  fc.assert(
    fc.property(
      fc.array(
        fc.oneof(
          fc.uint8Array({ maxLength: 60 }),
          fc.constant(Uint8Array.of(10)),
          fc.string().map((s) => encoder.encode(s)),
        ),
      ),
      fc.infiniteStream(fc.nat(40)),
      (parts, cuts) => {
        const bytes = new Uint8Array(parts.flatMap((part) => [...part]));
        const chunks: Uint8Array[] = [];
        for (let from = 0; from < bytes.length;) {
          const to = from + cuts.next().value! + 1;
          chunks.push(bytes.subarray(from, to));
          from = to;
        }
        assert.deepEqual(decode(chunks), decode([bytes]));
      },
    ),
    { numRuns: 500 },
  );
});

Deno.test("encodeFrame() and FrameDecoder are inverse for any JSON value", () => {
  fc.assert(fc.property(fc.array(fc.jsonValue()), (values) => {
    const { lines } = decode([encoder.encode(values.map(encodeFrame).join(""))], MAX_FRAME_BYTES);
    assert.deepEqual(
      lines.map((line) => JSON.parse(line)),
      values.map((value) => JSON.parse(JSON.stringify(value))),
    );
  }));
});

Deno.test("encodeFrame() refuses what the other end would refuse, counted in bytes", () => {
  const longest = MAX_FRAME_BYTES - 3; // two quotes and the line end
  assert.equal(encodeFrame("x".repeat(longest)).length, MAX_FRAME_BYTES);
  assert.throws(() => encodeFrame("x".repeat(longest + 1)), RangeError);
  assert.throws(() => encodeFrame("я".repeat(longest / 2 + 1)), RangeError);
  assert.throws(() => encodeFrame(undefined), TypeError);
});

Deno.test("FrameDecoder costs the same per byte when the longest frame arrives one byte at a time", () => {
  const decoder = new FrameDecoder();
  const byte = encoder.encode("x");
  const startedAt = performance.now();
  for (let n = 1; n < MAX_FRAME_BYTES; n++) decoder.push(byte);
  assert.equal(decoder.push(Uint8Array.of(10))[0]?.length, MAX_FRAME_BYTES - 1);
  // Scanning or copying all anew each time would take 65,536² / 2 steps: seconds, not milliseconds.
  assert.ok(performance.now() - startedAt < 1_000);
});
