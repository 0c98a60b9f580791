// Takes out of a macOS executable what `deno compile` has put into it: for Intel, bytes behind the names of the symbols; for ARM, a
// segment of its own before the last one. Apple's "Mach-O File Format Reference" and <mach-o/loader.h> say what the commands hold.

const HEADER_BYTES = 32;
const LC_SEGMENT_64 = 0x19;
const LC_SYMTAB = 0x2;

/** Where each command keeps offsets into the last segment, in bytes from the command's start. */
const OFFSETS: Readonly<Record<number, readonly number[]>> = {
  [LC_SYMTAB]: [8, 16],
  0xb: [32, 40, 48, 56, 64, 72], // LC_DYSYMTAB
  0x1d: [8], // LC_CODE_SIGNATURE
  0x26: [8], // LC_FUNCTION_STARTS
  0x29: [8], // LC_DATA_IN_CODE
  0x80000022: [8, 16, 24, 32, 40], // LC_DYLD_INFO_ONLY
};

interface Command {
  readonly kind: number;
  readonly start: number; // bytes from the start of the file
  readonly segment: string; // its name; empty for another kind
}

/** The commands, and what numbers of the file are read and written through. */
function readCommands(
  file: Uint8Array<ArrayBuffer>,
): { commands: Command[]; numbers: DataView<ArrayBuffer> } {
  const numbers = new DataView(file.buffer, file.byteOffset, file.byteLength);
  const commands: Command[] = [];
  let start = HEADER_BYTES;
  for (let index = numbers.getUint32(16, true); index > 0; index--) {
    const kind = numbers.getUint32(start, true);
    const name = new TextDecoder().decode(file.subarray(start + 8, start + 24)).replace(/\0+$/, "");
    commands.push({ kind, start, segment: kind === LC_SEGMENT_64 ? name : "" });
    start += numbers.getUint32(start + 4, true);
  }
  return { commands, numbers };
}

function find(commands: readonly Command[], segment: string): Command {
  const command = commands.find((command) => command.segment === segment);
  if (command === undefined) throw new Error(`Cannot find the segment ${segment}`);
  return command;
}

/** Lessens a 64-bit number of the file. */
function lessen(numbers: DataView, at: number, by: number): void {
  numbers.setBigUint64(at, numbers.getBigUint64(at, true) - BigInt(by), true);
}

/** Intel: cuts the file at `end`, and says so in the lengths of the last segment and of the names of the symbols. */
export function withoutAddedSymbols(original: Uint8Array<ArrayBuffer>, end: number): Uint8Array<ArrayBuffer> {
  const file = original.slice();
  const added = file.length - end;
  const { commands, numbers } = readCommands(file);
  const last = find(commands, "__LINKEDIT").start;
  lessen(numbers, last + 32, added); // length in memory
  lessen(numbers, last + 48, added); // length in the file
  for (const { kind, start } of commands) {
    if (kind === LC_SYMTAB) numbers.setUint32(start + 20, numbers.getUint32(start + 20, true) - added, true);
  }
  return file.subarray(0, end);
}

/** ARM: removes the segment `__SUI` with its command, and moves what is behind it to where it was. */
export function withoutAddedSegment(original: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
  const file = original.slice();
  const { commands, numbers } = readCommands(file);
  const added = find(commands, "__SUI").start;
  const from = Number(numbers.getBigUint64(added + 40, true));
  const length = Number(numbers.getBigUint64(added + 48, true));
  const last = find(commands, "__LINKEDIT").start;
  lessen(numbers, last + 24, length); // place in memory
  lessen(numbers, last + 40, length); // place in the file
  for (const { kind, start } of commands) {
    for (const offset of OFFSETS[kind] ?? []) {
      const place = numbers.getUint32(start + offset, true);
      if (place >= from + length) numbers.setUint32(start + offset, place - length, true);
    }
  }
  const commandBytes = numbers.getUint32(added + 4, true);
  const commandsEnd = HEADER_BYTES + numbers.getUint32(20, true);
  numbers.setUint32(16, commands.length - 1, true);
  numbers.setUint32(20, commandsEnd - HEADER_BYTES - commandBytes, true);
  file.copyWithin(added, added + commandBytes, commandsEnd);
  file.fill(0, commandsEnd - commandBytes, commandsEnd);
  file.copyWithin(from, from + length);
  return file.subarray(0, file.length - length);
}
