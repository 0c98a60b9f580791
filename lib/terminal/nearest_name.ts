import { closest, distance } from "fastest-levenshtein";

/** Beyond so many wrong letters, another name was not meant. */
const MAX_TYPOS = 2;

/** The name that is nearest to a word, in lower case; null where none is near. */
export function nearestName(word: string, names: readonly string[]): string | null {
  const typed = word.toLowerCase();
  const near = closest(typed, names);
  return distance(typed, near) <= Math.min(MAX_TYPOS, word.length - 1) ? near : null;
}
