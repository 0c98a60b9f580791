// Calls a person to this terminal, and knows whether they are looking at it already.
import { Focus } from "../keys/focus.ts";
import { alertSequence, type AlertStyle, type Emulator, styleFor } from "./alert_sequences.ts";

interface AlertsHost {
  readonly hasScreen: boolean;
  /** Whether the keyboard is read now; reports of the focus come the same way. */
  isHeard(): boolean;
  /** Whether something may be written now: the screen is ours. */
  isOurs(): boolean;
  write(sequence: string): void;
  watchChanged(): void;
}

export class Alerts {
  readonly #host: AlertsHost;
  readonly #emulator: Emulator;
  readonly #focus: Focus;
  #isWatching = false;
  #isReporting = false;

  constructor(emulator: Emulator, now: () => number, host: AlertsHost) {
    this.#emulator = emulator;
    this.#focus = new Focus(now);
    this.#host = host;
  }

  /** Has the terminal report its focus from now on, while a prompt that asks for no secret is open. */
  watchFocus(): void {
    this.#isWatching = true;
    this.#host.watchChanged();
  }

  /** Whether the person seems to look here: the terminal has the focus, or where it does not tell, a key was pressed lately. */
  get hasFocus(): boolean {
    return this.#focus.has(this.#host.isHeard());
  }

  /** How {@linkcode call} does it if nothing else is asked for; null where there is no screen. */
  get style(): AlertStyle | null {
    return this.#host.hasScreen ? styleFor(this.#emulator) : null;
  }

  /** Calls the person here; both texts are made safe. Does nothing without a screen, or while another program has it. */
  call(title: string, text: string, style: AlertStyle | null = this.style): void {
    if (style === null || !this.#host.hasScreen || !this.#host.isOurs()) return;
    this.#host.write(alertSequence(style, this.#emulator, title, text));
  }

  typed(): void {
    this.#focus.typed();
  }

  focused(isIn: boolean): void {
    this.#focus.reported(isIn);
  }

  /** Whether the terminal is to report its focus now, where `isPossible` says that it could. */
  reportsWhere(isPossible: boolean): boolean {
    const reports = this.#isWatching && isPossible;
    if (reports && !this.#isReporting) this.#focus.resumed();
    this.#isReporting = reports;
    return reports;
  }
}
