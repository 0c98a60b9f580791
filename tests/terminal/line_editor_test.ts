import assert from "node:assert/strict";
import fc from "fast-check";
import { TypedLines } from "../../lib/terminal/typed_lines.ts";
import { KeyDecoder } from "../../lib/terminal/keys/keys.ts";
import {
  type EditorAction,
  LineEditor,
  type LineEditorOptions,
} from "../../lib/terminal/line/line_editor.ts";
import { graphemesOf } from "../../lib/terminal/width.ts";

const UP = "\x1b[A", DOWN = "\x1b[B", RIGHT = "\x1b[C", LEFT = "\x1b[D";

/** Types into an editor; returns it and what the last key asked for. */
function typed(keys: string, options: LineEditorOptions = {}): { editor: LineEditor; action: EditorAction } {
  const editor = new LineEditor(options);
  let action: EditorAction = "none";
  for (const key of new KeyDecoder().push(new TextEncoder().encode(keys))) action = editor.handle(key);
  return { editor, action };
}

/** The text with the cursor as `|`. */
function shown(keys: string, options: LineEditorOptions = {}): string {
  const { editor } = typed(keys, options);
  return `${editor.text.slice(0, editor.cursor)}|${editor.text.slice(editor.cursor)}`;
}

Deno.test("LineEditor moves and deletes by graphemes, words and lines", () => {
  const table: readonly [string, string][] = [
    ["abc" + LEFT + LEFT + "x", "ax|bc"],
    ["a👨‍👩‍👧e\u0301" + LEFT + LEFT, "a|👨‍👩‍👧e\u0301"],
    ["a👨‍👩‍👧e\u0301\x7f\x7f", "a|"],
    ["ab\x01\x1b[3~\x04", "|"], // Ctrl+A, Delete, Ctrl+D
    ["one two-three\x1bb", "one two-|three"],
    ["one two-three\x17", "one |"], // Ctrl+W takes back to the blank
    ["one two-three\x1b\x7f", "one two-|"], // Alt+Backspace takes a word
    ["one two\x01\x1bd", "| two"],
    ["one two\x01\x1b[1;5C", "one| two"],
    ["Привет мир\x1bb\x1bb\x1bf", "Привет| мир"],
    ["one two\x01\x1bf\x0b", "one|"], // Ctrl+K
    ["one two\x1bb\x15", "|two"], // Ctrl+U
    ["one two\x17\x01\x19", "two|one "], // Ctrl+W, Ctrl+A, Ctrl+Y
    ["one two\x17\x17\x19", "one two|"], // two kills in a row are one
    ["abc\x14", "acb|"], // Ctrl+T
    ["abc" + LEFT + LEFT + "\x14", "ba|c"],
    ["ab\x02\x02\x06", "a|b"],
    ["one\x1b\rtwo\x01", "one\n|two"], // Alt+Enter
    ["one\x1b[13;2utwo" + UP, "one|\ntwo"], // Shift+Enter
    ["one\x1b\rtwo" + UP + LEFT + DOWN, "one\ntw|o"],
    ["\x1b[200~a\r\nb\rc\n\x1b[201~!", "a\nb\nc!|"], // a pasted text keeps its lines, and does not submit
    ["\x1b[200~a\x1b[2J\x07b\tc\x1b[201~", "a[2Jb\tc|"], // control characters are not typable
  ];
  for (const [keys, text] of table) assert.equal(shown(keys), text, JSON.stringify(keys));
});

Deno.test("LineEditor tells its owner what a key asks for", () => {
  const table: readonly [string, EditorAction][] = [
    ["\r", "submit"],
    ["\x03", "interrupt"],
    ["\x04", "end"],
    ["a\x04", "none"],
    ["\x0c", "clear_screen"],
    ["\x1a", "suspend"],
    ["\t", "none"],
    ["\x1b[99;99X", "none"],
  ];
  for (const [keys, action] of table) assert.equal(typed(keys).action, action, JSON.stringify(keys));
  assert.equal(typed("\t", { complete: () => ({ from: 0, candidates: [] }) }).action, "complete");
});

Deno.test("LineEditor makes one line of several where only one is wanted", () => {
  assert.equal(shown("\x1b[200~a\nb\x1b[201~", { multiline: false }), "a b|");
  assert.equal(typed("a\x1b\r", { multiline: false }).action, "submit");
});

