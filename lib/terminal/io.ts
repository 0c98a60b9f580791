// Keyboard, screen and signals as small interfaces, and the real ones. Knows no keys, lines or escape sequences.
import { fstatSync, statSync } from "node:fs";
import type { ScreenSize } from "./screen/picture.ts";

/**
 * How the keyboard is read: `lines` as the system does it, `keys` with each key at once and unseen, Ctrl+C and
 * Ctrl+Z being keys too, `signals` the same but with Ctrl+C and Ctrl+Z as signals.
 */
export type InputMode = "lines" | "keys" | "signals";

export interface TerminalInput {
  /** Reads some bytes; `null` at the end. Called again only after the last call was answered. */
  read(buffer: Uint8Array): Promise<number | null>;
  isTerminal(): boolean;
  setMode(mode: InputMode): void; // changes how the keyboard is read; only called where {@linkcode isTerminal}. Keys not read yet are kept
}

export interface TerminalOutput {
  write(bytes: Uint8Array): Promise<number>;
  /** Writes the bytes before it returns, for the last words of a process; fails where they cannot be written. */
  writeNow(bytes: Uint8Array): void;
  isTerminal(): boolean;
  /** Whether all that is written is thrown away unseen, as by the null device. */
  isNowhere(): boolean;
  size(): ScreenSize;
}

export type TerminalSignal = "SIGWINCH" | "SIGINT" | "SIGCONT";

export interface TerminalSignals {
  /** Calls a listener at each signal until the function returned is called. Does nothing where there is no such signal. */
  listen(signal: TerminalSignal, listener: () => void): () => void;
  /** Stops the program as Ctrl+Z does; returns once it goes on, or at once where that cannot be. */
  stop(): void;
  /** Ends the program as Ctrl+C does where nobody listens. */
  end(): void;
}

export interface TerminalIo {
  readonly input: TerminalInput;
  readonly output: TerminalOutput;
  readonly signals: TerminalSignals;
}

const USUAL_SIZE: ScreenSize = { columns: 80, rows: 24 };

const STDOUT = 1;

const standardInput: TerminalInput = {
  read: (buffer) => Deno.stdin.read(buffer),
  isTerminal: () => Deno.stdin.isTerminal(),
  setMode(mode) {
    // Never by way of `lines` to another mode: what is typed in that moment, a password even, would be shown.
    if (mode === "lines") Deno.stdin.setRaw(false);
    else Deno.stdin.setRaw(true, { cbreak: mode === "signals" });
  },
};

const standardOutput: TerminalOutput = {
  write: (bytes) => Deno.stdout.write(bytes),
  writeNow: (bytes) => void Deno.stdout.writeSync(bytes),
  isTerminal: () => Deno.stdout.isTerminal(),
  isNowhere() {
    if (Deno.build.os === "windows") return false;
    // A descriptor that was closed at the start (`>&-`) is the null device too: the runtime opens it in its place.
    const output = fstatSync(STDOUT);
    return output.isCharacterDevice() && output.rdev === statSync("/dev/null").rdev;
  },
  size() {
    try {
      const { columns, rows } = Deno.consoleSize();
      return columns > 1 && rows > 1 ? { columns, rows } : USUAL_SIZE; // some serial lines and editors' terminals say 0
    } catch {
      return USUAL_SIZE;
    }
  },
};

const processSignals: TerminalSignals = {
  listen(signal, listener) {
    try {
      Deno.addSignalListener(signal, listener);
    } catch {
      return () => {}; // Windows has no SIGCONT
    }
    return () => Deno.removeSignalListener(signal, listener);
  },
  stop() {
    if (Deno.build.os === "windows") return;
    try {
      // The whole process group, as the terminal itself does: a shell sees only its own child stop. By a shell, since the
      // runtime lets only a program that may run everything send signals.
      new Deno.Command("sh", { args: ["-c", "kill -TSTP 0"], stdin: "null", stdout: "null", stderr: "null" })
        .outputSync();
    } catch {
      // Without leave to send signals, Ctrl+Z does nothing.
    }
  },
  end() {
    try {
      // By the signal itself, so that a shell script that runs the program stops too.
      Deno.kill(Deno.pid, "SIGINT");
    } catch {
      Deno.exit(130);
    }
  },
};

export const PROCESS_IO: TerminalIo = {
  input: standardInput,
  output: standardOutput,
  signals: processSignals,
};
