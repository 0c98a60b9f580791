// Texts in PostgreSQL, which holds any character but U+0000: a text is stored without them, and with their places.
/** A text as the columns hold it. */
export interface StoredText {
  readonly text: string;
  readonly nul_at: readonly number[] | null; // where U+0000 stood in the whole text, in UTF-16 units; null for nowhere
}

export function storedText(whole: string): StoredText {
  // As in SQLite's files, a lone half of a surrogate pair becomes U+FFFD: UTF-8 has no word for it.
  const text = whole.toWellFormed();
  if (!text.includes("\0")) return { text, nul_at: null };
  const places = [...text.matchAll(/\0/g)].map(({ index }) => index);
  return { text: text.replaceAll("\0", ""), nul_at: places };
}

export function wholeText({ text, nul_at }: StoredText): string {
  if (nul_at === null) return text;
  let whole = "";
  let taken = 0;
  for (const place of nul_at) {
    const until = taken + place - whole.length;
    whole += text.slice(taken, until) + "\0";
    taken = until;
  }
  return whole + text.slice(taken);
}

/** The places as PostgreSQL writes an array of them. */
export function placesAsText(nulAt: readonly number[] | null): string | null {
  return nulAt === null ? null : `{${nulAt.join(",")}}`;
}