Deno.test("LineEditor walks the typed lines and keeps the unfinished line", () => {
  const typedLines = new TypedLines(["first", "second"]);
  const table: readonly [string, string][] = [
    ["new" + UP, "second|"],
    ["new" + UP + UP + UP, "first|"],
    ["new" + UP + UP + DOWN, "second|"],
    ["new" + UP + UP + DOWN + DOWN + DOWN, "new|"],
    ["new\x10\x0e", "new|"],
  ];
  for (const [keys, text] of table) assert.equal(shown(keys, { typedLines }), text, JSON.stringify(keys));
});

Deno.test("LineEditor searches the typed lines with Ctrl+R", () => {
  const typedLines = new TypedLines(["send ana hi", "users", "send bob yo"]);
  assert.equal(shown("\x12SEND", { typedLines }), "send bob yo|");
  assert.equal(shown("\x12send\x12", { typedLines }), "send ana hi|");
  assert.equal(shown("\x12sendx\x7f\x12\x12", { typedLines }), "send ana hi|");
  assert.equal(shown("draft\x12send\x07", { typedLines }), "draft|"); // Ctrl+G gives up
  assert.equal(shown("draft\x12send\x03", { typedLines }), "draft|"); // and so does Ctrl+C
  assert.equal(shown("\x12bob\x01x", { typedLines }), "x|send bob yo"); // any other key goes on with what was found
  assert.equal(typed("\x12bob\r", { typedLines }).action, "submit");
  assert.deepEqual({ ...typed("\x12zzz", { typedLines }).editor.search }.isFound, false);
});

Deno.test("LineEditor takes completions", () => {
  const { editor } = typed("send a");
  assert.equal(editor.complete({ from: 5, candidates: ["ana ", "anton "] }), "inserted");
  assert.equal(editor.text, "send an");
  assert.equal(editor.complete({ from: 5, candidates: ["ana ", "anton "] }), "ambiguous");
  assert.equal(editor.complete({ from: 5, candidates: ["ana "] }), "inserted");
  assert.equal(editor.text, "send ana ");
  assert.equal(editor.complete({ from: 9, candidates: [] }), "none");
});

Deno.test("LineEditor begins new lines with Enter until the text is done", () => {
  const submitsWhen = (text: string) => text.endsWith("\n.");
  assert.equal(typed("one\r\r.", { submitsWhen }).editor.text, "one\n\n.");
  assert.equal(typed("one\r\r.\r", { submitsWhen }).action, "submit");
});

Deno.test("TypedLines leaves out blanks, repeats, lines with a leading space, and what is too long", async () => {
  const kept: string[] = [];
  const typedLines = await TypedLines.from({ load: () => ["old"], add: (line) => void kept.push(line) });
  for (const line of ["", "  ", "a", "a", " secret", "x".repeat(5_000), "b"]) typedLines.add(line);
  assert.deepEqual(typedLines.lines, ["old", "a", "b"]);
  assert.deepEqual(kept, ["a", "b"]);
  const broken = await TypedLines.from({
    load: () => Promise.reject(new Error("disk")),
    add: () => Promise.reject(new Error("disk")),
  });
  broken.add("still here");
  assert.deepEqual(broken.lines, ["still here"]);
});

Deno.test("LineEditor never fails, and its cursor is always between two graphemes", () => {
  const piece = fc.oneof(
    fc.string({ unit: "binary", maxLength: 4 }),
    fc.constantFrom(
      "👨‍👩‍👧",
      "e\u0301",
      "\u0301",
      "\u200d",
      "👍",
      "🏽",
      "\u{1f1e9}",
      "中",
      "\u0600",
      "각",
      "\u1100",
      "a b",
    ),
    fc.constantFrom(
      UP,
      DOWN,
      LEFT,
      RIGHT,
      "\x1b[H",
      "\x1b[F",
      "\x1b[3~",
      "\x1b[1;5D",
      "\x1b[1;5C",
      "\x1b\r",
      "\t",
    ),
    fc.constantFrom(..."\x01\x02\x05\x06\x07\x08\x0b\x0e\x10\x12\x14\x15\x17\x19\x7f"),
    fc.constantFrom("\x1bb", "\x1bf", "\x1bd", "\x1b\x7f", "\x1b[200~p\nq\x1b[201~"),
  );
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 40 }), (pieces) => {
      const editor = new LineEditor({ typedLines: new TypedLines(["old one", "other\nline"]) });
      const decoder = new KeyDecoder();
      for (const keys of pieces) {
        for (const key of decoder.push(new TextEncoder().encode(keys))) {
          editor.handle(key);
          const { text, cursor } = editor;
          assert.ok(text.isWellFormed());
          let edge = 0;
          for (const { segment } of graphemesOf(text)) if (edge < cursor) edge += segment.length;
          assert.equal(edge, cursor, JSON.stringify([text, cursor]));
        }
      }
    }),
    { numRuns: 300 },
  );
});
