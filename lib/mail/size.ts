/** A size in the unit that a person reads: `812 B`, `14 KB`, `2.5 MB` (1 KB = 1,000 bytes, as file managers count). */
export function formatBytes(bytes: number): string {
  if (bytes < 1_000) return `${bytes} B`;
  if (bytes < 1_000_000) return `${Math.round(bytes / 1_000)} KB`;
  return `${(bytes / 1_000_000).toFixed(1)} MB`;
}
