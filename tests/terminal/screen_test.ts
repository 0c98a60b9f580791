import assert from "node:assert/strict";
import fc from "fast-check";
import { PictureBuilder, type PromptView } from "../../lib/terminal/screen/picture.ts";
import { LineEditor } from "../../lib/terminal/line/line_editor.ts";
import { Painter } from "../../lib/terminal/screen/painter.ts";
import { withoutStyle } from "../../lib/terminal/style.ts";
import { TextRows } from "../../lib/terminal/screen/text_rows.ts";
import { columnsOf, graphemesOf } from "../../lib/terminal/width.ts";
import { ScreenEmulator } from "../helpers/screen_emulator.ts";

function graphemes(text: string): string[] {
  return Array.from(graphemesOf(text), ({ segment }) => segment);
}

function viewOf(text: string, cursor = text.length, prompt = "> "): PromptView {
  const editor = new LineEditor({ initial: text });
  while (editor.cursor > cursor) {
    editor.handle({ name: "left", text: "", ctrl: false, alt: false, shift: false });
  }
  return { prompt, editor, isSecret: false, hint: undefined };
}

/** Letters on whose width all terminals agree. */
const LETTERS = ["a", "b", " ", "é", "e\u0301", "中", "한", "👍🏽", "🇩🇪", "\t", "\n"];

Deno.test("TextRows wraps at any width, and tears no wide letter", () => {
  const texts = fc.string({ unit: fc.constantFrom(...LETTERS), maxLength: 120 });
  fc.assert(fc.property(texts, fc.integer({ min: 2, max: 40 }), fc.nat(1), (text, columns, indent) => {
    const rows = new TextRows(columns, indent);
    rows.update(text, columns, indent);
    const last = rows.rowAt(text.length, 0);
    const all = rows.slice(0, last + 1);
    assert.equal(all.at(-1)!.end, text.length);
    assert.deepEqual(
      graphemes(text),
      all.flatMap((row, index) => {
        const feed = text[row.end] === "\n" && index < all.length - 1 ? ["\n"] : [];
        return [...graphemes(text.slice(row.start, row.end)), ...feed];
      }),
    );
    for (const index of all.keys()) {
      assert.ok(columnsOf(rows.shown(index)) + (index === 0 ? indent : 0) <= Math.max(columns, 4));
    }
  }));
});

Deno.test("TextRows kept between edits are those of a fresh start", () => {
  const edits = fc.array(
    fc.tuple(
      fc.nat(100),
      fc.nat(20),
      fc.string({ unit: fc.constantFrom(...LETTERS, "\u0301"), maxLength: 30 }),
    ),
    { maxLength: 12 },
  );
  fc.assert(fc.property(edits, fc.integer({ min: 4, max: 20 }), (list, columns) => {
    const kept = new TextRows(columns, 2);
    let text = "";
    for (const [at, remove, insert] of list) {
      text = (text.slice(0, at) + insert + text.slice(at + remove)).toWellFormed();
      kept.update(text, columns, 2);
      const fresh = new TextRows(columns, 2);
      fresh.update(text, columns, 2);
      const last = fresh.rowAt(text.length, 0);
      assert.equal(kept.rowAt(text.length, 0), last, JSON.stringify(text));
      assert.deepEqual(kept.slice(0, last + 1), fresh.slice(0, last + 1));
    }
  }));
});

Deno.test("PictureBuilder shows the part of a long text that has the cursor, and says that there is more", () => {
  const builder = new PictureBuilder();
  const text = Array.from({ length: 30 }, (_, index) => `line ${index}`).join("\n");
  const bottom = builder.build([], viewOf(text), { columns: 40, rows: 8 });
  assert.equal(bottom.rows.length, 7);
  assert.match(bottom.rows[0]!, /more above/);
  assert.equal(bottom.rows.at(-1), "line 29");
  const top = builder.build([], viewOf(text, 0), { columns: 40, rows: 8 });
  assert.equal(top.rows[0], "> line 0");
  assert.match(top.rows.at(-1)!, /more below/);
  assert.deepEqual([top.cursorRow, top.cursorColumn], [0, 2]);
});

Deno.test("PictureBuilder gives the text a row of its own when the prompt fills a narrow screen", () => {
  const picture = new PictureBuilder().build([], viewOf("hello", 5, "one-very-long-prompt-that-fills> "), {
    columns: 20,
    rows: 10,
  });
  assert.deepEqual(picture.rows, ["one-very-long-prom…", "hello"]);
  assert.deepEqual([picture.cursorRow, picture.cursorColumn], [1, 5]);
});

Deno.test("PictureBuilder and a key cost little in a text of one million characters", () => {
  for (const letter of ["x", "é"]) {
    const editor = new LineEditor();
    editor.insert(letter.repeat(1024 * 1024));
    const builder = new PictureBuilder();
    const view: PromptView = { prompt: "> ", editor, isSecret: false, hint: undefined };
    const size = { columns: 80, rows: 24 };
    builder.build([], view, size);
    const startedAt = performance.now();
    for (let round = 0; round < 10; round++) {
      editor.insert("y");
      builder.build([], view, size);
      editor.handle({ name: "left", text: "", ctrl: false, alt: false, shift: false });
      builder.build([], view, size);
    }
    const perKeyMs = (performance.now() - startedAt) / 20;
    assert.ok(perKeyMs < 150, `${letter}: ${perKeyMs} ms for a key`);
  }
});

Deno.test("Painter: what is seen equals the picture, whatever was there before", async () => {
  const text = fc.string({ unit: fc.constantFrom(...LETTERS), maxLength: 100 });
  const step = fc.record({
    text,
    cursor: fc.nat(100),
    live: fc.array(fc.constantFrom("working", "still 中", "x".repeat(90)), { maxLength: 2 }),
    news: fc.array(fc.constantFrom("news", "long news ".repeat(8), "中中"), { maxLength: 2 }),
  });
  await fc.assert(
    fc.asyncProperty(
      fc.array(step, { maxLength: 8 }),
      fc.integer({ min: 20, max: 50 }),
      async (steps, columns) => {
        using screen = new ScreenEmulator(columns, 12);
        const painter = new Painter();
        const builder = new PictureBuilder();
        const printed: string[] = [];
        for (const { text, cursor, live, news } of steps) {
          const picture = builder.build(live, viewOf(text, cursor), screen.size);
          await screen.write(painter.paint(picture, news));
          printed.push(...news);
          const rows = screen.rows().map((row) => row.trimEnd());
          const seen = picture.rows.map((row) => withoutStyle(row).trimEnd());
          const top = screen.cursor().row - picture.cursorRow;
          while (rows.length < top + seen.length) rows.push("");
          assert.deepEqual(rows.slice(top), seen);
          assert.equal(screen.cursor().column, picture.cursorColumn);
          // What was printed is all there, once, in order, above.
          assert.equal(rows.slice(0, top).join("").replaceAll(" ", ""), printed.join("").replaceAll(" ", ""));
        }
      },
    ),
    { numRuns: 60 },
  );
});

Deno.test("Painter writes nothing when nothing changes, and no whole screen for one letter", () => {
  const painter = new Painter();
  const builder = new PictureBuilder();
  const size = { columns: 80, rows: 24 };
  painter.paint(builder.build(["status"], viewOf("hell"), size));
  assert.equal(painter.paint(builder.build(["status"], viewOf("hell"), size)), "");
  const one = painter.paint(builder.build(["status"], viewOf("hello"), size));
  assert.ok(one.length < 40 && !one.includes("status"), JSON.stringify(one));
});
