// A picture holds what the screen showed.
import assert from "node:assert/strict";
import { testWith } from "../helpers/needs.ts";
import { ScreenEmulator } from "../helpers/screen_emulator.ts";
import { drawWindow, THEMES } from "./svg.ts";
import { ShellWindow } from "./shell_window.ts";

const FRAME = { title: "ana & bob", columns: 40 };

function unescape(text: string): string {
  return text.replace(/&#(\d+);/g, (_, code) => String.fromCharCode(Number(code)));
}

/** The text of each row, put together again from where each piece of it stands. */
function readRows(svg: string): string[] {
  return [...svg.matchAll(/<text y="\d+">(.*?)<\/text>/g)].map(([, spans = ""]) => {
    let row = "";
    let column = 0;
    for (
      const [, x, , , text] of spans.matchAll(
        /<tspan x="([\d.]+)"( textLength="[\d.]+")?( style="[^"]*")?>(.*?)<\/tspan>/g,
      )
    ) {
      const at = Math.round((Number(x) - 16) / 8.4);
      row += " ".repeat(at - column) + unescape(text!);
      column = at +
        [...unescape(text!)].reduce(
          (sum, character) => sum + (/\p{Emoji_Presentation}/u.test(character) ? 2 : 1),
          0,
        );
    }
    return row;
  });
}

Deno.test("drawWindow() has each character at its column, in its colour of the theme, and says it in words", async () => {
  using screen = new ScreenEmulator(40, 5);
  await screen.write(
    '\x1b[1m$\x1b[0m say \x1b[31m<b>\x1b[0m  "wide   gap"\r\nПривет 👋 мир\r\n  \x1b[7m inverse \x1b[0m',
  );
  for (const theme of Object.values(THEMES)) {
    const svg = drawWindow(screen.styledRows(), FRAME, theme);
    assert.deepEqual(readRows(svg), ['$ say <b>  "wide   gap"', "Привет 👋 мир", "   inverse"]);
    assert.ok(svg.includes(`style="fill:${theme.palette[1]}">&#60;b&#62;</tspan>`), svg);
    assert.match(svg, /<tspan x="16" style="font-weight:bold">\$<\/tspan>/);
    assert.ok(svg.includes(`<rect x="32.8" y="82" width="75.6" height="19" fill="${theme.text}"/>`), svg);
    assert.equal(/<title id="t">(.*)<\/title>/.exec(svg)?.[1], "ana &#38; bob");
    const [, description = ""] = /<desc id="d">([^]*)<\/desc>/.exec(svg) ?? [];
    assert.equal(unescape(description).replaceAll(/ +$/gm, ""), screen.text());
  }
});

Deno.test("THEMES have no text that is hard to read on its background", () => {
  for (const { back, bar, text, title, palette } of Object.values(THEMES)) {
    for (const colour of [text, title, ...palette]) {
      assert.ok(contrast(colour, back) >= 4.5, `${colour} on ${back}`);
    }
    assert.ok(contrast(title, bar) >= 4.5);
  }
});

testWith(
  ["linux", { command: "script" }, { command: "bash" }],
  "a window shows what a real program prints to a terminal",
  async () => {
    await using shell = new ShellWindow({ columns: 40, rows: 10 });
    await shell.sees(/\$$/);
    await shell.types("stty size; printf '\\033[32m%s\\033[0m\\n' green");
    await shell.sees(/^10 40\ngreen\n\$$/m);
    const svg = drawWindow(shell.screen.styledRows(), FRAME, THEMES.dark);
    assert.ok(
      svg.includes(`<tspan x="16" textLength="42" style="fill:${THEMES.dark.palette[2]}">green</tspan>`),
      svg,
    );
  },
);

/** By WCAG 2.2, "contrast ratio". */
function contrast(one: string, other: string): number {
  const [light = 0, dark = 0] = [luminance(one), luminance(other)].sort((a, b) => b - a);
  return (light + 0.05) / (dark + 0.05);
}

function luminance(colour: string): number {
  const [red = 0, green = 0, blue = 0] = [1, 3, 5].map((at) => {
    const part = parseInt(colour.slice(at, at + 2), 16) / 255;
    return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
}
