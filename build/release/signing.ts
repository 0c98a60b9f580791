// Signatures by minisign, which Debian, Ubuntu, Homebrew and Scoop have: https://jedisct1.github.io/minisign/
import { join } from "node:path";
import { PROJECT_FOLDER } from "../tool.ts";

/** The public key, once its owner has made and committed one: nobody else can. */
export const PUBLIC_KEY_FILE = join(PROJECT_FOLDER, "build", "release", "minisign.pub");

/** Variable that names the secret key, where no flag does. */
export const SECRET_KEY_VARIABLE = "MINI_CHAT_RELEASE_KEY";

/** Length of a secret key; minisign's page describes it. */
const SECRET_KEY_BYTES = 158;

const HOW_TO_MAKE_KEYS =
  "If there is no key yet, make one: minisign -G -p build/release/minisign.pub -s SECRET-FILE; " +
  "commit the public part, and keep the secret file in a safe place outside of the repository";

/** The files of a pair of keys. */
export interface KeyFiles {
  /** Undefined when nobody has said. */
  readonly secret: string | undefined;
  readonly public: string;
}

/** Signs with keys that were tried. */
export interface Signer {
  /** The key itself, one line of base64. */
  readonly publicKey: string;
  /** Writes `FILE.minisig`; `comment` is signed with it, and is shown to who verifies. */
  readonly sign: (path: string, comment: string) => Promise<void>;
}

/**
 * Tries the keys on something that does not matter, before a release is made.
 *
 * A password is read from standard input: asked for twice at a terminal, taken from its first line elsewhere.
 *
 * @throws {Error} minisign or a key is missing, the password is wrong, or the keys do not belong together.
 */
export async function tryKeys(files: KeyFiles): Promise<Signer> {
  const publicKey = await readPublicKey(files.public);
  if (files.secret === undefined) {
    throw new Error(
      `Cannot sign the release as no secret key is given: name its file with --key or ${SECRET_KEY_VARIABLE}. ${HOW_TO_MAKE_KEYS}`,
    );
  }
  const secret = files.secret;
  const password = await isEncrypted(secret) && !Deno.stdin.isTerminal() ? await readFirstLine() : undefined;
  const sign = async (path: string, comment: string) => {
    await minisign(["-S", "-s", secret, "-t", comment, "-m", path], password, `sign with ${secret}`);
    await minisign(
      ["-V", "-q", "-p", files.public, "-m", path],
      "",
      `sign: ${secret} and ${files.public} do not belong together`,
    );
  };
  const scratch = await Deno.makeTempDir({ prefix: "mini-chat-sign-" });
  try {
    const path = join(scratch, "probe");
    await Deno.writeTextFile(path, "probe\n");
    await sign(path, "probe");
  } finally {
    await Deno.remove(scratch, { recursive: true });
  }
  return { publicKey, sign };
}

async function readPublicKey(path: string): Promise<string> {
  const lines = (await readKeyFile(path, "public")).trim().split("\n");
  const key = lines.at(-1)?.trim() ?? "";
  if (!/^RW[\w+/]{54}$/.test(key)) {
    throw new Error(`Cannot sign the release: ${path} holds no public key of minisign`);
  }
  return key;
}

/** Whether the secret key asks for a password: bytes 2 and 3 of a minisign key name what it is encrypted by, or are zero. */
async function isEncrypted(path: string): Promise<boolean> {
  const [, key = ""] = (await readKeyFile(path, "secret")).split("\n");
  const bytes = bytesOf(key.trim());
  if (bytes?.length !== SECRET_KEY_BYTES) {
    throw new Error(`Cannot sign the release: ${path} holds no secret key of minisign`);
  }
  return bytes.subarray(2, 4).some((byte) => byte !== 0);
}

function bytesOf(base64: string): Uint8Array | undefined {
  try {
    return Uint8Array.fromBase64(base64);
  } catch {
    return undefined;
  }
}

async function readKeyFile(path: string, kind: string): Promise<string> {
  try {
    return await Deno.readTextFile(path);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    throw new Error(`Cannot sign the release: there is no ${kind} key at ${path}. ${HOW_TO_MAKE_KEYS}`);
  }
}

async function readFirstLine(): Promise<string> {
  const text = await new Response(Deno.stdin.readable).text();
  return text.split("\n")[0] ?? "";
}

/** `input` undefined: the person at the terminal answers. */
async function minisign(args: readonly string[], input: string | undefined, what: string): Promise<void> {
  const child = new Deno.Command("minisign", {
    args: [...args],
    stdin: input === undefined ? "inherit" : "piped",
    stdout: "null",
    stderr: input === undefined ? "inherit" : "piped",
  });
  let process: Deno.ChildProcess;
  try {
    process = child.spawn();
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    throw new Error(
      "Cannot sign the release: the program minisign is missing; on Debian: apt-get install minisign",
    );
  }
  if (input === undefined) {
    if (!(await process.status).success) throw new Error(`Cannot ${what}: minisign says why`);
    return;
  }
  const writer = process.stdin.getWriter();
  await writer.write(new TextEncoder().encode(`${input}\n`)).catch(() => {}); // a key without a password reads nothing
  await writer.close().catch(() => {});
  const { success, stderr } = await process.output();
  if (!success) throw new Error(`Cannot ${what}: ${new TextDecoder().decode(stderr).trim()}`);
}
