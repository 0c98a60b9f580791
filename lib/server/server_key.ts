// The key by which clients know a server: where it is, what may be made, and what to do when it is lost.
import { X509Certificate } from "node:crypto";
import { join } from "node:path";
import type { Log } from "../chat/services.ts";
import { UsageError } from "../errors.ts";
import {
  CERTIFICATE_FILE,
  CERTIFICATE_NAME,
  type Identity,
  KEY_FILE,
  loadIdentity,
  loadOrCreateIdentity,
} from "../net/identity.ts";
import { type DataPaths, isThere } from "./data_folder.ts";
import type { KeyOptions, ServeOptions } from "./options.ts";

/** Where an operator who has lost the key or its certificate finds it. */
export const WHERE_KEYS_ARE = `mini-chat-server restore BACKUP --data OTHER puts the ${KEY_FILE} and ` +
  `${CERTIFICATE_FILE} of a backup into another folder, from which you copy both`;

/**
 * The key and certificate that a server with these options shows to callers. Of its own ones, what is missing is made.
 * @param onMade Told which file was made, as by `loadOrCreateIdentity`.
 * @throws {UsageError} They cannot be read or used.
 */
export async function loadServerIdentity(
  { cert, key }: KeyOptions,
  { folder }: Pick<DataPaths, "folder">,
  onMade?: Parameters<typeof loadOrCreateIdentity>[1],
): Promise<Identity> {
  if (cert !== undefined && key !== undefined) return await loadIdentity(cert, key);
  try {
    return await loadOrCreateIdentity(folder, onMade);
  } catch (error) {
    if (!(error instanceof UsageError) || !await isThere(join(folder, KEY_FILE))) throw error;
    throw new UsageError(`${error.message}. ${WHERE_KEYS_ARE}`, { cause: error });
  }
}

/**
 * As {@linkcode loadServerIdentity}, for a server that starts: a database whose key is gone gets no other one unasked, as that
 * would shut out every client.
 * @throws {UsageError} The database is there without its key, and no new one was asked for; or it was, and there is a key.
 */
export async function identityForStart(
  options: Pick<ServeOptions, "cert" | "key" | "newKey">,
  paths: DataPaths,
  log: Log,
): Promise<Identity> {
  const { newKey = false } = options;
  if (options.cert === undefined) await checkKeyMayBeMade(paths, newKey);
  const identity = await loadServerIdentity(options, paths, (file) => {
    if (file === CERTIFICATE_FILE) log.warn("the certificate was gone: made anew for the same key", { file });
    else if (newKey) log.warn("made a new key: clients that know another one do not connect", { file });
  });
  if (!isPinnedForSure(identity)) {
    log.warn(
      `the certificate is signed by itself, and not for ${CERTIFICATE_NAME}: clients would also take another key for which an ` +
        `authority vouches under its name; make it with subjectAltName=DNS:${CERTIFICATE_NAME}`,
    );
  }
  return identity;
}

/** Whether clients take no other key: Deno's TLS trusts authorities beside the pin, and none of them can vouch for our name. */
function isPinnedForSure({ certificatePem }: Identity): boolean {
  const { issuer, subject, subjectAltName = "" } = new X509Certificate(certificatePem);
  return issuer !== subject || subjectAltName.split(", ").includes(`DNS:${CERTIFICATE_NAME}`);
}

async function checkKeyMayBeMade({ folder, database }: DataPaths, isAgreed: boolean): Promise<void> {
  const keyPath = join(folder, KEY_FILE);
  const [hasKey, hasDatabase] = await Promise.all([isThere(keyPath), isThere(database)]);
  if (isAgreed && hasKey) {
    throw new UsageError(
      `Cannot make a new key as ${keyPath} is there: start without --new-key, or move it out of the folder first`,
    );
  }
  if (isAgreed || hasKey || !hasDatabase) return;
  throw new UsageError(
    `Cannot start: ${folder} holds a database without its ${KEY_FILE}, by which the clients know this server. Put ${KEY_FILE} ` +
      `and ${CERTIFICATE_FILE} back (${WHERE_KEYS_ARE}), or name them with --cert and --key. If the key is lost for good, ` +
      "start once with --new-key: every client then says that the key has changed and does not connect, until its person types " +
      "forget-server, which drops the login and unsent messages there, and connects with a new invite link",
  );
}

/** For what must not make a key: it would be another one than the clients know. @throws {UsageError} It is not there. */
export async function checkKeyIsThere({ folder }: DataPaths): Promise<void> {
  try {
    await Deno.stat(join(folder, KEY_FILE));
  } catch (cause) {
    const words =
      `Cannot find ${KEY_FILE} in ${folder}: copy server.key and server.crt of the community into it, or name ` +
      "them with --cert and --key";
    throw new UsageError(words, { cause });
  }
}
