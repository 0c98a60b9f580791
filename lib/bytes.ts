const UNITS = ["B", "kB", "MB", "GB", "TB", "PB"] as const;

/** A number of bytes for people, in powers of 1000: `812 B`, `2.5 MB`, `14 kB`. */
export function formatBytes(bytes: number): string {
  let value = bytes;
  let unit = 0;
  // 999.5 would be shown as 1000.
  while (value >= 999.5 && unit < UNITS.length - 1) {
    value /= 1000;
    unit += 1;
  }
  const digits = unit > 0 && value < 9.95 ? 1 : 0; // 9.95 would be shown as 10.0
  return `${value.toFixed(digits)} ${UNITS[unit]}`;
}
