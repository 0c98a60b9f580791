// What each key does to the line being typed: a state machine without screen, clock or keyboard. Steps are graphemes, and
// each key costs the same in a text of a million characters as in a short one.
import type { Completion, ReadLineOptions } from "../read_line.ts";
import { TypedLinesWalk } from "../typed_lines.ts";
import type { Key } from "../keys/keys.ts";
import { graphemeEdge, nextGrapheme, previousGrapheme } from "../width.ts";
import { lineEnd, lineStart, nextWord, previousBlank, previousWord, typable } from "./text_moves.ts";

/** What the owner of the editor has to do after a key. */
export type EditorAction =
  | "none" // nothing changed
  | "changed" // show it again
  | "submit" // the line is finished
  | "interrupt" // Ctrl+C
  | "end" // Ctrl+D on an empty line
  | "complete" // Tab: ask for completions
  | "clear_screen" // Ctrl+L
  | "suspend"; // Ctrl+Z

export type LineEditorOptions = Pick<
  ReadLineOptions,
  "initial" | "typedLines" | "multiline" | "submitsWhen" | "complete"
>;

export class LineEditor {
  #text: string;
  #cursor: number;
  #killed = "";
  #lastWasKill = false;
  #walk: TypedLinesWalk;
  #search: { query: string; index: number; isFound: boolean; text: string; cursor: number } | undefined;
  readonly #options: LineEditorOptions;

  constructor(options: LineEditorOptions = {}) {
    this.#options = options;
    this.#text = typable(options.initial ?? "", options.multiline !== false);
    this.#cursor = this.#text.length;
    this.#walk = new TypedLinesWalk([...(options.typedLines?.lines ?? [])]);
  }

  get text(): string {
    return this.#text;
  }

  /** Where the cursor is: an index into the text, always between two graphemes. */
  get cursor(): number {
    return this.#cursor;
  }

  get search(): { readonly query: string; readonly isFound: boolean } | undefined {
    return this.#search;
  }

