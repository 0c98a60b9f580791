/**
 * A manual page made of a command tree, in the macros of man(7).
 *
 * Knows how a page is laid out, nothing of either program. A flag that several subcommands share is explained once.
 * @module
 */
import type { Argument, Command, Option } from "commander";
import { shownDefault } from "../../lib/commands/command_line.ts";

/** What a page says that no tree can. Lines of `about` and paragraphs may use `*bold*` for words to be typed. */
export interface PageText {
  /** One line behind the name. */
  readonly about: string;
  /** Paragraphs of the description. */
  readonly description: readonly string[];
  readonly files: readonly (readonly [path: string, what: string])[];
  /** What to type, and what it does. */
  readonly examples: readonly (readonly [line: string, what: string])[];
  readonly exitStatus: readonly { readonly code: number; readonly meaning: string }[];
  readonly seeAlso: readonly string[];
}

/** Flags of at least so many subcommands are explained once. */
const SHARED_BY = 3;

/** The page, ready for `man`. */
export function manualPage(program: Command, text: PageText, version: string): string {
  const name = program.name();
  const help = program.createHelp();
  const commands = leaves(program);
  const shared = sharedFlags(commands);
  return [
    `.\\" Made from the program's command tree.`,
    `.TH ${quoted(name.toUpperCase())} 1 "" ${quoted(`Mini-Chat ${version}`)} "User Commands"`,
    ".nh", // no word is broken, as a flag might be taken for two
    ".ad l",
    section("NAME", [`${plain(name)} \\- ${plain(text.about)}`]),
    section("SYNOPSIS", synopsis(program)),
    section("DESCRIPTION", text.description.map(paragraph)),
    section("OPTIONS", help.visibleOptions(program).map(flag)),
    section("SUBCOMMANDS", [
      paragraph(`*${name} help SUBCOMMAND* prints the same in short.`),
      ...commands.map((command) => subcommand(command, shared)),
    ]),
    shared.size === 0 ? "" : section("OPTIONS OF SEVERAL SUBCOMMANDS", [...shared.values()].map(flag)),
    section(
      "EXIT STATUS",
      text.exitStatus.map(({ code, meaning }) => item(bold(String(code)), sentence(meaning))),
    ),
    section("ENVIRONMENT", environment(program, commands)),
    section("FILES", text.files.map(([path, what]) => item(`\\fI${plain(path)}\\fR`, what))),
    section("EXAMPLES", text.examples.map(([line, what]) => item(bold(line), what))),
    section("SEE ALSO", [
      text.seeAlso.map((page) => bold(page).replace(/\((\d)\)\\fR$/, "\\fR($1)")).join(", "),
    ]),
  ].filter((part) => part !== "").join("\n") + "\n";
}

function section(title: string, parts: readonly string[]): string {
  return [`.SH ${quoted(title)}`, ...parts].join("\n");
}

function synopsis(program: Command): string[] {
  const name = bold(program.name());
  const own = program.registeredArguments.map((it) => ` ${placeholder(it)}`).join("");
  const options = "[\\fIoption\\fR\\~...]";
  return [
    `${name} ${options}${own}`,
    ".br",
    `${name} \\fIsubcommand\\fR ${options} [\\fIargument\\fR\\~...]`,
  ];
}

/** Every subcommand that does something by itself, in the order of the help; but `help`. */
function leaves(program: Command): Command[] {
  return program.createHelp().visibleCommands(program).filter((it) => it.name() !== "help").flatMap((it) => {
    const inner = leaves(it);
    const isLeaf = inner.length === 0 || it.registeredArguments.length > 0;
    return isLeaf ? [it, ...inner] : inner;
  });
}

function ownFlags(command: Command): readonly Option[] {
  return command.createHelp().visibleOptions(command).filter(({ long }) => long !== "--help");
}

function key({ flags, description, envVar }: Option): string {
  return [flags, description, envVar].join("\n");
}

function sharedFlags(commands: readonly Command[]): Map<string, Option> {
  const all = commands.flatMap(ownFlags);
  const counted = Map.groupBy(all, key);
  return new Map([...counted].filter(([, same]) => same.length >= SHARED_BY).map(([id, [it]]) => [id, it!]));
}

