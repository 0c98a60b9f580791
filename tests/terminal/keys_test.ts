import assert from "node:assert/strict";
import fc from "fast-check";
import { type Key, KeyDecoder } from "../../lib/terminal/keys/keys.ts";

const bytes = (text: string) => new TextEncoder().encode(text);

/** A key as a short word: `Ctrl+a`, `Alt+left`, `"text"`. */
function short(key: Key): string {
  const name = key.name === "text"
    ? (key.ctrl || key.alt ? key.text : `"${key.text}"`)
    : key.name === "paste" || key.name === "focus"
    ? `${key.name}(${key.text})`
    : key.name;
  return `${key.ctrl ? "Ctrl+" : ""}${key.alt ? "Alt+" : ""}${key.shift ? "Shift+" : ""}${name}`;
}

const TABLE: readonly [string, string][] = [
  ["héllo 👍🏽", '"héllo 👍🏽"'],
  ["\x01\x03\x04\x1a", "Ctrl+a Ctrl+c Ctrl+d Ctrl+z"],
  ["\r\t\x7f\x08", "enter tab backspace backspace"],
  ["\x1b[A\x1b[B\x1b[C\x1b[D\x1bOA", "up down right left up"],
  ["\x1b[H\x1b[F\x1b[1~\x1b[4~\x1bOH", "home end home end home"],
  ["\x1b[3~\x1b[5~\x1b[6~\x1b[2~", "delete page_up page_down insert"],
  ["\x1b[1;5D\x1b[1;3C\x1b[3;5~\x1bOd", "Ctrl+left Alt+right Ctrl+delete Ctrl+left"],
  ["\x1bb\x1bF\x1b\x7f\x1b\r", "Alt+b Alt+F Alt+backspace Alt+enter"],
  ["\x1b[13;2u\x1b[27;2;13~\x1b[97;5u", "Shift+enter Shift+enter Ctrl+a"],
  ["\x1b[Z\x1b\x1b[D", "Shift+tab Alt+left"],
  ["a\x1b[Ib\x1b[O", '"a" focus(in) "b" focus(out)'], // the window got the focus, and lost it
  ["\x1b\x1b[I", "escape focus(in)"],
  ["\x1b[200~a\r\nb\x1b[Ac\x1b[201~d", 'paste(a\r\nb\x1b[Ac) "d"'],
  ["\x1b[200~\x1b[201~", "paste()"],
  ["\x1b[99;99X\x1b[<0;1;2M\x1b[[A", "unknown unknown unknown"], // keys unheard of, a mouse
];

Deno.test("KeyDecoder reads what terminals send", () => {
  for (const [input, keys] of TABLE) {
    assert.equal(new KeyDecoder().push(bytes(input)).map(short).join(" "), keys);
  }
});

Deno.test("KeyDecoder reads the same wherever the bytes are cut", () => {
  for (const [input, keys] of TABLE) {
    const all = bytes(input);
    for (let cut = 1; cut < all.length; cut++) {
      const decoder = new KeyDecoder();
      const read = [...decoder.push(all.subarray(0, cut)), ...decoder.push(all.subarray(cut))].map(short)
        .join(" ");
      assert.equal(read.replaceAll('" "', ""), keys, `cut at ${cut} of ${JSON.stringify(input)}`);
    }
  }
});

Deno.test("KeyDecoder takes a lone Escape, and a paste that never ends, when told to wait no longer", () => {
  const decoder = new KeyDecoder();
  assert.deepEqual(decoder.push(bytes("\x1b")), []);
  assert.ok(decoder.waitMs > 0);
  assert.deepEqual(decoder.flush().map(short), ["escape"]);
  assert.deepEqual(decoder.push(bytes("\x1b[200~half")), []);
  assert.ok(decoder.waitMs > 0);
  assert.deepEqual(decoder.flush().map(short), ["paste(half)"]);
  assert.deepEqual(decoder.push(bytes("\x1b[")), []);
  assert.deepEqual(decoder.flush().map(short), ["Alt+["]);
  assert.equal(decoder.waitMs, 0);
});

Deno.test("KeyDecoder takes no report of the focus for keys, however late its rest comes behind the Escape", () => {
  for (const rest of [["[I"], ["[", "I"], ["[Ix"]]) {
    const decoder = new KeyDecoder();
    decoder.push(bytes("\x1b"));
    assert.deepEqual(decoder.flush().map(short), ["escape"]);
    const keys = rest.flatMap((piece) => decoder.push(bytes(piece))).map(short);
    assert.deepEqual(keys, rest[0] === "[Ix" ? ["focus(in)", '"x"'] : ["focus(in)"]);
  }
  // Behind the key, a bracket that is typed stays one.
  const decoder = new KeyDecoder();
  decoder.push(bytes("\x1b"));
  decoder.flush();
  assert.deepEqual(decoder.push(bytes("[")), []);
  assert.ok(decoder.waitMs > 0);
  assert.deepEqual(decoder.flush().map(short), ['"["']);
  assert.deepEqual(decoder.push(bytes("[I")).map(short), ['"[I"']);
});

Deno.test("KeyDecoder never fails, and never holds more than a sequence, whatever it is fed", () => {
  const junk = fc.array(
    fc.oneof(fc.uint8Array({ maxLength: 20 }), fc.constantFrom(...TABLE.map(([input]) => bytes(input)))),
  );
  fc.assert(fc.property(junk, (pieces) => {
    const decoder = new KeyDecoder();
    for (const piece of pieces) {
      for (const key of decoder.push(piece)) assert.equal(typeof key.text, "string");
    }
    decoder.flush();
    assert.equal(decoder.waitMs, 0);
  }));
});

Deno.test("KeyDecoder takes a paste of one million characters in small reads quickly", () => {
  const decoder = new KeyDecoder();
  const all = bytes(`\x1b[200~${"x".repeat(1024 * 1024)}\x1b[201~`);
  const startedAt = performance.now();
  const keys: Key[] = [];
  for (let at = 0; at < all.length; at += 1024) keys.push(...decoder.push(all.subarray(at, at + 1024)));
  assert.equal(keys.length, 1);
  assert.equal(keys[0]!.text.length, 1024 * 1024);
  assert.ok(performance.now() - startedAt < 1_000);
});
