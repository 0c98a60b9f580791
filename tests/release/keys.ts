// Throw-away keys of minisign.
import assert from "node:assert/strict";
import { join } from "node:path";
import { type Signer, tryKeys } from "../../build/release/signing.ts";
import { runProgram } from "../helpers/program.ts";

/** A pair of keys without a password, in a folder that is made. */
export async function makeKeys(
  folder: string,
): Promise<
  { readonly files: { readonly secret: string; readonly public: string }; readonly signer: Signer }
> {
  await Deno.mkdir(folder, { recursive: true });
  const files = { secret: join(folder, "secret.key"), public: join(folder, "minisign.pub") };
  const { code, stderr } = await runProgram("minisign", ["-G", "-W", "-p", files.public, "-s", files.secret]);
  assert.equal(code, 0, stderr);
  return { files, signer: await tryKeys(files) };
}
