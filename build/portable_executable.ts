// The last section of a Windows executable, where `deno compile` puts a program as a resource. Microsoft's "PE Format" says what the
// headers hold.

const SECTION_BYTES = 40; // of a section's header
const RESOURCES = 2; // place of the resources among the data directories

/** Where the headers of a 64-bit executable keep what is read and changed here, in bytes from the start of the file. */
function readHeaders(file: Uint8Array) {
  const numbers = new DataView(file.buffer, file.byteOffset, file.byteLength);
  const signature = numbers.getUint32(0x3c, true);
  const optional = signature + 24;
  const amount = signature + 6;
  const sections = optional + numbers.getUint16(signature + 20, true);
  return {
    numbers,
    amount, // of sections
    imageBytes: optional + 56,
    alignment: optional + 32,
    resources: optional + 112 + 8 * RESOURCES,
    last: sections + SECTION_BYTES * (numbers.getUint16(amount, true) - 1),
  };
}

/** Whether Windows loads all that lies in the last section, with the resources: what a section is long in memory is said beside it. */
export function isLoadedWhole(file: Uint8Array): boolean {
  const { numbers, imageBytes, resources, last } = readHeaders(file);
  const start = numbers.getUint32(last + 12, true);
  const end = numbers.getUint32(resources, true) + numbers.getUint32(resources + 4, true);
  return end <= start + numbers.getUint32(last + 8, true) && end <= numbers.getUint32(imageBytes, true);
}

/**
 * Removes the section `.pedata` with all that is in it. It has to go: `deno compile` would use it again, and leave its length in
 * memory as it is, so that Windows would load only the beginning of a longer program.
 */
export function withoutAddedSection(original: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
  const file = original.slice();
  const { numbers, amount, imageBytes, alignment, resources, last } = readHeaders(file);
  const name = new TextDecoder().decode(file.subarray(last, last + 8)).replace(/\0+$/, "");
  if (name !== ".pedata") throw new Error(`Cannot find the section .pedata: the last one is ${name}`);
  const end = numbers.getUint32(last + 20, true);
  const before = last - SECTION_BYTES;
  const bytes = numbers.getUint32(before + 8, true) + numbers.getUint32(before + 12, true);
  const unit = numbers.getUint32(alignment, true);
  numbers.setUint32(imageBytes, Math.ceil(bytes / unit) * unit, true);
  numbers.setUint16(amount, numbers.getUint16(amount, true) - 1, true);
  numbers.setBigUint64(resources, 0n, true);
  file.fill(0, last, last + SECTION_BYTES);
  return file.subarray(0, end);
}
