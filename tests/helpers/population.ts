/**
 * A community with people in it, made without registering: accounts, and a session token for each.
 * @module
 */
import { join } from "node:path";
import { hashToken, newToken } from "../../lib/chat/login.ts";
import { dataPaths, prepareDataFolder } from "../../lib/server/data_folder.ts";
import { CERTIFICATE_FILE, KEY_FILE, loadOrCreateIdentity } from "../../lib/net/identity.ts";
import { openLocalStore, openSharedStore } from "../../lib/store/open.ts";
import { openProfile } from "../../lib/profile/profile.ts";
import type { ServerStore } from "../../lib/chat/operator_store.ts";
import { IdMaker } from "./message_ids.ts";

/** Somebody with an account. */
export interface Person {
  readonly accountId: number;
  readonly name: string;
  /** Opens a session. */
  readonly token: string;
  readonly deviceId: string;
}

/** The password of every {@linkcode Person}. */
export const PASSWORD = "correct horse";

/** What the store keeps of {@linkcode PASSWORD}, at the cost of a real one: to make it anew takes half a second of a core. */
export const PASSWORD_HASH =
  "$scrypt$ln=17,r=8,p=1$rZFzuDhwGbhsvSWk+7Nrag$LfRwfam7AUgmDWvztVfhfwoZSO6eyMYjc6zzWMTcU54";

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
  return await inGroups(names.length, (index) => addTo(store, names[index]!));
}

/** Adds somebody with this name, beside the server that runs on a data folder. */
export async function addBeside(data: string, name: string): Promise<Person> {
  await using store = await openLocalStore(databaseOf(data));
  return await addTo(store, name);
}

async function addTo(store: ServerStore, name: string): Promise<Person> {
  const token = newToken();
  const { accountId, deviceId } = await store.registerAccount({
    name,
    passwordHash: PASSWORD_HASH,
    joinCode: null,
    tokenHash: hashToken(token),
    deviceName: "one",
  });
  return { accountId, name, token, deviceId };
}

/** The name of one of {@linkcode addPeople}'s. */
export function nameOf(prefix: string, index: number): string {
  return `${prefix}${String(index).padStart(6, "0")}`;
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
    passwordHash: PASSWORD_HASH,
    newPasswordHash: null,
    connectedDeviceIds: [],
    tokenHash: hashToken(token),
    deviceId: null,
    deviceName: "another",
  });
  return { accountId, name, token, deviceId };
}

/** Makes a client's profile in which somebody trusts the server at a port of this machine, and is signed in. */
export function makeProfile(
  folder: string,
  port: number,
  certificate: string,
  person: Person,
  fingerprint: string | null = null,
): void {
  using profile = openProfile(folder);
  const { serverId } = profile.saveServer({ host: "127.0.0.1", port, certificate, fingerprint });
  profile.saveLogin({ serverId, name: person.name }, person);
}

/** The certificate that the server of a data folder shows, in PEM. */
export function certificateOf(folder: string): Promise<string> {
  return Deno.readTextFile(join(folder, CERTIFICATE_FILE));
}

/** Stores messages as their senders would have, sender by sender to the recipient at the same place. */
export async function addMessages(
  home: Home,
  senders: readonly Person[],
  recipients: readonly Person[],
  amount: number,
  text: string,
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

async function inGroups<T>(amount: number, make: (index: number) => Promise<T>): Promise<T[]> {
  const made: T[] = [];
  while (made.length < amount) {
    const first = made.length;
    const length = Math.min(GROUP, amount - first);
    made.push(...await Promise.all(Array.from({ length }, (_, index) => make(first + index))));
  }
  return made;
}
