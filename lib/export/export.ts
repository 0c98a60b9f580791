/**
 * Everything of one account in a folder: JSON lines, and a schema of them.
 *
 * The folder is there whole or not at all: until then its content lies in `FOLDER.part`, and a later call goes on where one was cut
 * off. History comes newest page first, so each conversation's pages are kept apart until its last one is there. One page is in
 * memory at a time.
 * @module
 */
import { join, resolve } from "node:path";
import { messageOf, UsageError } from "../errors.ts";
import { renameAndSync, writeWhole } from "../sync_folder.ts";
import { type ExportedAccount, type ExportedMessage, type ExportedPerson, exportSchema } from "./schema.ts";

const FILE_MODE = 0o600; // for its owner alone
const FOLDER_MODE = 0o700;

const MESSAGES = "messages.jsonl";
const PEOPLE = "people.jsonl";
const PROGRESS = "progress.json";
const LOCK = "lock";
const PAGES = "pages"; // of the conversation that is being fetched

/** Where an export gets its content from. */
export interface ExportSource {
  /** Name of the account. */
  readonly account: string;
  /** The server, as its people call it. */
  readonly server: string;
  /** What is known of the account itself. */
  about(): Promise<Pick<ExportedAccount, "shareRead" | "email" | "blocked">>;
  /** Names of those with whom messages were exchanged, page by page. */
  conversations(
    after: string | null,
  ): Promise<{ readonly names: readonly string[]; readonly next: string | null }>;
  /** A page of a conversation: the newest messages below the sequence `before`, oldest first. */
  history(
    name: string,
    before: number | null,
  ): Promise<{ readonly messages: readonly ExportedMessage[]; readonly next: number | null }>;
}

/** How much was exported. */
export interface Exported {
  /** Messages, in and out. */
  readonly messages: number;
  /** People they were exchanged with. */
  readonly people: number;
}

interface Progress extends Exported {
  readonly account: string;
  readonly server: string;
  readonly done: string | null; // the last conversation that is whole
  readonly messageBytes: number; // of the file, as far as it is whole
  readonly peopleBytes: number;
}

/**
 * Writes an export.
 * @param folder Must not be there yet.
 * @throws {UsageError} It is there, it cannot be written, or an export of another account was begun there. What the source throws
 * is thrown as well; calling again goes on then.
 */
export async function exportTo(folder: string, source: ExportSource): Promise<Exported> {
  const target = resolve(folder);
  if (await isThere(target)) {
    throw new UsageError(`Cannot export to ${folder}, as it is there already: name a folder that is not`);
  }
  const part = `${target}.part`;
  try {
    await Deno.mkdir(join(part, PAGES), { recursive: true, mode: FOLDER_MODE });
  } catch (cause) {
    throw new UsageError(`Cannot export to ${folder}: ${messageOf(cause)}`, { cause });
  }
  const exported = await exportAlone(part, source);
  for (const name of [PAGES, PROGRESS, LOCK]) await Deno.remove(join(part, name), { recursive: true });
  await renameAndSync(part, target);
  return exported;
}

/** Windows removes and renames nothing that is open, so the lock is free again before that. */
async function exportAlone(part: string, source: ExportSource): Promise<Exported> {
  using lock = await Deno.open(join(part, LOCK), { write: true, create: true, mode: FILE_MODE });
  if (await lock.tryLock(true)) return await new Export(part, source).run();
  throw new UsageError(`Cannot export to ${part}, as another program does that now`);
}

class Export {
  readonly #part: string;
  readonly #source: ExportSource;
  #progress: Progress;

