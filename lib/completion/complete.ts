// What may follow the words typed so far, read off the command tree. What stands between the brackets of an argument or flag says
// what it is: `<file>` and `<dir>` are left to the shell, a subcommand and a choice are in the tree, and everything else may
// have a source of its own, such as `<user>`.
import type { Argument, Command, Help, Option } from "commander";

export interface Candidate {
  readonly value: string;
  readonly about?: string;
}

/** What was typed before, for a source that depends on it. */
export interface Typed {
  readonly word: string; // what the candidates have to begin with, capital or small
  /** The value of a flag such as `data`: as it was typed, or that of its variable, or its default. */
  flag(name: string): string | undefined;
}

/** For each kind of value, such as `user`: what there is. At most a few hundred, those that begin with the typed word. */
export type Sources = Readonly<Record<string, (typed: Typed) => Promise<readonly Candidate[]>>>;

export interface Completing {
  readonly program: Command;
  readonly sources: Sources;
  readonly readVariable: (name: string) => string | undefined;
}

/** Whole words that may stand in the place of the last one; or that the shell knows better. */
export type Completion = "files" | "folders" | readonly Candidate[];

/** What stands between the brackets where the shell knows the values itself. */
const FILES: readonly string[] = ["file", "path", "backup"];
const FOLDERS: readonly string[] = ["dir", "place"];

/** @param words What is typed behind the program's name; the last one, maybe empty, is to be completed. */
export async function complete(completing: Completing, words: readonly string[]): Promise<Completion> {
  const place = findPlace(completing.program, words.slice(0, -1));
  const word = words.at(-1) ?? "";
  const flag = (name: string) => flagValue(completing, place, name);
  const valuesOf = (what: Argument | Option, begun: string) =>
    values(what, completing.sources, { word: begun, flag });
  if (place.open) return await valuesOf(place.open, word);
  const { command, help } = place;
  if (!place.isPastFlags && word.startsWith("-")) {
    const [, name = "", begun = ""] = /^(--[^=]*)=([^]*)$/.exec(word) ?? [];
    const given = command.options.find(({ long }) => long === name);
    if (given?.required !== true) return matching(help.visibleOptions(command).map(flagCandidate), word);
    const found = await valuesOf(given, begun);
    return typeof found === "string"
      ? found
      : found.map(({ value, ...rest }) => ({ value: `${name}=${value}`, ...rest }));
  }
  const argument = argumentAt(command, place.operands.length);
  const found = argument ? await valuesOf(argument, word) : [];
  if (typeof found === "string") return found;
  // A name that begins with `-` would be taken for a flag.
  const operands = place.isPastFlags ? found : found.filter(({ value }) => !value.startsWith("-"));
  return [...matching(subcommands(place), word), ...operands];
}

interface Place {
  readonly command: Command; // the innermost subcommand
  readonly help: Help;
  readonly operands: readonly string[]; // of that subcommand, before the word
  readonly isPastFlags: boolean; // after `--`
  readonly open: Option | undefined; // flag whose value the word is
  readonly given: ReadonlyMap<string, string>; // values of flags, by attribute
}

function findPlace(program: Command, words: readonly string[]): Place {
  let command = program;
  const operands: string[] = [];
  let isPastFlags = false;
  let open: Option | undefined;
  const given = new Map<string, string>();
  for (const word of words) {
    if (open) {
      given.set(open.attributeName(), word);
      open = undefined;
    } else if (isPastFlags || !/^-./.test(word)) {
      const inner = operands.length === 0 && !isPastFlags && subcommandNamed(command, word);
      if (inner) command = inner;
      else operands.push(word);
    } else if (word === "--") {
      isPastFlags = true;
    } else {
      const [, name, value] = /^(-[^=]*)(?:=([^]*))?$/.exec(word) ?? [];
      const option = command.options.find(({ long, short }) => long === name || short === name);
      if (option?.required && value === undefined) open = option;
      else if (option && value !== undefined) given.set(option.attributeName(), value);
    }
  }
  return { command, help: program.createHelp(), operands, isPastFlags, open, given };
}

function flagValue(
  { readVariable }: Completing,
  { command, given }: Place,
  name: string,
): string | undefined {
  if (given.has(name)) return given.get(name);
  for (let above: Command | null = command; above; above = above.parent) {
    const option = above.options.find((it) => it.attributeName() === name);
    if (!option) continue;
    const value = (option.envVar && readVariable(option.envVar)) || option.defaultValue;
    return value === undefined ? undefined : String(value);
  }
}

async function values(what: Argument | Option, sources: Sources, typed: Typed): Promise<Completion> {
  if (what.argChoices) return matching(what.argChoices.map((value) => ({ value })), typed.word);
  const kind = kindOf(what);
  if (FILES.includes(kind)) return "files";
  if (FOLDERS.includes(kind)) return "folders";
  return matching(await sources[kind]?.(typed) ?? [], typed.word);
}

/** What stands between the brackets, such as `user` of `<user>` and `--port <port>`. */
function kindOf(what: Argument | Option): string {
  if ("attributeName" in what) return /[<[]([\w-]+)/.exec(what.flags)?.[1] ?? "";
  return what.name();
}

function argumentAt({ registeredArguments }: Command, index: number): Argument | undefined {
  const last = registeredArguments.at(-1);
  return registeredArguments[index] ?? (last?.variadic ? last : undefined);
}

/** Those of the innermost subcommand; for `help`, which explains them, those of what it is asked about. */
function subcommands({ command, operands, help }: Place): Candidate[] {
  let owner: Command | undefined = command;
  if (command.registeredArguments[0]?.name() === "subcommand") {
    owner = command.parent ?? command;
    for (const word of operands) owner = owner && subcommandNamed(owner, word);
  } else if (operands.length > 0) return [];
  if (!owner) return [];
  return help.visibleCommands(owner).map((it) => ({
    value: it.name(),
    about: help.subcommandDescription(it),
  }));
}

function subcommandNamed(command: Command, name: string): Command | undefined {
  return command.commands.find((it) => it.name() === name || it.aliases().includes(name));
}

function flagCandidate({ long, short, description }: Option): Candidate {
  return { value: long ?? short ?? "", about: description };
}

/** Capital and small letters are one here: what is chosen takes the place of what was typed. */
function matching(candidates: readonly Candidate[], word: string): Candidate[] {
  const begun = word.toLowerCase();
  return candidates.filter(({ value }) => value.toLowerCase().startsWith(begun));
}
