// Lines typed before, and walking through them. Secrets never come here.
export interface TypedLinesStore {
  load(): readonly string[] | Promise<readonly string[]>;
  /** Keeps one more. A failure is the store's own to report; the terminal goes on. */
  add(line: string): void | Promise<void>;
}

const MAX_TYPED_LINES = 1_000;
/** Longest line remembered, in UTF-16 code units: a pasted book is not a command. */
const MAX_TYPED_LINE_LENGTH = 4_096;

export class TypedLines {
  #lines: string[];
  readonly #store: TypedLinesStore | undefined;

  constructor(lines: readonly string[] = [], store?: TypedLinesStore) {
    this.#lines = lines.slice(-MAX_TYPED_LINES);
    this.#store = store;
  }

  /** Reads what a store has kept; one that cannot be read is no reason not to chat, and gives none. */
  static async from(store: TypedLinesStore): Promise<TypedLines> {
    return new TypedLines(await Promise.try(() => store.load()).catch(() => []), store);
  }

  get lines(): readonly string[] {
    return this.#lines;
  }

  /** Remembers a line, unless it is blank, begins with a space, is too long or repeats the last one. */
  add(line: string): void {
    if (line.trim() === "" || line.startsWith(" ") || line.length > MAX_TYPED_LINE_LENGTH) return;
    if (this.#lines.at(-1) === line) return;
    this.#lines.push(line);
    if (this.#lines.length > MAX_TYPED_LINES) this.#lines.shift();
    Promise.try(() => this.#store?.add(line)).catch(() => {}); // the line stays in memory
  }
}

/** One prompt's walk through the typed lines; the unfinished line waits below the newest. */
export class TypedLinesWalk {
  readonly #lines: readonly string[];
  #index: number;
  #unfinished = "";

  constructor(lines: readonly string[]) {
    this.#lines = lines;
    this.#index = lines.length;
  }

  /** The next older line; unset at the oldest. @param current What the person sees now; kept if it is the unfinished line. */
  older(current: string): string | undefined {
    if (this.#index === 0) return undefined;
    if (this.#index === this.#lines.length) this.#unfinished = current;
    this.#index -= 1;
    return this.#lines[this.#index];
  }

  /** The next newer line, in the end the unfinished one; unset there. */
  newer(): string | undefined {
    if (this.#index === this.#lines.length) return undefined;
    this.#index += 1;
    return this.#index === this.#lines.length ? this.#unfinished : this.#lines[this.#index];
  }

  /** The newest line before an index that holds the words, in any case of letters; an empty query finds nothing. */
  find(
    query: string,
    before = this.#lines.length,
  ): { readonly index: number; readonly line: string } | undefined {
    const wanted = query.toLocaleLowerCase();
    if (wanted === "") return undefined;
    for (let index = Math.min(before, this.#lines.length) - 1; index >= 0; index--) {
      const line = this.#lines[index]!;
      if (line.toLocaleLowerCase().includes(wanted)) return { index, line };
    }
    return undefined;
  }
}
