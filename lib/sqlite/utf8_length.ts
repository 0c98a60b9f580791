/**
 * How long a text is in UTF-8.
 * @module
 */

/**
 * Counts the UTF-8 bytes of a text without encoding it. An unpaired surrogate counts as 3, as U+FFFD, which replaces it.
 *
 * @param text Any text.
 */
export function utf8Length(text: string): number {
  let bytes = text.length;
  for (let index = 0; index < text.length; index++) {
    const unit = text.charCodeAt(index);
    if (unit < 0x80) continue;
    if (unit < 0x800) {
      bytes += 1;
      continue;
    }
    bytes += 2;
    // The two units of a pair are one character of 4 bytes: 2 more than its units.
    if (unit >= 0xd800 && unit < 0xdc00 && isLowSurrogate(text.charCodeAt(index + 1))) index++;
  }
  return bytes;
}

function isLowSurrogate(unit: number): boolean {
  return unit >= 0xdc00 && unit < 0xe000;
}
