// The menu: a table of commands, reached by number or by name, with help from the same table. Text behind a
// command's name reaches it untouched.
import { ChatError, messageOf, UsageError } from "../errors.ts";
import { CommandLoop, type Dispatch } from "./command_loop.ts";
import { TypedLines, type TypedLinesStore } from "./typed_lines.ts";
import { type Completion, Interrupt } from "./read_line.ts";
import { nearestName } from "./nearest_name.ts";
import { HELP, type Overviewed, overviewOf } from "./overview.ts";
import { oneLine, safeText } from "./safe_text.ts";
import { cyan, dim, red } from "./style.ts";
import type { Terminal } from "./terminal.ts";

export interface CommandContext {
  readonly terminal: Terminal;
  /** Aborted by Ctrl+C while the command runs and no prompt of its own is open; the reason is an {@linkcode Interrupt}. */
  readonly signal: AbortSignal;
  leave(): void;
  instead(line: string): boolean;
}

export interface MenuCommand extends Overviewed {
  readonly aliases?: readonly string[]; // other names; not shown in the overview
  readonly details?: string; // more lines for `help NAME`
  readonly isSecret?: boolean; // whether a line with this command stays out of the lines kept, as it may hold a secret
  readonly forgetsLines?: boolean; // whether it may empty the store of typed lines
  /** Whether a line that begins with the name of no command is meant for this one, whole. */
  readonly takes?: (line: string) => boolean;
  /** Completes what follows the name; `from` counts from the beginning of the arguments. */
  readonly complete?: (args: string) => Completion | Promise<Completion>;
  /** @param args The untouched rest of the line behind the name and one white space; may have several lines. */
  run(args: string, context: CommandContext): void | Promise<void>;
}

export interface MenuOptions {
  readonly terminal: Terminal;
  readonly commands: readonly MenuCommand[];
  readonly prompt: string | (() => string);
  readonly title?: string; // a heading over the overview. None by default
  readonly typedLines?: TypedLinesStore; // keeps the lines typed between runs. In memory alone by default
  /** What to do in place of a word that names no command, as a sentence; null, and by default, where nothing better is known. */
  readonly advise?: (word: string) => string | null;
  readonly onError?: (error: unknown, command: string) => void;
}

export class Menu {
  readonly #options: MenuOptions;
  readonly #loop: CommandLoop;
  readonly #byName = new Map<string, MenuCommand>();
  readonly #commands: MenuCommand[] = [];
  #typedLines = new TypedLines();
  #isLeaving = false;
  #nextLine: string | null = null; // typed at another question, and meant for the menu
  #isAskedToLeave = false; // set by Ctrl+C at the empty prompt, until something else is typed

  constructor(options: MenuOptions) {
    this.#options = options;
    this.#loop = new CommandLoop(() => this.#next());
    this.add({
      ...HELP,
      aliases: ["?"],
      complete: (args) => this.#completeName(args),
      run: (args) => this.#help(args.trim()),
    });
    for (const command of options.commands) this.add(command);
  }

  get commands(): readonly MenuCommand[] {
    const [help, ...others] = this.#commands;
    return [...others, help!];
  }

  /** Adds a command, also while the menu runs. Throws `RangeError` for a number or name that is taken. */
  add(command: MenuCommand): void {
    const { name, aliases = [], number = [] } = command;
    const names = [name, aliases, number].flat().map(String);
    const taken = names.find((name) => this.#byName.has(name));
    if (taken !== undefined) throw new RangeError(`Cannot add a command as its name is taken: ${taken}`);
    // cliffy has a help of its own, which no command can replace.
    if (command.name !== "help") this.#loop.add(command.name, command.summary);
    for (const name of names) this.#byName.set(name.toLowerCase(), command);
    this.#commands.push(command);
  }

  /** Runs until the end of the input, a command that leaves, or the closing of the terminal. Call it once. */
  async run(): Promise<void> {
    await this.#loadTypedLines();
    await this.#loop.run();
  }

  async #loadTypedLines(): Promise<void> {
    const { typedLines } = this.#options;
    if (typedLines !== undefined) this.#typedLines = await TypedLines.from(typedLines);
  }

  overview(): string {
    const { title, terminal } = this.#options;
    return [title ?? [], overviewOf(this.commands, terminal.size.columns)].flat().join("\n");
  }

  /** Runs a line that was typed at another question next, as if typed at the prompt; false where it names no command. */
  instead(line: string): boolean {
    const [word = ""] = line.trimStart().split(/\s/, 1);
    const isCommand = this.#byName.has(word.toLowerCase());
    if (isCommand) this.#nextLine = line;
    return isCommand;
  }