  constructor(part: string, source: ExportSource) {
    this.#part = part;
    this.#source = source;
    const { account, server } = source;
    this.#progress = {
      account,
      server,
      done: null,
      messages: 0,
      people: 0,
      messageBytes: 0,
      peopleBytes: 0,
    };
  }

  async run(): Promise<Exported> {
    await this.#goOn();
    for (let after: string | null = this.#progress.done, isLast = false; !isLast;) {
      const { names, next } = await this.#source.conversations(after);
      for (const name of names) await this.#take(name);
      isLast = next === null;
      after = next;
    }
    const { account, server, messages, people } = this.#progress;
    const about = { account, server, exportedAt: Date.now(), ...await this.#source.about() };
    await this.#write("account.json", JSON.stringify(about satisfies ExportedAccount, null, 2) + "\n");
    await this.#write("schema.json", JSON.stringify(exportSchema(), null, 2) + "\n");
    return { messages, people };
  }

  /** Takes up what an earlier call has left: what its progress does not count was cut off. */
  async #goOn(): Promise<void> {
    const path = join(this.#part, PROGRESS);
    if (await isThere(path)) {
      const found = JSON.parse(await Deno.readTextFile(path)) as Progress;
      const { account, server } = this.#source;
      if (found.account !== account || found.server !== server) {
        throw new UsageError(
          `Cannot go on with the export in ${this.#part}, as it is of ${found.account} at ${found.server}: remove it, or export ` +
            "to another folder",
        );
      }
      this.#progress = found;
    } else {
      // Pages from before belong to nobody knows whom.
      await Deno.remove(join(this.#part, PAGES), { recursive: true });
      await Deno.mkdir(join(this.#part, PAGES), { mode: FOLDER_MODE });
      await this.#save();
    }
    const { messageBytes, peopleBytes } = this.#progress;
    for (const [name, bytes] of [[MESSAGES, messageBytes], [PEOPLE, peopleBytes]] as const) {
      using file = await this.#append(name);
      await file.truncate(bytes);
    }
  }

  /** Fetches a conversation, and adds it to those that are whole. */
  async #take(name: string): Promise<void> {
    let pages = 0;
    let before: number | null = null;
    for (let isFirst = true; isFirst || before !== null; isFirst = false) {
      // What is there already was fetched before the program was cut off.
      const kept = await this.#readPage(name, pages + 1);
      if (kept !== null) {
        pages += 1;
        before = kept[0]!.sequence;
        continue;
      }
      const page = await this.#source.history(name, before);
      before = page.next;
      if (page.messages.length === 0) break;
      pages += 1;
      const lines = page.messages.map((message) => `${JSON.stringify(message)}\n`).join("");
      await this.#write(pagePath(name, pages), lines);
    }
    await this.#join(name, pages);
  }

  async #join(name: string, pages: number): Promise<void> {
    let count = 0;
    let { messageBytes, peopleBytes } = this.#progress;
    {
      using file = await this.#append(MESSAGES);
      await file.seek(messageBytes, Deno.SeekMode.Start);
      for (let page = pages; page >= 1; page--) {
        const bytes = await Deno.readFile(join(this.#part, pagePath(name, page)));
        await writeAll(file, bytes);
        messageBytes += bytes.length;
        count += bytes.reduce((lines, byte) => lines + Number(byte === LINE_FEED), 0);
      }
      await file.sync();
    }
    {
      const bytes = new TextEncoder().encode(
        `${JSON.stringify({ name, messages: count } satisfies ExportedPerson)}\n`,
      );
      using file = await this.#append(PEOPLE);
      await file.seek(peopleBytes, Deno.SeekMode.Start);
      await writeAll(file, bytes);
      peopleBytes += bytes.length;
      await file.sync();
    }
    const { messages, people } = this.#progress;
    this.#progress = {
      ...this.#progress,
      done: name,
      messages: messages + count,
      people: people + 1,
      messageBytes,
      peopleBytes,
    };
    await this.#save();
    for (let page = 1; page <= pages; page++) await Deno.remove(join(this.#part, pagePath(name, page)));
  }

  async #readPage(name: string, page: number): Promise<ExportedMessage[] | null> {
    const path = join(this.#part, pagePath(name, page));
    if (!await isThere(path)) return null;
    const text = await Deno.readTextFile(path);
    return text.trimEnd().split("\n").map((line) => JSON.parse(line));
  }

  #save(): Promise<void> {
    return this.#write(PROGRESS, JSON.stringify(this.#progress));
  }

  #write(name: string, text: string): Promise<void> {
    return writeWhole(join(this.#part, name), text, FILE_MODE);
  }

  #append(name: string): Promise<Deno.FsFile> {
    return Deno.open(join(this.#part, name), { read: true, write: true, create: true, mode: FILE_MODE });
  }
}

const LINE_FEED = 10;

/** Path of a page in the unfinished export: the name says of whom, so that none is taken for another's. */
function pagePath(name: string, page: number): string {
  return join(PAGES, `${name}-${page}`);
}

async function writeAll(file: Deno.FsFile, bytes: Uint8Array): Promise<void> {
  for (let written = 0; written < bytes.length;) written += await file.write(bytes.subarray(written));
}

async function isThere(path: string): Promise<boolean> {
  try {
    await Deno.lstat(path);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}
