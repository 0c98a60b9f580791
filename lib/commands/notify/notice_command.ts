// Runs the person's own command for a notice: one JSON object on its standard input, and no other way in, so that nothing
// that others wrote becomes a part of a command line. Nobody waits for it.
import { messageOf } from "../../errors.ts";

/** How long a command may take, in milliseconds. */
const COMMAND_TIMEOUT_MS = 10_000;

export class NoticeCommand {
  readonly #onFailure: (why: string) => void;
  readonly #timeoutMs: number;
  #running: Promise<void> | undefined; // set while one runs
  #next: (() => Promise<void>) | undefined; // the newest notice that came meanwhile
  #hasFailed = false; // and nobody needs to be told again

  /** @param onFailure Told of the first of several failures in a row. */
  constructor(onFailure: (why: string) => void, timeoutMs: number = COMMAND_TIMEOUT_MS) {
    this.#onFailure = onFailure;
    this.#timeoutMs = timeoutMs;
  }

  /** Starts it, or once the one that runs has ended: of several that came meanwhile, the newest. */
  start(command: string, notice: object): void {
    this.#next = () => this.#run(command, JSON.stringify(notice) + "\n");
    this.#running ??= this.#runAll();
  }

  /** Resolves once none runs any more. */
  get settled(): Promise<void> {
    return this.#running ?? Promise.resolve();
  }

  async #runAll(): Promise<void> {
    for (let run = this.#next; run; run = this.#next) {
      this.#next = undefined;
      try {
        await run();
        this.#hasFailed = false;
      } catch (error) {
        if (!this.#hasFailed) this.#onFailure(messageOf(error));
        this.#hasFailed = true;
      }
    }
    this.#running = undefined;
  }

  async #run(command: string, input: string): Promise<void> {
    const isWindows = Deno.build.os === "windows";
    const child = new Deno.Command(isWindows ? "cmd" : "sh", {
      args: isWindows ? ["/d", "/s", "/c", `"${command}"`] : ["-c", command],
      windowsRawArguments: isWindows,
      stdin: "piped",
      stdout: "null",
      stderr: "null",
      detached: !isWindows, // a group of its own: neither Ctrl+C nor the terminal is for it, and all of it can be ended
    }).spawn();
    let isLate = false;
    const timer = setTimeout(() => {
      isLate = true;
      endAll(child);
    }, this.#timeoutMs);
    try {
      const writer = child.stdin.getWriter();
      // A command need not read its input.
      await writer.write(new TextEncoder().encode(input)).then(() => writer.close()).catch(() => {});
      const { code, signal } = await child.status;
      if (isLate) throw new Error(`it took longer than ${this.#timeoutMs / 1000} s, and was ended`);
      if (code !== 0) {
        throw new Error(signal === null ? `it ended with status ${code}` : `it was ended by ${signal}`);
      }
    } finally {
      clearTimeout(timer);
    }
  }
}

/** Ends a command and whatever it has started. */
function endAll(child: Deno.ChildProcess): void {
  // The runtime lets us signal our own child alone; a shell may signal the group.
  if (Deno.build.os !== "windows") {
    const kill = new Deno.Command("sh", {
      args: ["-c", `kill -9 -${child.pid}`],
      stdin: "null",
      stderr: "null",
    });
    void kill.output().catch(() => {});
  }
  try {
    child.kill("SIGKILL");
  } catch {
    // It has just ended.
  }
}
