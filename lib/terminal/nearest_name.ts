import { closest, distance } from "fastest-levenshtein";

/** Beyond so many wrong letters, another name was not meant. */
const MAX_TYPOS = 2;

/** So many letters of a name's beginning are enough to mean it, where no other begins so. */
const MEANT_LETTERS = 3;

/** The name that is nearest to a word, in lower case, or that alone begins with it; null where none is near. */
export function nearestName(word: string, names: readonly string[]): string | null {
  const typed = word.toLowerCase();
  const begun = typed.length < MEANT_LETTERS ? [] : names.filter((name) => name.startsWith(typed));
  if (begun.length === 1) return begun[0]!;
  const near = closest(typed, names);
  return distance(typed, near) <= Math.min(MAX_TYPOS, word.length - 1) ? near : null;
}