  handle(key: Key): EditorAction {
    if (this.#search !== undefined) {
      const action = this.#handleSearch(key);
      if (action !== undefined) return action;
    }
    const wasKill = this.#lastWasKill;
    this.#lastWasKill = false;
    const byWord = key.ctrl || key.alt;
    switch (key.name) {
      case "text":
        if (key.ctrl && key.alt) return "none";
        if (!key.ctrl && !key.alt) return this.insert(key.text);
        return (key.ctrl ? this.#controls : this.#alts)[key.text.toLowerCase()]?.(wasKill) ?? "none";
      case "paste":
        return this.#paste(key.text);
      case "enter":
        return this.#enter(key);
      case "tab":
        if (key.shift) return "none";
        if (this.#options.complete !== undefined) return "complete";
        return this.#options.submitsWhen === undefined ? "none" : this.insert("\t");
      case "backspace":
        if (byWord) return this.#kill(previousWord(this.#text, this.#cursor), this.#cursor, wasKill);
        return this.#remove(previousGrapheme(this.#text, this.#cursor), this.#cursor);
      case "delete":
        if (byWord) return this.#kill(this.#cursor, nextWord(this.#text, this.#cursor), wasKill);
        return this.#remove(this.#cursor, nextGrapheme(this.#text, this.#cursor));
      case "left":
        return this.#moveTo((byWord ? previousWord : previousGrapheme)(this.#text, this.#cursor));
      case "right":
        return this.#moveTo((byWord ? nextWord : nextGrapheme)(this.#text, this.#cursor));
      case "home":
        return this.#moveTo(key.ctrl ? 0 : lineStart(this.#text, this.#cursor));
      case "end":
        return this.#moveTo(key.ctrl ? this.#text.length : lineEnd(this.#text, this.#cursor));
      case "up":
        return this.#vertical(-1);
      case "down":
        return this.#vertical(1);
      default:
        return "none";
    }
  }

  /** Puts text at the cursor; control characters are left out. */
  insert(text: string): EditorAction {
    const clean = typable(text, this.#options.multiline !== false);
    if (clean === "") return "none";
    this.#text = this.#text.slice(0, this.#cursor) + clean + this.#text.slice(this.#cursor);
    this.#moveTo(graphemeEdge(this.#text, this.#cursor + clean.length, "after"));
    return "changed";
  }

  replace(text: string): void {
    this.#text = typable(text, this.#options.multiline !== false);
    this.#cursor = this.#text.length;
  }

  /** @returns `ambiguous` when several candidates share no more than what is there. */
  complete(completion: Completion): "inserted" | "ambiguous" | "none" {
    const { from, candidates } = completion;
    const first = candidates[0];
    if (first === undefined || from < 0 || from > this.#cursor) return "none";
    const common = candidates.reduce(commonPrefix, first);
    const typed = this.#text.slice(from, this.#cursor);
    if (candidates.length > 1 && (common.length < typed.length || common === typed)) return "ambiguous";
    if (common === typed) return "none";
    // What follows the cursor may already be the space that the candidate brings.
    const tail = this.#text.slice(this.#cursor);
    const replacement = common.endsWith(" ") && tail.startsWith(" ") ? common.slice(0, -1) : common;
    this.#text = this.#text.slice(0, from) + replacement + tail;
    this.#moveTo(graphemeEdge(this.#text, from + replacement.length, "after"));
    return "inserted";
  }

  #enter(key: Key): EditorAction {
    const wantsLine = (key.alt || key.shift) && this.#options.multiline !== false;
    if (!wantsLine && (this.#options.submitsWhen?.(this.#text, this.#cursor) ?? true)) return "submit";
    return this.insert("\n");
  }

  #paste(text: string): EditorAction {
    // A line end behind the last line is how whole lines are copied; it is not meant as one more line.
    return this.insert(this.#options.submitsWhen === undefined ? text.replace(/(?:\r\n|\r|\n)$/, "") : text);
  }

  readonly #controls: Readonly<Record<string, (wasKill: boolean) => EditorAction>> = {
    a: () => this.#moveTo(lineStart(this.#text, this.#cursor)),
    b: () => this.#moveTo(previousGrapheme(this.#text, this.#cursor)),
    c: () => "interrupt",
    d: () => this.#text === "" ? "end" : this.#remove(this.#cursor, nextGrapheme(this.#text, this.#cursor)),
    e: () => this.#moveTo(lineEnd(this.#text, this.#cursor)),
    f: () => this.#moveTo(nextGrapheme(this.#text, this.#cursor)),
    h: () => this.#remove(previousGrapheme(this.#text, this.#cursor), this.#cursor),
    j: () => "submit",
    k: (wasKill) => this.#killToLineEnd(wasKill),
    l: () => "clear_screen",
    m: () => "submit",
    n: () => this.#vertical(1),
    p: () => this.#vertical(-1),
    r: () => this.#startSearch(),
    t: () => this.#transpose(),
    u: (wasKill) => this.#killToLineStart(wasKill),
    w: (wasKill) => this.#kill(previousBlank(this.#text, this.#cursor), this.#cursor, wasKill),
    y: () => this.insert(this.#killed),
    z: () => "suspend",
  };

  readonly #alts: Readonly<Record<string, (wasKill: boolean) => EditorAction>> = {
    b: () => this.#moveTo(previousWord(this.#text, this.#cursor)),
    d: (wasKill) => this.#kill(this.#cursor, nextWord(this.#text, this.#cursor), wasKill),
    f: () => this.#moveTo(nextWord(this.#text, this.#cursor)),
  };

  #killToLineEnd(wasKill: boolean): EditorAction {
    const end = lineEnd(this.#text, this.#cursor);
    return this.#kill(
      this.#cursor,
      end === this.#cursor ? Math.min(this.#text.length, end + 1) : end,
      wasKill,
    );
  }

  #killToLineStart(wasKill: boolean): EditorAction {
    const start = lineStart(this.#text, this.#cursor);
    return this.#kill(start === this.#cursor ? Math.max(0, start - 1) : start, this.#cursor, wasKill);
  }

  #moveTo(offset: number): EditorAction {
    if (offset === this.#cursor) return "none";
    this.#cursor = offset;
    return "changed";
  }

  #remove(from: number, to: number): EditorAction {
    if (from >= to) return "none";
    this.#text = this.#text.slice(0, from) + this.#text.slice(to);
    this.#moveTo(graphemeEdge(this.#text, from, "after"));
    return "changed";
  }

  #kill(from: number, to: number, wasKill: boolean): EditorAction {
    const gone = this.#text.slice(from, to);
    if (gone === "") return "none";
    // Kills in a row are yanked as one piece, in the order of the text.
    if (!wasKill) this.#killed = gone;
    else this.#killed = from < this.#cursor ? gone + this.#killed : this.#killed + gone;
    this.#lastWasKill = true;
    return this.#remove(from, to);
  }

  #transpose(): EditorAction {
    const text = this.#text;
    const end = this.#cursor === lineEnd(text, this.#cursor)
      ? this.#cursor
      : nextGrapheme(text, this.#cursor);
    const middle = previousGrapheme(text, end);
    const start = previousGrapheme(text, middle);
    if (start === middle || text.slice(start, end).includes("\n")) return "none";
    this.#text = text.slice(0, start) + text.slice(middle, end) + text.slice(start, middle) + text.slice(end);
    this.#moveTo(graphemeEdge(this.#text, end, "after"));
    return "changed";
  }

  #vertical(direction: -1 | 1): EditorAction {
    const text = this.#text;
    const start = lineStart(text, this.#cursor);
    const end = lineEnd(text, this.#cursor);
    const isEdge = direction < 0 ? start === 0 : end === text.length;
    if (!isEdge) {
      const column = this.#cursor - start;
      const target = direction < 0 ? lineStart(text, start - 1) : end + 1;
      const wanted = Math.min(target + column, lineEnd(text, target));
      return this.#moveTo(graphemeEdge(text, wanted, "before"));
    }
    const line = direction < 0 ? this.#walk.older(text) : this.#walk.newer();
    if (line === undefined) return "none";
    this.replace(line);
    return "changed";
  }

  #startSearch(): EditorAction {
    if (this.#options.typedLines === undefined) return "none";
    this.#search = {
      query: "",
      index: Number.MAX_SAFE_INTEGER,
      isFound: true,
      text: this.#text,
      cursor: this.#cursor,
    };
    return "changed";
  }

  /** Unset when the key ends the search and is then to do its usual work. */
  #handleSearch(key: Key): EditorAction | undefined {
    const search = this.#search!;
    if ((key.name === "text" && !key.ctrl && !key.alt) || key.name === "paste") {
      this.#seek(search.query + typable(key.text, false), search.index + 1);
      return "changed";
    }
    if (key.name === "backspace") {
      this.#seek(
        search.query.slice(0, previousGrapheme(search.query, search.query.length)),
        Number.MAX_SAFE_INTEGER,
      );
      return "changed";
    }
    if (key.name === "text" && key.ctrl && key.text === "r") {
      this.#seek(search.query, search.index);
      return "changed";
    }
    this.#search = undefined;
    if (key.name === "escape") return "changed"; // keep what was found, to be edited
    if (key.name === "text" && key.ctrl && (key.text === "g" || key.text === "c")) {
      this.#text = search.text;
      this.#cursor = search.cursor;
      return "changed";
    }
    return undefined;
  }

  #seek(query: string, before: number): void {
    const search = this.#search!;
    const found = this.#walk.find(query, before);
    search.isFound = found !== undefined || query === "";
    search.query = query;
    if (found === undefined) return;
    search.index = found.index;
    this.replace(found.line);
  }
}

function commonPrefix(one: string, other: string): string {
  let length = 0;
  while (length < one.length && one[length] === other[length]) length += 1;
  return one.slice(0, length);
}