  async #next(): Promise<Dispatch | null> {
    const { terminal, prompt } = this.#options;
    while (!this.#isLeaving) {
      let line: string | null;
      try {
        line = this.#nextLine ?? await terminal.readLine({
          prompt,
          typedLines: this.#typedLines,
          complete: (text) => this.#complete(text),
        });
        this.#nextLine = null;
      } catch (error) {
        if (error instanceof Interrupt) {
          if (error.text !== "") continue;
          // Twice in a row is meant: the way out that every hurried person tries.
          if (this.#isAskedToLeave) return null;
          this.#isAskedToLeave = true;
          await terminal.print("Press Ctrl+C again to leave. Type help for the list of commands.");
          continue;
        }
        if (error instanceof DOMException && error.name === "AbortError") return null; // the terminal is closed
        throw error;
      }
      this.#isAskedToLeave = false;
      if (line === null) return null;
      const [, word = "", behind = ""] = /^\s*(\S+)\s?([^]*)$/.exec(line) ?? [];
      if (word === "") continue;
      const named = this.#byName.get(word.toLowerCase());
      const command = named ?? this.#commands.find(({ takes }) => takes?.(line));
      const args = named === undefined ? line : behind;
      if (command === undefined) {
        this.#typedLines.add(line);
        await this.#unknown(word);
        continue;
      }
      if (command.isSecret !== true) this.#typedLines.add(line);
      if (command.name !== "help") return { name: command.name, run: () => this.#run(command, args) };
      await this.#run(command, args);
    }
    return null;
  }

  async #run(command: MenuCommand, args: string): Promise<void> {
    const { terminal, onError } = this.#options;
    const interrupted = new AbortController();
    using _handler = terminal.onInterrupt(() => interrupted.abort(new Interrupt()));
    try {
      // What begins with a number may be a text that was meant for somebody else: "7 of us" once left.
      if (command.usage === undefined && args.trim() !== "") {
        throw new UsageError(`Cannot take the words behind ${command.name}: it needs none`);
      }
      await command.run(args, {
        terminal,
        signal: interrupted.signal,
        leave: () => this.#isLeaving = true,
        instead: (line) => this.instead(line),
      });
      if (command.forgetsLines === true) await this.#loadTypedLines();
    } catch (error) {
      if (error instanceof Interrupt || (interrupted.signal.aborted && isAbort(error))) {
        return await terminal.print("Stopped.");
      }
      if (terminal.closed.aborted) return;
      onError?.(error, command.name);
      await terminal.print(red("✗ ") + sentenceOf(error));
      if (error instanceof UsageError) await terminal.print(dim(`  Usage: ${usageOf(command)}`));
    }
  }

  async #unknown(word: string): Promise<void> {
    const advice = this.#options.advise?.(word) ?? null;
    const near = nearestName(word, this.#commands.map((command) => command.name));
    const numbers = this.#commands.flatMap((command) => command.number ?? []);
    const wanted = advice !== null
      ? advice
      : /^\d+$/.test(word) && numbers.length > 0
      ? `The options are ${numbers.sort((one, other) => one - other).join(", ")}.`
      : near !== null
      ? `Did you mean ${cyan(near)}?`
      : `Type ${cyan("help")} for the list of commands.`;
    await this.#options.terminal.print(`There is no command ${oneLine(word, 40)}. ${wanted}`);
  }

  async #help(topic: string): Promise<void> {
    const { terminal } = this.#options;
    if (topic === "") return await terminal.print(this.overview());
    const command = this.#byName.get(topic.toLowerCase());
    if (command === undefined) return await this.#unknown(topic);
    const aliases = command.aliases ?? [];
    await terminal.print(`${cyan(usageOf(command))}\n  ${command.summary}.`.replace(/\.\.$/, "."));
    if (command.details !== undefined) await terminal.print(command.details.replaceAll(/^/gm, "  "));
    if (aliases.length > 0) await terminal.print(dim(`  Also: ${aliases.join(", ")}`));
  }

  #complete(text: string): Completion | Promise<Completion> {
    const parts = /^(\s*(\S+)\s)([^]*)$/.exec(text);
    if (parts === null) return this.#completeName(text);
    const [, head = "", word = "", args = ""] = parts;
    const completion = this.#byName.get(word.toLowerCase())?.complete?.(args) ?? { from: 0, candidates: [] };
    const shift = (found: Completion) => ({ from: found.from + head.length, candidates: found.candidates });
    return completion instanceof Promise ? completion.then(shift) : shift(completion);
  }

  #completeName(text: string): Completion {
    const word = text.trimStart();
    const names = this.commands.map((command) => command.name).filter((name) =>
      name.startsWith(word.toLowerCase())
    );
    return { from: text.length - word.length, candidates: names.map((name) => `${name} `) };
  }
}

/** For {@linkcode MenuCommand.complete}: the first word of the arguments, say a name, which may be begun with a capital or an @. */
export function completeFirstWord(args: string, names: readonly string[]): Completion {
  if (/\s/.test(args)) return { from: 0, candidates: [] };
  const begun = args.toLowerCase().replace(/^@/, "");
  return { from: 0, candidates: names.filter((name) => name.startsWith(begun)).map((name) => `${name} `) };
}

/** An error's message as a sentence, and when to try again where that helps. */
export function sentenceOf(error: unknown): string {
  // The words may be the server's.
  const message = safeText(messageOf(error).trim(), { multiline: true }) || "Something went wrong";
  const sentence = message[0]!.toUpperCase() + message.slice(1) +
    (/[.!?…]$/.test(message) ? "" : ".");
  const waitMs = error instanceof ChatError ? error.retryAfterMs : undefined;
  if (waitMs === undefined) return sentence;
  return `${sentence} Try again in ${Math.max(1, Math.ceil(waitMs / 1000))} s.`;
}

function usageOf(command: MenuCommand): string {
  const number = command.number === undefined ? "" : ` (or ${command.number})`;
  return `${command.name}${command.usage ? ` ${command.usage}` : ""}${number}`;
}

function isAbort(error: unknown): boolean {
  return error instanceof Error && (error.name === "AbortError" || error.name === "Interrupt");
}
