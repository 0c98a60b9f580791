// Pictures of a terminal, as SVG: the characters stay text, which scales, can be read aloud, and is small.
import type { StyledRun } from "../helpers/screen_emulator.ts";

/** Colours of a window: its own, and the 16 of the terminal in the order of ANSI. */
export interface Theme {
  readonly frame: string;
  readonly bar: string;
  readonly back: string;
  readonly text: string;
  readonly title: string;
  readonly palette: readonly string[];
}

/** Both themes; every colour of a text has a contrast of at least 4.5 to 1 on the background. */
export const THEMES: Readonly<Record<"light" | "dark", Theme>> = {
  light: {
    frame: "#c8ccd2",
    bar: "#eceef1",
    back: "#ffffff",
    text: "#1f2328",
    title: "#57606a",
    palette: (
      "#1f2328 #b3261e #116329 #7d4e00 #0550ae #6639ba #0b6570 #57606a " +
      "#57606a #b3261e #116329 #7d4e00 #0550ae #6639ba #0b6570 #1f2328"
    ).split(" "),
  },
  dark: {
    frame: "#3d444d",
    bar: "#21262d",
    back: "#0d1117",
    text: "#e6edf3",
    title: "#9198a1",
    palette: (
      "#8b949e #ff7b72 #56d364 #e3b341 #79c0ff #d2a8ff #56d4dd #e6edf3 " +
      "#9198a1 #ff7b72 #56d364 #e3b341 #79c0ff #d2a8ff #56d4dd #ffffff"
    ).split(" "),
  },
};

/** What is around the text. */
export interface Frame {
  /** Shown in the bar of the window, and the picture's name for who cannot see it. */
  readonly title: string;
  /** Width of the terminal. */
  readonly columns: number;
}

// Of a character, in units of the picture: DejaVu Sans Mono, Menlo and most others are 0.6 as wide as high.
const SIZE = 14;
const WIDTH = 8.4;
const LINE = 19;
const PADDING = 16;
const BAR = 32;

/**
 * Draws rows as a window.
 *
 * @returns A whole file. Its `desc` holds the rows as plain text.
 */
export function drawWindow(
  rows: readonly (readonly StyledRun[])[],
  { title, columns }: Frame,
  theme: Theme,
): string {
  const width = Math.ceil(columns * WIDTH + 2 * PADDING);
  const height = BAR + rows.length * LINE + 2 * PADDING - 8;
  const lines = rows.flatMap((runs, index) => runs.length === 0 ? [] : [drawRow(runs, index, theme)]);
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img" aria-labelledby="t d">`,
    `<title id="t">${escape(title)}</title>`,
    `<desc id="d">${escape(rows.map(plain).join("\n"))}</desc>`,
    `<style>text{font:${SIZE}px ui-monospace,Menlo,Consolas,"DejaVu Sans Mono",monospace;white-space:pre;fill:${theme.text}}</style>`,
    `<rect x=".5" y=".5" width="${width - 1}" height="${
      height - 1
    }" rx="8" fill="${theme.back}" stroke="${theme.frame}"/>`,
    `<path d="M.5 ${BAR}V8.5a8 8 0 0 1 8-8H${
      width - 8.5
    }a8 8 0 0 1 8 8V${BAR}z" fill="${theme.bar}" stroke="${theme.frame}"/>`,
    ...[0, 1, 2].map((index) =>
      `<circle cx="${18 + index * 18}" cy="${BAR / 2}" r="5" fill="${theme.frame}"/>`
    ),
    `<text x="${width / 2}" y="${BAR / 2 + 5}" text-anchor="middle" style="fill:${theme.title}">${
      escape(title)
    }</text>`,
    ...lines,
    `</svg>`,
    ``,
  ].join("\n");
}

/** A row as plain text. */
function plain(runs: readonly StyledRun[]): string {
  let text = "";
  let column = 0;
  for (const run of runs) {
    text += " ".repeat(run.column - column) + run.text;
    column = run.column + run.columns;
  }
  return text;
}

function drawRow(runs: readonly StyledRun[], index: number, theme: Theme): string {
  const top = BAR + PADDING - 4 + index * LINE;
  const boxes = runs.flatMap((run) => {
    const fill = run.isInverse ? look(run.foreground, theme) ?? theme.text : look(run.background, theme);
    if (fill === undefined) return [];
    return [
      `<rect x="${x(run.column)}" y="${top}" width="${
        round(run.columns * WIDTH)
      }" height="${LINE}" fill="${fill}"/>`,
    ];
  });
  const spans = runs.flatMap(words).map((run) => {
    const fill = run.isInverse ? look(run.background, theme) ?? theme.back : look(run.foreground, theme);
    const style = [
      ...(fill === undefined ? [] : [`fill:${fill}`]),
      ...(run.isBold ? ["font-weight:bold"] : []),
      ...(run.isDim ? [`fill:${theme.title}`] : []),
      ...(run.isItalic ? ["font-style:italic"] : []),
      ...(run.isUnderlined ? ["text-decoration:underline"] : []),
    ].join(";");
    // Another font's characters are as wide as ours by that.
    const length = run.columns > 1 ? ` textLength="${round(run.columns * WIDTH)}"` : "";
    return `<tspan x="${x(run.column)}"${length}${style && ` style="${style}"`}>${escape(run.text)}</tspan>`;
  });
  return [...boxes, `<text y="${top + 14}">${spans.join("")}</text>`].join("");
}

/** Parts of a run between wide gaps, so that each begins at its own column in every font; an emoji is one by itself. */
function words(run: StyledRun): StyledRun[] {
  const parts: StyledRun[] = [];
  if (run.columns !== run.text.length) { // wide characters: cell by cell
    let column = run.column;
    const characters = [...new Intl.Segmenter().segment(run.text)].map(({ segment }) => segment);
    const wide = characters.filter((it) => /\p{Emoji_Presentation}|\p{Script=Han}|\uFE0F/u.test(it));
    const isRegular = run.columns === characters.length + wide.length;
    if (!isRegular) return [run];
    for (const text of characters) {
      const columns = wide.includes(text) ? 2 : 1;
      if (text !== " ") parts.push({ ...run, column, text, columns });
      column += columns;
    }
    return parts;
  }
  for (const match of run.text.matchAll(/\S+(?: \S+)*/g)) {
    parts.push({ ...run, column: run.column + match.index, text: match[0], columns: match[0].length });
  }
  return parts;
}

/** A colour of a cell in a theme; undefined is the window's own. */
function look(value: number | string | undefined, theme: Theme): string | undefined {
  if (typeof value !== "number") return value;
  return theme.palette[value] ?? theme.text; // the programs use the 16 alone
}

function x(column: number): number {
  return round(PADDING + column * WIDTH);
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}

function escape(text: string): string {
  return text.replace(/[&<>"]/g, (character) => `&#${character.charCodeAt(0)};`);
}
