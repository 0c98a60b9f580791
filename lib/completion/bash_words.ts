// A line as bash takes it apart, and words as bash wants them typed. Nothing is expanded: `$x` and `$(x)` stay what they are.

export interface BashWords {
  readonly words: readonly string[]; // without their quotes; the last one, maybe empty, ends with the line
  readonly raw: string; // the last one as it is typed, but for a quote that opens it
  readonly quote: "" | "'" | '"'; // that is open where the line ends
}

export function bashWords(line: string): BashWords {
  const words: string[] = [];
  let word: string | null = null; // null between two words
  let quote: BashWords["quote"] = "";
  let start = 0;
  for (let at = 0; at < line.length; at++) {
    const char = line[at]!;
    if (quote === "" && /\s/.test(char)) {
      if (word !== null) words.push(word);
      word = null;
      continue;
    }
    if (word === null) start = at;
    word ??= "";
    if (char === quote) quote = "";
    else if (quote === "" && (char === "'" || char === '"')) quote = char;
    else if (char !== "\\" || quote === "'") word += char;
    // In double quotes a backslash is one, unless it stands before a character that means something there.
    else if (quote === '"' && !/["$`\\]/.test(line[at + 1] ?? "")) word += char;
    else word += line[++at] ?? "";
  }
  const raw = word === null ? "" : line.slice(start).replace(/^['"]/, "");
  return { words: [...words, word ?? ""], raw, quote };
}

/** A word to be put where a quote is open, or none; null where it cannot be. */
export function quoteForBash(word: string, quote: BashWords["quote"]): string | null {
  // In quotes `!` would fetch a line typed before, and `'` would end them.
  if (quote === "'") return /['!]/.test(word) ? null : word;
  if (quote === '"') return word.includes("!") ? null : word.replaceAll(/["$`\\]/g, "\\$&");
  return word.replaceAll(/[^\p{L}\p{N}_.,:=@%+/-]/gu, "\\$&");
}
