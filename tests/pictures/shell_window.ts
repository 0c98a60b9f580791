// A shell on a real terminal, with somebody who types into it and reads what a terminal without a window shows.
import { ScreenEmulator } from "../helpers/screen_emulator.ts";

/** How long something may take to appear, in milliseconds. */
const APPEARS_WITHIN_MS = 30_000;

/** How a window is opened. */
export interface ShellWindowOptions {
  readonly columns: number;
  readonly rows: number;
  /** Variables on top of this process's. */
  readonly env?: Readonly<Record<string, string>>;
  /** Folder to start in; this process's by default. */
  readonly cwd?: string;
}

/** One terminal window with a shell in it. By `script` of util-linux, which makes the terminal. */
export class ShellWindow implements AsyncDisposable {
  readonly screen: ScreenEmulator;
  readonly #child: Deno.ChildProcess;
  readonly #input: WritableStreamDefaultWriter<Uint8Array>;
  readonly #ended: Promise<void>;
  #changed = Promise.withResolvers<void>();
  #seen = 0; // where in the screen's text the next look begins

  constructor({ env, cwd, columns, rows }: ShellWindowOptions) {
    this.screen = new ScreenEmulator(columns, rows);
    this.#child = new Deno.Command("script", {
      args: ["-qfc", `stty rows ${rows} columns ${columns}; exec bash --norc --noprofile`, "/dev/null"],
      env: {
        TERM: "xterm-256color",
        COLORTERM: "",
        SHELL: "/bin/sh",
        HISTFILE: "",
        PS1: "\\[\\e[1m\\]$\\[\\e[0m\\] ",
        ...env,
      },
      ...(cwd === undefined ? {} : { cwd }),
      stdin: "piped",
      stdout: "piped",
      stderr: "inherit",
    }).spawn();
    this.#input = this.#child.stdin.getWriter();
    this.screen.onAnswer = (text) => void this.#write(text);
    this.#ended = this.#follow();
  }

  /** Presses keys as they are. */
  press(keys: string): Promise<void> {
    return this.#write(keys);
  }

  /** Types a line and Enter, once what is on the screen has been waited for. */
  async types(line: string): Promise<void> {
    await this.#write(line);
    await this.#write("\r");
  }

  /** Waits until a text appears behind what earlier looks saw, and returns its match. */
  async sees(pattern: RegExp): Promise<RegExpExecArray> {
    let isLate = false;
    const timer = setTimeout(() => {
      isLate = true;
      this.#changed.resolve();
    }, APPEARS_WITHIN_MS);
    try {
      while (true) {
        const text = this.screen.text();
        const match = pattern.exec(text.slice(this.#seen));
        if (match) {
          this.#seen += match.index + match[0].length;
          return match;
        }
        if (isLate) throw new Error(`Never appeared: ${pattern}\n--- on the screen:\n${text}`);
        await this.#changed.promise;
      }
    } finally {
      clearTimeout(timer);
    }
  }

  /** Answers questions in order: waits for each, then types its answer. */
  async answers(...exchange: readonly (readonly [question: RegExp, answer: string])[]): Promise<void> {
    for (const [question, answer] of exchange) {
      await this.sees(question);
      await this.types(answer);
    }
  }

  /** Ends the shell and what runs in it. */
  async [Symbol.asyncDispose](): Promise<void> {
    // The terminal goes away with it, and what runs there ends.
    this.#child.kill("SIGKILL");
    await this.#input.close().catch(() => {});
    await this.#ended;
    await this.#child.status;
    this.screen[Symbol.dispose]();
  }

  async #write(text: string): Promise<void> {
    await this.#input.write(new TextEncoder().encode(text)).catch(() => {});
  }

  async #follow(): Promise<void> {
    const decoder = new TextDecoder();
    for await (const chunk of this.#child.stdout) {
      await this.screen.write(decoder.decode(chunk, { stream: true }));
      this.#changed.resolve();
      this.#changed = Promise.withResolvers<void>();
    }
  }
}