function subcommand(command: Command, shared: ReadonlyMap<string, Option>): string {
  const words: string[] = [];
  for (let it = command; it.parent; it = it.parent) words.unshift(it.name());
  const names = [words.join(" "), ...command.aliases()].map(bold).join(", ");
  const usage = [names, ...command.registeredArguments.map(placeholder)].join(" ");
  const flags = ownFlags(command);
  const own = flags.filter((it) => !shared.has(key(it)));
  const others = flags.filter((it) => shared.has(key(it))).map(({ long = "" }) => bold(long));
  const details = [
    ...command.registeredArguments.filter(({ description }) => description !== "")
      .map((it) => item(`\\fI${plain(it.name())}\\fR`, sentence(it.description) + choicesOf(it))),
    ...own.map(flag),
    ...others.length > 0 ? [".PP", `Also: ${others.join(", ")}.`] : [],
  ];
  return [
    ".TP",
    usage,
    plain(sentence(command.description())),
    ...details.length > 0 ? [".RS", ...details, ".RE"] : [],
  ].join("\n");
}

function flag(option: Option): string {
  const { flags, description, argChoices, envVar } = option;
  const usual = shownDefault(option);
  const more = [
    argChoices && `one of ${argChoices.join(", ")}`,
    usual !== undefined && `default: ${usual}`,
    envVar && `variable: ${envVar}`,
  ].filter(Boolean).join("; ");
  const shown = flags.replaceAll(
    /(-[\w-]+)|[<[]([\w:-]+)[>\]]/g,
    (_all, name, value) => name ? bold(name) : `\\fI${plain(value)}\\fR`,
  );
  return item(shown, `${sentence(description)}${more && ` ${sentence(more)}`}`);
}

function choicesOf({ argChoices }: Argument): string {
  return argChoices ? ` One of ${argChoices.join(", ")}.` : "";
}

function placeholder(argument: Argument): string {
  const name = `\\fI${plain(argument.name())}\\fR${argument.variadic ? "\\~..." : ""}`;
  return argument.required ? name : `[${name}]`;
}

/** Each variable that stands for a flag. */
function environment(program: Command, commands: readonly Command[]): string[] {
  const names = new Map<string, string>();
  for (const { envVar, long } of [program, ...commands].flatMap((it) => it.options)) {
    if (envVar !== undefined && long != null) names.set(envVar, long);
  }
  return [
    paragraph("Each of these stands for the flag beside it; the flag counts where both are given."),
    ...[...names].sort().map(([name, long]) => item(bold(name), `*${long}*`)),
    item(bold("NO_COLOR"), "Set to anything, it keeps colours away."),
  ];
}

function item(tag: string, text: string): string {
  return [".TP", tag, styled(text)].join("\n");
}

function paragraph(text: string): string {
  return `.PP\n${styled(text)}`;
}

/** `*words*` become bold, and a line never begins with what roff takes for a request. */
function styled(text: string): string {
  return text.split(/\*([^*]+)\*/).map((part, index) => index % 2 === 1 ? bold(part) : plain(part)).join("");
}

function bold(text: string): string {
  return `\\fB${plain(text)}\\fR`;
}

/** Text of ours or of a flag, with what roff would read as its own made plain. */
function plain(text: string): string {
  const safe = text.replaceAll("\\", "\\e").replaceAll("-", "\\-").replaceAll("'", "\\(aq")
    .replaceAll("`", "\\(ga").replaceAll("~", "\\(ti").replaceAll("^", "\\(ha");
  return /^[.']/.test(safe) ? `\\&${safe}` : safe;
}

function quoted(text: string): string {
  return `"${plain(text).replaceAll('"', "\\(dq")}"`;
}

/** Descriptions in the tree begin small, unless with something to be typed, and end without a full stop. */
function sentence(text: string): string {
  const whole = text.replace(
    /^[a-z]+(?![\w/.-]|:\/)/,
    ([first = "", ...rest]) => first.toUpperCase() + rest.join(""),
  );
  return /[.!?]$/.test(whole) ? whole : `${whole}.`;
}
