// Questions made of lines: yes or no, one of several, a text of several lines. The same on a terminal and in a pipe.
import { messageOf } from "../errors.ts";
import { Interrupt, type ReadLineOptions } from "./read_line.ts";
import { bold, dim } from "./style.ts";

export interface Asker {
  readLine(options: ReadLineOptions): Promise<string | null>;
  print(line?: string): Promise<void>;
}

export interface Choice<Value> {
  readonly value: Value;
  readonly label: string; // what is shown, and may be typed
  readonly description?: string; // a few words behind it; none by default
}

export type SignalOption = Pick<ReadLineOptions, "signal">;

export async function confirmWith(
  asker: Asker,
  question: string,
  byDefault: boolean,
  options: SignalOption,
): Promise<boolean> {
  while (true) {
    const line = await asker.readLine({
      prompt: `${question} ${byDefault ? "[Y/n]" : "[y/N]"} `,
      multiline: false,
      ...options,
    });
    if (line === null) return false;
    const answer = line.trim().toLowerCase();
    if (answer === "") return byDefault;
    if (answer === "y" || answer === "yes") return true;
    if (answer === "n" || answer === "no") return false;
    await asker.print("Please answer y (yes) or n (no).");
  }
}

export async function chooseWith<Value>(
  asker: Asker,
  question: string,
  choices: readonly Choice<Value>[],
  options: SignalOption & { readonly byDefault?: number },
): Promise<Value | null> {
  if (choices.length === 0) throw new RangeError("Cannot choose as there are no choices");
  const { byDefault, ...rest } = options;
  await asker.print(question);
  for (const [index, { label, description }] of choices.entries()) {
    const number = String(index + 1).padStart(String(choices.length).length);
    await asker.print(
      `  ${bold(number)}  ${label}${description === undefined ? "" : dim(`  ${description}`)}`,
    );
  }
  const range = choices.length === 1 ? "1" : `1-${choices.length}`;
  const prompt = byDefault === undefined ? `Choose ${range}: ` : `Choose ${range} [${byDefault + 1}]: `;
  while (true) {
    const line = await asker.readLine({ prompt, multiline: false, ...rest });
    if (line === null) return null;
    const answer = line.trim().toLowerCase();
    const isNumber = /^\d+$/.test(answer);
    const named = choices.filter((choice) => answer !== "" && choice.label.toLowerCase().startsWith(answer));
    const exact = named.find((choice) => choice.label.toLowerCase() === answer);
    const found = answer === "" && byDefault !== undefined
      ? choices[byDefault]
      : exact ?? (isNumber ? choices[Number(answer) - 1] : named.length === 1 ? named[0] : undefined);
    if (found !== undefined) return found.value;
    await asker.print(`Please type a number from 1 to ${choices.length}, or the beginning of a name.`);
  }
}

/**
 * Asks for a text of several lines, which a line with a dot alone ends; `/edit` opens the person's editor.
 * @returns The text; `null` at the end of the input before anything was typed.
 * @throws {Interrupt} at Ctrl+C, with what had been typed.
 */
export async function readTextWith(
  asker: Asker,
  edit?: (text: string) => Promise<string>,
  options: Pick<ReadLineOptions, "initial" | "signal"> = {},
): Promise<string | null> {
  await asker.print(
    dim(`End the text with a line that holds only a dot.${edit ? " /edit opens your editor." : ""}`),
  );
  let text = options.initial ?? "";
  while (true) {
    const initial = text === "" || text.endsWith("\n") ? text : text + "\n";
    let typed: string | null;
    try {
      typed = await asker.readLine({
        ...options,
        prompt: "",
        initial,
        submitsWhen: (so, cursor) => cursor === so.length && /(?:^|\n)(?:\.|\/edit)$/.test(so),
      });
    } catch (error) {
      // A draft never holds what only ended it.
      if (error instanceof Interrupt) throw new Interrupt(error.text.replace(/(?:^|\n)\.?$/, ""));
      throw error;
    }
    if (typed === null) return text === "" ? null : unstuffed(text);
    if (!typed.endsWith("/edit")) return unstuffed(typed.replace(/\n?\.?$/, ""));
    text = typed.replace(/\n?\/edit$/, "");
    if (edit === undefined) {
      await asker.print(
        "No editor is set: set VISUAL or EDITOR to the command that starts yours. You can go on typing here.",
      );
      continue;
    }
    try {
      text = (await edit(text)).replace(/\n+$/, "");
    } catch (error) {
      await asker.print(`${messageOf(error)}. You can go on typing here.`);
    }
  }
}

/** A line of two dots stands for a line of one, as in mail (RFC 5321 §4.5.2). */
function unstuffed(text: string): string {
  return text.replaceAll(/^\.\.$/gm, ".");
}
