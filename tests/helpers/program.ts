/**
 * A real program as a child process: write to its input, wait for its output, send it signals.
 *
 * Knows nothing of Mini-Chat (see `mini_chat.ts`). Nothing here sleeps: each wait ends with the text that
 * was waited for, with the program's end, or loudly after its deadline, showing all that the program said.
 * @module
 */

/** How long a wait may last before the test fails, in milliseconds: generous, since two cores are shared. */
const WAIT_DEADLINE_MS = 60_000;

/** How long the output of a program that is gone is still read, in milliseconds, while a child of its holds it open. */
const ORPHANED_OUTPUT_MS = 500;

/** How a program is started. */
export interface ProgramOptions {
  /** Variables set on top of the ones of this process. */
  readonly env?: Readonly<Record<string, string>>;
  /** Folder to start in; this process's by default. */
  readonly cwd?: string;
  /** Name in failure messages; the command by default. */
  readonly name?: string;
}

/** A running child process, with everything that it has said so far. Killed, at the latest, when its scope ends. */
export class Program implements AsyncDisposable {
  /** Process id. */
  readonly pid: number;
  /** Settles when the process is gone and all of its output was read. */
  readonly exited: Promise<Deno.CommandStatus>;
  readonly #name: string;
  readonly #child: Deno.ChildProcess;
  readonly #input: WritableStreamDefaultWriter<Uint8Array>;
  readonly #changed = new Set<() => void>();
  #transcript = ""; // standard output and standard error, as they came
  #stdout = "";
  #stderr = "";
  #seen = 0; // where in the transcript the next wait begins
  #status: Deno.CommandStatus | undefined; // set once the process is gone
  #inputClosed = false;

