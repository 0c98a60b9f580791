// An answer in the form of each shell. What others have named is text to every script, and is quoted where the shell does not do
// that itself. A candidate that could not be typed, such as one with a line end, is left out.
import { bashWords, quoteForBash } from "./bash_words.ts";
import { type Candidate, complete, type Completing } from "./complete.ts";
import type { Shell } from "./shells.ts";

// deno-lint-ignore no-control-regex
const CONTROL = /[\u0000-\u001f\u007f-\u009f\u2028\u2029\p{Cf}\p{Cs}]/u;

/** A description is one line, and shorter than most terminals are wide. */
const ABOUT_CHARS = 70;

/**
 * @param words For bash the line as it is typed up to the cursor, and what bash takes for its last word; for the others the words
 *   behind the program's name.
 * @returns Never rejects: whatever went wrong, nobody who pressed Tab asked about it.
 */
export async function answerShell(
  completing: Completing,
  shell: Shell,
  words: readonly string[],
): Promise<string> {
  try {
    return shell === "bash"
      ? await answerBash(completing, words[0] ?? "", words[1] ?? "")
      : await answerWords(completing, words, shell === "zsh" ? zshLine : fishLine);
  } catch {
    return "words\n";
  }
}

async function answerBash(completing: Completing, line: string, lastPart: string): Promise<string> {
  const { words, raw, quote } = bashWords(line);
  const found = await complete(completing, words.slice(1));
  if (typeof found === "string") return `${found}\n`;
  // bash begins a new word at `:`, `=` and `@`, and replaces only that.
  const part = bashWords(quote + lastPart).words[0] ?? "";
  const kept = raw.endsWith(lastPart) ? words.at(-1)!.length - part.length : 0;
  const lines = typable(found).flatMap(({ value }) => quoteForBash(value.slice(kept), quote) ?? []);
  return ["words", ...lines].join("\n") + "\n";
}

async function answerWords(
  completing: Completing,
  words: readonly string[],
  lineOf: (candidate: Candidate) => string,
): Promise<string> {
  const found = await complete(completing, words);
  if (typeof found === "string") return `${found}\n`;
  return ["words", ...typable(found).map(lineOf)].join("\n") + "\n";
}

function typable(candidates: readonly Candidate[]): Candidate[] {
  return candidates.filter(({ value }) => value !== "" && !CONTROL.test(value));
}

/** As `_describe` splits it: at the first colon without a backslash. */
function zshLine(candidate: Candidate): string {
  const value = candidate.value.replaceAll(/[\\:]/g, "\\$&");
  const about = aboutOf(candidate);
  return about === "" ? value : `${value}:${about}`;
}

function fishLine(candidate: Candidate): string {
  return `${candidate.value}\t${aboutOf(candidate)}`;
}

function aboutOf({ about = "" }: Candidate): string {
  const line = about.replaceAll(new RegExp(CONTROL, "gu"), " ");
  return line.length <= ABOUT_CHARS ? line : `${line.slice(0, ABOUT_CHARS - 1).trimEnd()}…`;
}
