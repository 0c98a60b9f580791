/**
 * A community with people in it, made without a server: accounts, and a session token for each.
 * @module
 */
import { join } from "node:path";
import { DEFAULT_COST, Passwords } from "../../lib/chat/passwords.ts";
import { hashToken, newToken } from "../../lib/chat/login.ts";
import { dataPaths, prepareDataFolder } from "../../lib/server/data_folder.ts";
import { CERTIFICATE_FILE, KEY_FILE, loadOrCreateIdentity } from "../../lib/net/identity.ts";
import { openLocalStore, openSharedStore } from "../../lib/store/open.ts";
import { openProfile } from "../../lib/profile/profile.ts";
import type { ServerStore } from "../../lib/chat/operator_store.ts";
import { IdMaker, TEXT } from "./load.ts";

/** Somebody with an account. */
export interface Person {
  readonly accountId: number;
  readonly name: string;
  /** Opens a session. */
  readonly token: string;
  readonly deviceId: string;
}

/** The password of every {@linkcode Person}. */
export const PASSWORD = "correct horse battery staple";

let sharedHash: Promise<string> | undefined; // of the one password, since a hash takes half a second

/** Calls that share a transaction while the folder is filled. */
const GROUP = 1_000;

/** No limit on what a mailbox takes. */
const LIMITS = { mailboxMessages: Number.MAX_SAFE_INTEGER, mailboxBytes: Number.MAX_SAFE_INTEGER };

/** Where a community keeps what it knows: a data folder, or the folder of its key and a database on PostgreSQL. */
export type Home = string | SharedHome;

/** A home that several servers can share. */
export interface SharedHome {
  /** Data folder with the community's key, which is made if there is none. */
  readonly data: string;
  /** URL. */
  readonly database: string;
}

/** Opens the store of a home that no server uses, and makes its key if there is none. */
export async function openFolder(home: Home): Promise<ServerStore> {
  const paths = await prepareDataFolder(typeof home === "string" ? home : home.data);
  const { fingerprint } = await loadOrCreateIdentity(paths.folder); // no server starts on a database without its key
  if (typeof home === "string") return openLocalStore(paths.database, { limits: LIMITS });
  return openSharedStore(home.database, { limits: LIMITS, fingerprint });
}

/** The database file of a data folder. */
export function databaseOf(folder: string): string {
  return dataPaths(folder).database;
}

/** Adds people. Their names are `prefix` and a number, padded so that they sort by it. */
export function addPeople(home: Home, prefix: string, amount: number): Promise<Person[]> {
  return addNamed(home, Array.from({ length: amount }, (_, index) => nameOf(prefix, index)));
}

/** Adds people with these names. */
export async function addNamed(home: Home, names: readonly string[]): Promise<Person[]> {
  await using store = await openFolder(home);
  const passwordHash = await hashOfAll();
  return await inGroups(names.length, async (index) => {
    const name = names[index]!;
    const token = newToken();
    const device = { tokenHash: hashToken(token), deviceName: "bench" };
    const { accountId, deviceId } = await store.registerAccount({
      name,
      passwordHash,
      joinCode: null,
      ...device,
    });
    return { accountId, name, token, deviceId };
  });
}

/** The name of one of {@linkcode addPeople}'s. */
export function nameOf(prefix: string, index: number): string {
  return `${prefix}${String(index).padStart(6, "0")}`;
}

/** One hash for everybody: each costs a third of a second. */
function hashOfAll(): Promise<string> {
  return sharedHash ??= new Passwords(DEFAULT_COST).hash(PASSWORD);
}

/** Gives a folder the key that another one has, for one more server of the same community. */
export async function copyKey(from: string, to: string): Promise<void> {
  for (const name of [KEY_FILE, CERTIFICATE_FILE]) await Deno.copyFile(join(from, name), join(to, name));
}

/** Signs somebody in on one more device. */
export async function addDevice(home: Home, { accountId, name }: Person): Promise<Person> {
  await using store = await openFolder(home);
  const token = newToken();
  const { deviceId } = await store.openLogin({
    accountId,
    passwordHash: await hashOfAll(),
    newPasswordHash: null,
    connectedDeviceIds: [],
    tokenHash: hashToken(token),
    deviceId: null,
    deviceName: "another",
  });
  return { accountId, name, token, deviceId };
}

/** Makes a client's profile in which somebody trusts the server at a port of this machine, and is signed in. */
export function makeProfile(folder: string, port: number, certificate: string, person: Person): void {
  using profile = openProfile(folder);
  const server = profile.saveServer({ host: "127.0.0.1", port, certificate, fingerprint: null });
  profile.saveLogin({ serverId: server.serverId, name: person.name }, person);
}

/** Stores messages as their senders would have, sender by sender to the recipient at the same place. */
export async function addMessages(
  home: Home,
  senders: readonly Person[],
  recipients: readonly Person[],
  amount: number,
  text = TEXT,
): Promise<void> {
  await using store = await openFolder(home);
  const ids = new IdMaker();
  await inGroups(amount, (index) =>
    store.sendMessage({
      senderId: senders[index % senders.length]!.accountId,
      id: ids.next(),
      to: recipients[index % recipients.length]!.name,
      text,
    }));
}

/** Size of a data folder's database with its log, in bytes. */
export function databaseBytes(folder: string): number {
  let bytes = 0;
  for (const name of ["mini-chat.db", "mini-chat.db-wal"]) {
    try {
      bytes += Deno.statSync(join(folder, name)).size;
    } catch {
      // The log is not there while nobody has the database open.
    }
  }
  return bytes;
}

async function inGroups<T>(amount: number, make: (index: number) => Promise<T>): Promise<T[]> {
  const made: T[] = [];
  while (made.length < amount) {
    const first = made.length;
    const length = Math.min(GROUP, amount - first);
    made.push(...await Promise.all(Array.from({ length }, (_, index) => make(first + index))));
  }
  return made;
}
