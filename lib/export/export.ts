/**
 * Everything of one account in a folder: JSON lines, and a schema of them.
 *
 * The folder is there whole or not at all: until then its content lies in `FOLDER.part`, and a later call goes on where one was cut
 * off. History comes newest page first, so the pages of a conversation with more than one are kept apart until its last one is
 * there. In memory are a page, and the newest ones of a few conversations that are asked for ahead.
 * @module
 */
import { join, resolve } from "node:path";
import { systemReasonOf, UsageError } from "../errors.ts";
import { renameAndSync, UNFINISHED, writeWhole } from "../sync_folder.ts";
import { type ExportedAccount, type ExportedMessage, type ExportedPerson, exportSchema } from "./schema.ts";

const FILE_MODE = 0o600; // for its owner alone
const FOLDER_MODE = 0o700;

const MESSAGES = "messages.jsonl";
const PEOPLE = "people.jsonl";
const PROGRESS = "progress.json";
const LOCK = "lock";
const PAGES = "pages"; // of the conversation that is being fetched

/** How often progress is put on disk: whoever kills an export fetches this much again. Each time costs some ten milliseconds. */
const SAVE_EVERY_MS = 500;

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
  history(name: string, before: number | null): Promise<HistoryPage>;
  /** Conversations that are asked for at a time, where each answer is a while under way; 1 by default. */
  readonly ahead?: number;
}

interface HistoryPage {
  readonly messages: readonly ExportedMessage[];
  readonly next: number | null; // the `before` of the page before it; null when there is none
}

/** How much was exported. */
export interface Exported {
  /** Messages, in and out. */
  readonly messages: number;
  /** People they were exchanged with. */
  readonly people: number;
}

