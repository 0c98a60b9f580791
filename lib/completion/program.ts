// The subcommands `completions SHELL`, which prints a shell's script, and the hidden `complete`, which that script asks at each Tab.
// The entry files load this at every start, so what they do is loaded when one of them runs.
import { Argument, type Command } from "commander";
import { writeToOutput } from "../terminal/standard_output.ts";
import type { Sources } from "./complete.ts";
import { type Shell, SHELLS } from "./shells.ts";

export interface CompletionParts {
  /** Gives a program's values, once a Tab asks for one. */
  readonly sources: () => Promise<Sources>;
  readonly readVariable: (name: string) => string | undefined; // of the environment
}

export function addCompletionCommands(program: Command, { sources, readVariable }: CompletionParts): void {
  program.command("completions").description("print the completion script of a shell")
    .addArgument(new Argument("<shell>", "the shell that you type in").choices(SHELLS))
    .addHelpText("after", () => `\n${howToUse(program.name())}`)
    .action(async (shell: Shell) => {
      const { completionScript } = await import("./scripts.ts");
      writeToOutput(completionScript(program.name(), shell));
    });
  program.command("complete", { hidden: true }).description("answer a completion script")
    .addArgument(new Argument("<shell>").choices(SHELLS)).argument("[words...]")
    .action(async (shell: Shell, words: readonly string[]) => {
      const { answerShell } = await import("./answer.ts");
      writeToOutput(await answerShell({ program, sources: await sources(), readVariable }, shell, words));
    });
}

/** What a person types once, in lines that fit 80 columns. */
function howToUse(name: string): string {
  return [
    "To have it in every new shell:",
    `  bash: echo 'eval "$(${name} completions bash)"' >>~/.bashrc`,
    `  zsh:  echo 'eval "$(${name} completions zsh)"' >>~/.zshrc`,
    "        (below: autoload -Uz compinit; compinit)",
    `  fish: ${name} completions fish \\\n          >~/.config/fish/completions/${name}.fish`,
  ].join("\n");
}
