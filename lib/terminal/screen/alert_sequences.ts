/**
 * The bytes that call a person to a terminal: the bell, or a notification that the terminal has the desktop show.
 *
 * What is unknown gets the bell, since a terminal that does not know a sequence shows nothing at all.
 * @module
 * @see iTerm2 "Proprietary Escape Codes" (OSC 9); urxvt "urxvtperl" (OSC 777;notify); tmux(1) `allow-passthrough`
 */
import { oneLine } from "../safe_text.ts";

/** Every way to call somebody. */
export const ALERT_STYLES = ["bell", "osc9", "osc777"] as const;
/** One of them: the bell, one text (OSC 9), or a title and a text (OSC 777). */
export type AlertStyle = typeof ALERT_STYLES[number];

/** What the environment tells of the terminal; each is the value of the variable, unset where there is none. */
export interface Emulator {
  readonly term?: string | undefined; // TERM: goes along over ssh
  readonly termProgram?: string | undefined; // TERM_PROGRAM
  readonly lcTerminal?: string | undefined; // LC_TERMINAL: how iTerm2 makes itself known over ssh
  readonly kittyWindow?: string | undefined; // KITTY_WINDOW_ID
  readonly tmux?: string | undefined; // TMUX
  readonly screen?: string | undefined; // STY: GNU screen
}

const BEL = "\x07";
const ESC = "\x1b";
const OSC_END = BEL; // which all of these take, and which needs no care inside a wrapper

/** Room for a text, in columns: notifications of desktops show about two lines. */
const TEXT_COLUMNS = 160;
const TITLE_COLUMNS = 60;

const BY_TERM: readonly (readonly [RegExp, AlertStyle])[] = [
  [/^xterm-kitty/, "osc9"],
  [/^(foot|xterm-ghostty|contour|wezterm)/, "osc777"],
];
const BY_PROGRAM: Readonly<Record<string, AlertStyle>> = {
  "iterm.app": "osc9",
  "iterm2": "osc9",
  "ghostty": "osc777",
  "wezterm": "osc777",
};

/** What this terminal shows best. In tmux and GNU screen it is the bell: both mark the window, and often let nothing else through. */
export function styleFor(emulator: Emulator): AlertStyle {
  if (multiplexerOf(emulator) !== null) return "bell";
  const { term = "", termProgram, lcTerminal, kittyWindow } = emulator;
  const byTerm = BY_TERM.find(([pattern]) => pattern.test(term));
  if (byTerm) return byTerm[1];
  // A terminal inside an editor or a console may have inherited what another one has set.
  if (term === "linux" || term === "dumb") return "bell";
  const byProgram = BY_PROGRAM[(termProgram ?? lcTerminal ?? "").toLowerCase()];
  if (byProgram) return byProgram;
  return kittyWindow !== undefined && termProgram === undefined ? "osc9" : "bell";
}

/** The sequence for an alert; title and text are made safe here, and cut. */
export function alertSequence(style: AlertStyle, emulator: Emulator, title: string, text: string): string {
  if (style === "bell") return BEL;
  const [head, body] = [harmless(title, TITLE_COLUMNS), harmless(text, TEXT_COLUMNS)];
  const notification = style === "osc9"
    // Never a digit first: `9;4;…` and other numbers are commands to some terminals.
    ? `${ESC}]9;${[`Mini-Chat: ${head}`, body].filter(Boolean).join(": ")}${OSC_END}`
    : `${ESC}]777;notify;Mini-Chat: ${head};${body}${OSC_END}`;
  switch (multiplexerOf(emulator)) {
    // With the bell behind it, which is heard where the wrapped sequence is not let through.
    case "tmux":
      return `${ESC}Ptmux;${notification.replaceAll(ESC, ESC + ESC)}${ESC}\\${BEL}`;
    case "screen":
      return `${ESC}P${notification}${ESC}\\${BEL}`;
    case null:
      return notification;
  }
}

function multiplexerOf({ term = "", tmux, screen }: Emulator): "tmux" | "screen" | null {
  if (tmux || term.startsWith("tmux")) return "tmux";
  return screen || term.startsWith("screen") ? "screen" : null;
}

/** One line without a character that could end the sequence or one of its fields. */
function harmless(text: string, columns: number): string {
  return oneLine(text, columns).replaceAll(";", ",");
}
