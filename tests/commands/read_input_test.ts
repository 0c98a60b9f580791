import assert from "node:assert/strict";
import { readAllInput } from "../../lib/commands/read_input.ts";
import { UsageError } from "../../lib/errors.ts";

Deno.test("readAllInput() joins what comes in pieces, and stops at an input that does not end: it once filled the memory", async () => {
  const bytes = new TextEncoder().encode("Привет 👋\n");
  async function* byteByByte() {
    for (const byte of bytes) yield await Promise.resolve(Uint8Array.of(byte));
  }
  assert.equal(await readAllInput(byteByByte(), bytes.length), "Привет 👋\n");
  await assert.rejects(readAllInput(byteByByte(), bytes.length - 1), UsageError);
  let chunks = 0;
  async function* endless() {
    for (;; chunks++) yield await Promise.resolve(new Uint8Array(64 * 1024));
  }
  await assert.rejects(
    readAllInput(endless(), 1024 * 1024),
    /^UsageError: Cannot take standard input: it has more than 1048576 bytes/,
  );
  assert.equal(chunks, 16);
});