/** Open where the next conversation goes. */
interface Files {
  readonly messages: Deno.FsFile;
  readonly people: Deno.FsFile;
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
    throw new UsageError(`Cannot export to ${folder}: ${systemReasonOf(cause)}`, { cause });
  }
  const exported = await exportAlone(part, source).catch((error) => {
    if (!isOfSystem(error)) throw error;
    const message = `Cannot write to ${part}: ${
      systemReasonOf(error)
    }; export to the same folder again to go on`;
    throw new UsageError(message, { cause: error });
  });
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
  #savedAt = 0;
  readonly #newest = new Map<string, Promise<HistoryPage>>(); // asked for ahead, by name of the conversation

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
    await this.#takeAll();
    const { account, server, messages, people } = this.#progress;
    const about = { account, server, exportedAt: Date.now(), ...await this.#source.about() };
    await this.#write("account.json", JSON.stringify(about satisfies ExportedAccount, null, 2) + "\n");
    await this.#write("schema.json", JSON.stringify(exportSchema(), null, 2) + "\n");
    return { messages, people };
  }

  /** Takes up what an earlier call has left. */
  async #goOn(): Promise<void> {
    // A file that was being written when the program was killed.
    for await (const { name } of Deno.readDir(this.#part)) {
      if (name.endsWith(UNFINISHED)) await Deno.remove(join(this.#part, name));
    }
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
      return;
    }
    // Pages from before belong to nobody knows whom.
    await Deno.remove(join(this.#part, PAGES), { recursive: true });
    await Deno.mkdir(join(this.#part, PAGES), { mode: FOLDER_MODE });
    await this.#write(PROGRESS, JSON.stringify(this.#progress));
  }

  async #takeAll(): Promise<void> {
    const { done, messageBytes, peopleBytes } = this.#progress;
    // What the progress does not count is cut off.
    using messages = await this.#openAt(MESSAGES, messageBytes);
    using people = await this.#openAt(PEOPLE, peopleBytes);
    const files = { messages, people };
    try {
      for (let after = done, isLast = false; !isLast;) {
        const { names, next } = await this.#source.conversations(after);
        for (const [index, name] of names.entries()) {
          this.#askAhead(names.slice(index + 1, index + (this.#source.ahead ?? 1)));
          await this.#take(name, files);
        }
        isLast = next === null;
        after = next;
      }
    } catch (error) {
      // Should this fail too, the next call fetches a little more again.
      await this.#save(files).catch(() => {});
      throw error;
    }
    await this.#save(files);
  }

  #askAhead(names: readonly string[]): void {
    for (const name of names) {
      if (this.#newest.has(name)) continue;
      const page = this.#source.history(name, null);
      page.catch(() => {}); // told when its turn comes
      this.#newest.set(name, page);
    }
  }

  /** The newest page of a conversation, or the one before a sequence. */
  #page(name: string, before: number | null): Promise<HistoryPage> {
    const asked = before === null ? this.#newest.get(name) : undefined;
    this.#newest.delete(name);
    return asked ?? this.#source.history(name, before);
  }

  /** Fetches a conversation, and adds it to those that are whole. */
  async #take(name: string, files: Files): Promise<void> {
    let kept = 0; // pages on disk
    let oldest = ""; // the page after them, which is the last one
    for (let before: number | null = null, isLast = false; !isLast;) {
      // What is there already was fetched before the program was cut off.
      const page = await this.#readPage(name, kept + 1);
      if (page !== null) {
        kept += 1;
        before = page[0]!.sequence;
        continue;
      }
      const { messages, next } = await this.#page(name, before);
      const lines = messages.map((message) => `${JSON.stringify(message)}\n`).join("");
      isLast = next === null || messages.length === 0;
      if (isLast) oldest = lines;
      else await this.#write(pagePath(name, ++kept), lines);
      before = next;
    }
    let count = 0;
    let { messageBytes, peopleBytes } = this.#progress;
    const add = async (bytes: Uint8Array) => {
      await writeAll(files.messages, bytes);
      messageBytes += bytes.length;
      count += bytes.reduce((lines, byte) => lines + Number(byte === LINE_FEED), 0);
    };
    const encoder = new TextEncoder();
    await add(encoder.encode(oldest));
    for (let page = kept; page >= 1; page--) {
      await add(await Deno.readFile(join(this.#part, pagePath(name, page))));
    }
    const person = encoder.encode(
      `${JSON.stringify({ name, messages: count } satisfies ExportedPerson)}\n`,
    );
    await writeAll(files.people, person);
    peopleBytes += person.length;
    const { messages, people } = this.#progress;
    this.#progress = {
      ...this.#progress,
      done: name,
      messages: messages + count,
      people: people + 1,
      messageBytes,
      peopleBytes,
    };
    if (kept > 0 || performance.now() - this.#savedAt >= SAVE_EVERY_MS) await this.#save(files);
    for (let page = 1; page <= kept; page++) await Deno.remove(join(this.#part, pagePath(name, page)));
  }

  async #readPage(name: string, page: number): Promise<ExportedMessage[] | null> {
    const path = join(this.#part, pagePath(name, page));
    if (!await isThere(path)) return null;
    const text = await Deno.readTextFile(path);
    return text.trimEnd().split("\n").map((line) => JSON.parse(line));
  }

  /** What progress counts is on disk before it. */
  async #save({ messages, people }: Files): Promise<void> {
    await messages.sync();
    await people.sync();
    await this.#write(PROGRESS, JSON.stringify(this.#progress));
    this.#savedAt = performance.now();
  }

  #write(name: string, text: string): Promise<void> {
    return writeWhole(join(this.#part, name), text, FILE_MODE);
  }

  async #openAt(name: string, bytes: number): Promise<Deno.FsFile> {
    const file = await Deno.open(join(this.#part, name), { write: true, create: true, mode: FILE_MODE });
    try {
      await file.truncate(bytes);
      await file.seek(bytes, Deno.SeekMode.Start);
      return file;
    } catch (error) {
      file.close();
      throw error;
    }
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

/** Whether an error is of the disk, and none of the source. */
function isOfSystem(error: unknown): boolean {
  return error instanceof Error && /^E[A-Z]+$/.test((error as { readonly code?: string }).code ?? "");
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
