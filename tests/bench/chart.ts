/**
 * The chart: one bar for each figure that has a target, as a share of that target, so that all are on one scale.
 * @module
 */
import type { Line } from "./report.ts";

const WIDTH = 900;
const LABEL_WIDTH = 210;
const VALUE_WIDTH = 190;
const ROW_HEIGHT = 26;
const TOP = 56;
/** Longest bar, as a multiple of the target; what is better is cut there, and says so by its number. */
const LONGEST = 4;

/** Draws the lines that have a target, as SVG that reads well on white and on black. */
export function drawChart(lines: readonly Line[]): string {
  const rows = lines.filter(({ ratio, target }) => ratio !== undefined && target !== undefined);
  const room = WIDTH - LABEL_WIDTH - VALUE_WIDTH;
  const unit = room / LONGEST;
  const height = TOP + rows.length * ROW_HEIGHT + 16;
  const bars = rows.map((line, index) => {
    const times = timesTarget(line);
    const y = TOP + index * ROW_HEIGHT;
    const width = Math.max(1, Math.min(times, LONGEST) * unit);
    const color = line.isMet ? "#2a7f62" : "#b5442e";
    const value = `${compact(line.value)} ${line.unit}, ${times.toFixed(2)}× target${
      line.isMet ? "" : " (missed)"
    }`;
    return `  <text x="${LABEL_WIDTH - 10}" y="${y + 15}" text-anchor="end">${escapeXml(line.key)}</text>
  <rect x="${LABEL_WIDTH}" y="${y + 2}" width="${width.toFixed(1)}" height="18" fill="${color}"/>
  <text x="${(LABEL_WIDTH + width + 6).toFixed(1)}" y="${y + 15}">${escapeXml(value)}</text>`;
  });
  const targetX = LABEL_WIDTH + unit;
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${height}" viewBox="0 0 ${WIDTH} ${height}" role="img" aria-label="Each figure as a multiple of its target">
  <style>text { font: 12px sans-serif; fill: #222 } .title { font-size: 15px; font-weight: bold }</style>
  <rect width="${WIDTH}" height="${height}" fill="#fff"/>
  <text class="title" x="12" y="22">Mini-Chat: how far beyond its target each figure is</text>
  <text x="12" y="40">1 is the target, a ratio to the machine's own limit measured in the same run; longer is better, whatever the unit.</text>
${bars.join("\n")}
  <line x1="${targetX}" y1="${TOP - 6}" x2="${targetX}" y2="${
    height - 10
  }" stroke="#222" stroke-dasharray="4 3"/>
</svg>
`;
}

/** How many times as good as it must be: 1 is just met, whichever way is better. */
function timesTarget({ ratio, target }: Line): number {
  return target!.must === "be at least" ? ratio! / target!.factor : target!.factor / ratio!;
}

function compact(value: number): string {
  if (value >= 1000) return Math.round(value).toLocaleString("en");
  return value >= 10 ? value.toFixed(0) : value.toPrecision(2);
}

function escapeXml(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}
