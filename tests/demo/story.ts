/**
 * How the demo tells its story: a line of narration, then what each program's own output said meanwhile.
 * @module
 */
import { Program } from "../helpers/program.ts";

/** Prints a line of the story. */
export function tell(line: string): void {
  Deno.stdout.writeSync(new TextEncoder().encode(`${line}\n`));
}

/** Prints the heading of a scene. */
export function scene(title: string): void {
  tell(`\n== ${title}`);
}

/** A program on the stage: it is spoken to through its input, and what it prints is shown under its name. */
export class Actor {
  readonly #name: string;
  readonly #program: Program;
  #shown = 0;

  /** @param name Shown in front of each line. */
  constructor(name: string, program: Program) {
    this.#name = name;
    this.#program = program;
  }

  /** Everything the program has printed. */
  get transcript(): string {
    return this.#program.transcript;
  }

  /** Types a line. */
  async types(line: string): Promise<void> {
    await this.#program.writeLine(line);
  }

  /** Waits until the program prints this, and shows what it printed so far. Fails loudly when it does not come. */
  async prints(pattern: RegExp): Promise<RegExpExecArray> {
    const match = await this.#program.waitForText(pattern);
    this.#show();
    return match;
  }

  /** Waits for the program's end with this exit code. */
  async ends(code: number): Promise<void> {
    const status = await this.#program.waitForExit();
    this.#show();
    if (status.code !== code) {
      throw new Error(`${this.#name} ended with exit code ${status.code}, not ${code}`);
    }
  }

  /** Ends the program without warning, as a power cut does. */
  async isKilled(): Promise<void> {
    await this.#program.kill();
    this.#show();
    tell(`  ${this.#name.padEnd(7)}| (killed)`);
  }

  #show(): void {
    const { transcript } = this.#program;
    // The last line may be a prompt that is still to be answered: it is shown with its answer.
    const end = this.#program.hasEnded ? transcript.length : transcript.lastIndexOf("\n") + 1;
    if (end <= this.#shown) return;
    const lines = transcript.slice(this.#shown, end).replace(/\n$/, "").split("\n");
    for (const line of lines) if (line.trim()) tell(`  ${this.#name.padEnd(7)}| ${line}`);
    this.#shown = end;
  }
}
