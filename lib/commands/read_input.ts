import { UsageError } from "../errors.ts";

/** More than any text that is given on standard input, be it a mail's. */
const MAX_BYTES = 64 * 1024 * 1024;

/**
 * All of a program's standard input, as text.
 * @throws {UsageError} It does not end within 64 MiB, or so many bytes as are given.
 */
export async function readAllInput(
  input: AsyncIterable<Uint8Array>,
  maxBytes: number = MAX_BYTES,
): Promise<string> {
  const decoder = new TextDecoder();
  let text = "";
  let bytes = 0;
  for await (const chunk of input) {
    bytes += chunk.length;
    if (bytes > maxBytes) {
      throw new UsageError(
        `Cannot take standard input: it has more than ${maxBytes} bytes; a file goes through a direct chat`,
      );
    }
    text += decoder.decode(chunk, { stream: true });
  }
  return text + decoder.decode();
}
