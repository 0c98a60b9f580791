// install.sh and install.ps1 as they are published: with the address of the release and the key that its checksums are signed with.
import { join } from "node:path";

/** Names of the scripts, here and beside the archives. */
const INSTALLERS: readonly string[] = ["install.sh", "install.ps1"];

/** What is written into them. */
export interface InstallerFacts {
  /** Folder of the downloads, without a slash at its end, as in the manifest. */
  readonly url: string;
  /** Public key of minisign, the line without its comment; empty leaves the scripts with the checksums alone. */
  readonly publicKey: string;
}

/**
 * Writes both scripts into the folder of a release.
 *
 * @throws {Error} the address or the key has characters that a script would not take literally.
 */
export async function writeInstallers(folder: string, { url, publicKey }: InstallerFacts): Promise<void> {
  if (!/^[\w:/.~%+@-]+$/.test(url)) {
    throw new Error(`Cannot write ${url} into the install scripts: give a plain address`);
  }
  if (!/^[\w+/=]*$/.test(publicKey)) {
    throw new Error(`Cannot write the public key into the install scripts: ${publicKey}`);
  }
  for (const name of INSTALLERS) {
    const script = await Deno.readTextFile(new URL(name, import.meta.url));
    const [urls, keys] = name.endsWith(".sh")
      ? [/^release_url=''$/m, /^public_key=''$/m]
      : [/^ *\$releaseUrl = ''$/m, /^ *\$publicKey = ''$/m];
    const filled = fill(fill(script, urls, url), keys, publicKey);
    await Deno.writeTextFile(join(folder, name), filled, { mode: name.endsWith(".sh") ? 0o755 : 0o644 });
  }
}

function fill(script: string, place: RegExp, value: string): string {
  if (!place.test(script)) throw new Error(`Cannot find ${place} in an install script`);
  return script.replace(place, (line) => line.replace("''", () => `'${value}'`));
}
