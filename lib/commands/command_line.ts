// The command line of both programs: help, errors that the caller ends with, unknown subcommands.
import type { Argument, Command, Option } from "commander";
import { count } from "../count.ts";
import { UsageError } from "../errors.ts";
import { writeToOutput } from "../terminal/standard_output.ts";
import { describeBuild, VERSION } from "../version.ts";

/** Narrowest column of descriptions that are wrapped: beside our longest flag there are 40 of 80. */
const NARROWEST_TEXT = 20;

/** Prepares a program, before anything is added to it: how it shows its help and its version. */
export function prepareProgram(program: Command, args: readonly string[]): Command {
  return program
    // Commander prints it as soon as it reads `--version`, so what stands behind that is looked up before.
    .version(
      args.includes("--json") ? describeBuild(program.name()) : VERSION,
      "-V, --version",
      "output the version number; with --json also the commit, Deno and the machine that it is for",
    )
    .showHelpAfterError("(--help shows the options)")
    .configureOutput({ writeOut: writeToOutput })
    .configureHelp({
      minWidthToWrap: NARROWEST_TEXT,
      optionDescription: described,
      argumentDescription: described,
    })
    .enablePositionalOptions()
    .exitOverride();
}

/** A flag or an argument in the help, with its choices, its default and its variable. */
function described(it: Option | Argument): string {
  const usual = shownDefault(it);
  const variable = "envVar" in it ? it.envVar : undefined;
  const notes = [
    it.argChoices && `choices: ${it.argChoices.join(", ")}`,
    usual !== undefined && `default: ${usual}`,
    variable && `env: ${variable}`,
  ].filter(Boolean).join("; ");
  return [it.description, notes && `(${notes})`].filter(Boolean).join(" ");
}

/** The default of a flag in words; undefined where there is none, or where it goes without saying: off, or nothing. */
export function shownDefault(
  { defaultValue, defaultValueDescription }: Pick<Option, "defaultValue" | "defaultValueDescription">,
): string | undefined {
  if (defaultValueDescription !== undefined) return defaultValueDescription;
  return [undefined, false, ""].includes(defaultValue) ? undefined : String(defaultValue);
}

/** Adds `help [SUBCOMMAND]`. */
export function addHelpCommand(program: Command): void {
  program.command("help").description("explain the program, or a subcommand")
    .argument("[subcommand...]", "the subcommand to explain")
    .action(async (words: string[]) => {
      await checkFirstWord(program, words, () => Promise.resolve(false));
      await program.parseAsync([...words, "--help"], { from: "user" });
    });
}

/**
 * Whether the arguments hold more than flags of the program itself: a subcommand, a word in its place, or a call for help. Most
 * starts do not, and then its subcommands, which take 3 ms to add, need not be there.
 * @throws {CommanderError} A flag is wrong, which was said, or the version was asked for and printed.
 */
export function holdMoreThanFlags(args: readonly string[], program: Command): boolean {
  // Flags behind the first word are not the program's.
  const { operands, unknown } = program.passThroughOptions().parseOptions([...args]);
  program.passThroughOptions(false);
  return operands.length + unknown.length > 0;
}

/** Checks that the first word of the arguments is a subcommand, or what may stand in its place. */
export async function checkFirstWord(
  program: Command,
  args: readonly string[],
  isOther: (word: string) => Promise<boolean>,
): Promise<void> {
  const [word] = program.parseOptions([...args]).operands;
  const names = program.commands.flatMap((command) => [command.name(), ...command.aliases()]);
  if (word === "") {
    throw new UsageError("Cannot find a subcommand or a server in an empty word: is a variable unset?");
  }
  if (word === undefined || names.includes(word) || await isOther(word)) return;
  // Loaded here, as no other start needs them.
  const { nearestName } = await import("../terminal/nearest_name.ts");
  const { oneLine } = await import("../terminal/safe_text.ts");
  const near = nearestName(word, names);
  const hint = near === null ? "--help lists them" : `did you mean ${near}?`;
  throw new UsageError(`Cannot find subcommand ${oneLine(word, 40)}: ${hint}`);
}

/** Checks that a text which may have spaces came as one word. `example` is a line that has it so. */
export function checkOneText(words: readonly string[], what: string, example: string): void {
  if (words.length < 2) return;
  throw new UsageError(
    `Cannot ${what} ${count(words.length, "word")}: put the text in quotes, as in ${example}`,
  );
}
