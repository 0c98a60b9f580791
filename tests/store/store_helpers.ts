/**
 * What the tests of the store share: people with devices, and a clock that only they move.
 * @module
 */
import { rejects } from "node:assert/strict";
import { join } from "node:path";
import { ChatError, type ErrorCode } from "../../lib/errors.ts";
import { openLocalStore, openSharedStore, type StoreOptions } from "../../lib/store/open.ts";
import type { ServerStore } from "../../lib/chat/operator_store.ts";
import type { StoreLimits } from "../../lib/store/limits.ts";
import { testWith } from "../helpers/needs.ts";
import { newDatabase, POSTGRES } from "../helpers/postgres.ts";
import { type TempFolder, tempFolder } from "../helpers/temp_folder.ts";

/** A day in milliseconds. */
export const DAY_MS = 24 * 60 * 60 * 1000;

/** A clock that stands still. */
export class TestClock {
  /** Present time in epoch milliseconds. */
  at = Date.UTC(2026, 0, 1);
  /** To be injected. */
  readonly now = (): number => this.at;
}

/** A new store with a clock that stands still. */
export interface TestStore extends AsyncDisposable {
  readonly store: ServerStore;
  readonly clock: TestClock;
  /** Opens the same data once more. */
  again(options: StoreOptions): Promise<ServerStore>;
}

/** Makes a new store on the engine that a test is for. */
export type NewStore = (limits?: Partial<StoreLimits>) => Promise<TestStore>;

/** Registers a test of the store's contract for every engine. */
export function storeTest(name: string, test: (newStore: NewStore) => Promise<void>): void {
  Deno.test(name, () => test(newStore));
  testWith(POSTGRES, `PostgreSQL: ${name}`, () => test(newSharedStore));
}

/** A store on SQLite in a temporary folder. */
export async function newStore(
  limits: Partial<StoreLimits> = {},
): Promise<TestStore & { readonly path: string; readonly folder: TempFolder }> {
  const folder = tempFolder("mini-chat-store-");
  const clock = new TestClock();
  const path = join(folder.path, "server.db");
  const store = await openLocalStore(path, { limits, now: clock.now });
  return {
    store,
    clock,
    folder,
    path,
    again: (options) => openLocalStore(path, options),
    async [Symbol.asyncDispose]() {
      await store[Symbol.asyncDispose]();
      folder[Symbol.dispose]();
    },
  };
}

/** A store on PostgreSQL in a database of its own. */
export async function newSharedStore(limits: Partial<StoreLimits> = {}): Promise<TestStore> {
  const url = await newDatabase();
  const clock = new TestClock();
  const open = (options: StoreOptions) => openSharedStore(url, { ...options, fingerprint: "of the tests" });
  const store = await open({ limits, now: clock.now });
  return { store, clock, again: open, [Symbol.asyncDispose]: () => store[Symbol.asyncDispose]() };
}

/** An account with one signed-in device. */
export interface Person {
  readonly name: string;
  readonly accountId: number;
  readonly deviceId: string;
  readonly tokenHash: string;
}

/** Makes an account and signs it in on one device. */
export async function addPerson(store: ServerStore, name: string): Promise<Person> {
  const passwordHash = `hash of ${name}`;
  const { accountId } = await store.createAccount({ name, passwordHash, joinCode: null });
  return { name, accountId, ...await addDevice(store, { name, accountId }) };
}

/** Signs somebody from {@linkcode addPerson} in on a new device. */
export async function addDevice(
  store: ServerStore,
  { accountId, name }: Pick<Person, "accountId" | "name">,
  deviceName = "laptop",
) {
  const tokenHash = crypto.randomUUID();
  const opened = await store.openLogin({
    accountId,
    passwordHash: `hash of ${name}`,
    newPasswordHash: null,
    connectedDeviceIds: [],
    tokenHash,
    deviceId: null,
    deviceName,
  });
  return { tokenHash, ...opened };
}

/** Sends a message under a new id. */
export async function send(
  store: ServerStore,
  from: Person,
  to: string,
  text: string,
  id = crypto.randomUUID(),
) {
  return { id, ...await store.sendMessage({ senderId: from.accountId, id, to, text }) };
}

/** Everything in a mailbox. */
export async function readMailbox(store: ServerStore, accountId: number, after = 0) {
  const { messages } = await store.listMailbox({ accountId, after, limit: 100_000, maxBytes: 1e9 });
  return messages;
}

/** Expects a refusal with this code, told in words that match. */
export async function refused(promise: Promise<unknown>, code: ErrorCode, words = /^Cannot /): Promise<void> {
  await rejects(
    promise,
    (error) => error instanceof ChatError && error.code === code && words.test(error.message),
  );
}
