// The file of a server's own CA.
import { systemReasonOf, UsageError } from "../../../errors.ts";

const PEM_BEGIN = "-----BEGIN CERTIFICATE-----";

/** @throws {UsageError} It cannot be read, or holds no certificate. */
export async function readCaFile(path: string): Promise<string> {
  const text = await Deno.readTextFile(path).catch((error) => {
    throw new UsageError(`Cannot read the CA file ${path}: ${systemReasonOf(error)}`, { cause: error });
  });
  if (text.includes(PEM_BEGIN)) return text;
  throw new UsageError(`Cannot use the CA file ${path}: it holds no certificate (PEM, "${PEM_BEGIN}")`);
}