  /**
   * @param command Path or name of the program.
   * @param args Its arguments.
   */
  constructor(command: string, args: readonly string[], options: ProgramOptions = {}) {
    this.#name = options.name ?? command;
    this.#child = new Deno.Command(command, {
      args: [...args],
      stdin: "piped",
      stdout: "piped",
      stderr: "piped",
      env: { NO_COLOR: "1", ...options.env },
      ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    }).spawn();
    this.pid = this.#child.pid;
    this.#input = this.#child.stdin.getWriter();
    this.exited = this.#follow();
  }

  /** Everything the program has written to its standard output. */
  get stdout(): string {
    return this.#stdout;
  }

  /** Everything the program has written to its standard error. */
  get stderr(): string {
    return this.#stderr;
  }

  /** Whether the process is gone and all of its output was read. */
  get hasEnded(): boolean {
    return this.#status !== undefined;
  }

  /** Both outputs together, in the order in which they arrived here. */
  get transcript(): string {
    return this.#transcript;
  }

  /**
   * Waits until a whole line matches, looking only at what came after the last match.
   *
   * @param pattern Tried on each line without its line end.
   * @returns The match; the next wait goes on behind that line.
   * @throws {Error} the program ended, or the deadline passed, before such a line came.
   */
  waitForLine(pattern: RegExp, timeoutMs = WAIT_DEADLINE_MS): Promise<RegExpExecArray> {
    return this.#waitFor(pattern, timeoutMs, () => {
      for (let start = this.#seen;;) {
        const end = this.#transcript.indexOf("\n", start);
        if (end < 0) return null;
        const match = pattern.exec(this.#transcript.slice(start, end).replace(/\r$/, ""));
        if (match) {
          this.#seen = end + 1;
          return match;
        }
        start = end + 1;
      }
    });
  }

  /**
   * Waits for text anywhere, such as a prompt that no line end follows, after the last match.
   *
   * @throws {Error} the program ended, or the deadline passed, before it came.
   */
  waitForText(pattern: RegExp, timeoutMs = WAIT_DEADLINE_MS): Promise<RegExpExecArray> {
    return this.#waitFor(pattern, timeoutMs, () => {
      const match = pattern.exec(this.#transcript.slice(this.#seen));
      if (match) this.#seen += match.index + match[0].length;
      return match;
    });
  }

  /** Waits for the end of the program, and fails loudly if that does not come in time. */
  async waitForExit(timeoutMs = WAIT_DEADLINE_MS): Promise<Deno.CommandStatus> {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const late = new Promise<never>((_resolve, reject) => {
      timer = setTimeout(
        () => reject(this.#failure(`did not end within ${timeoutMs} ms`)),
        timeoutMs,
      );
    });
    try {
      return await Promise.race([this.exited, late]);
    } finally {
      clearTimeout(timer);
    }
  }

  /** Writes to the program's input as it is. A program that is gone already does not matter. */
  async write(text: string): Promise<void> {
    try {
      await this.#input.write(new TextEncoder().encode(text));
    } catch (error) {
      if (!(error instanceof Deno.errors.BrokenPipe)) throw error;
    }
  }

  /** Writes one line to the program's input. */
  writeLine(line: string): Promise<void> {
    return this.write(line + "\n");
  }

  /** Ends the program's input, as Ctrl+D does. */
  async closeInput(): Promise<void> {
    if (this.#inputClosed) return;
    this.#inputClosed = true;
    try {
      await this.#input.close();
    } catch {
      // The program closed its end first.
    }
  }

  /** Sends a signal; nothing happens when the program is gone already. */
  signal(signal: Deno.Signal): void {
    if (this.#status !== undefined) return;
    try {
      this.#child.kill(signal);
    } catch (error) {
      // Gone, but its output is still being read.
      if (!(error instanceof TypeError || error instanceof Deno.errors.NotFound)) throw error;
    }
  }

  /** Sends SIGKILL and waits until the program is gone. */
  async kill(): Promise<Deno.CommandStatus> {
    this.signal("SIGKILL");
    return await this.waitForExit();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
  }

  async #follow(): Promise<Deno.CommandStatus> {
    const stdout = this.#child.stdout.getReader();
    const stderr = this.#child.stderr.getReader();
    const ends = Promise.all([
      this.#read(stdout, (text) => this.#stdout += text),
      this.#read(stderr, (text) => this.#stderr += text),
    ]);
    const status = await this.#child.status;
    // A grandchild that outlives the program would hold the pipes open for ever.
    const grace = setTimeout(() => {
      stdout.cancel();
      stderr.cancel();
    }, ORPHANED_OUTPUT_MS);
    await ends;
    clearTimeout(grace);
    this.#status = status;
    await this.closeInput();
    this.#tellWaiters();
    return status;
  }

  async #read(reader: ReadableStreamDefaultReader<Uint8Array>, keep: (text: string) => void): Promise<void> {
    const decoder = new TextDecoder();
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      const text = decoder.decode(value, { stream: true });
      keep(text);
      this.#transcript += text;
      this.#tellWaiters();
    }
  }

  #tellWaiters(): void {
    for (const waiter of [...this.#changed]) waiter();
  }

  #waitFor(
    pattern: RegExp,
    timeoutMs: number,
    look: () => RegExpExecArray | null,
  ): Promise<RegExpExecArray> {
    return new Promise((resolve, reject) => {
      const settle = (action: () => void) => {
        clearTimeout(timer);
        this.#changed.delete(check);
        action();
      };
      const check = () => {
        const match = look();
        if (match) settle(() => resolve(match));
        else if (this.#status !== undefined) {
          const { code, signal } = this.#status;
          settle(() =>
            reject(this.#failure(`ended (code ${code}, signal ${signal}) before it said ${pattern}`))
          );
        }
      };
      const timer = setTimeout(
        () => settle(() => reject(this.#failure(`did not say ${pattern} within ${timeoutMs} ms`))),
        timeoutMs,
      );
      this.#changed.add(check);
      check();
    });
  }

  #failure(what: string): Error {
    return new Error(`${this.#name} ${what}; it said:\n${this.#transcript.slice(-4000) || "(nothing)"}`);
  }
}

/** What a program said and how it ended. */
export interface ProgramResult {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/**
 * Runs a program to its end, with this text as its whole input.
 *
 * @throws {Error} it did not end within the deadline.
 */
export async function runProgram(
  command: string,
  args: readonly string[],
  options: ProgramOptions & { readonly input?: string; readonly timeoutMs?: number } = {},
): Promise<ProgramResult> {
  await using program = new Program(command, args, options);
  if (options.input !== undefined) await program.write(options.input);
  await program.closeInput();
  const { code } = await program.waitForExit(options.timeoutMs);
  return { code, stdout: program.stdout, stderr: program.stderr };
}

/** File descriptors that a process holds; on Linux only. */
export async function countDescriptors(pid: number): Promise<number> {
  // Deno itself may look there only with every permission.
  const { stdout } = await runProgram("ls", [`/proc/${pid}/fd`]);
  return stdout.trimEnd().split("\n").length;
}
