/**
 * Colour and weight for what the program itself says, never as the only signal: a screen reader, a pipe and `NO_COLOR` see
 * none of it. The terminal takes these sequences out again where they are not wanted, so callers use them freely.
 * @module
 * @see ECMA-48 §8.3.117 (SGR)
 */

export function bold(text: string): string {
  return `\x1b[1m${text}\x1b[22m`;
}

/** Wraps text in faint: hints, times, what may be skipped. */
export function dim(text: string): string {
  return `\x1b[2m${text}\x1b[22m`;
}

export function red(text: string): string {
  return `\x1b[31m${text}\x1b[39m`;
}

export function green(text: string): string {
  return `\x1b[32m${text}\x1b[39m`;
}

export function yellow(text: string): string {
  return `\x1b[33m${text}\x1b[39m`;
}

export function cyan(text: string): string {
  return `\x1b[36m${text}\x1b[39m`;
}

// deno-lint-ignore no-control-regex
const SGR = /\x1b\[[0-9;]*m/g;

export function withoutStyle(text: string): string {
  return text.replaceAll(SGR, "");
}

// deno-lint-ignore no-control-regex
const NOT_PRINTABLE = /(\x1b\[[0-9;]*m)|[\x00-\x08\x0b-\x1f\x7f-\x9f]/g;

/**
 * The second fence before the screen: lets colours, tabs and line feeds through and makes every other control
 * character visible, so that a forgotten {@linkcode safeText} cannot move the cursor.
 */
export function printable(text: string, keepStyle: boolean): string {
  return text.replaceAll(NOT_PRINTABLE, (found, style?: string) => {
    if (style !== undefined) return keepStyle ? style : "";
    const code = found.charCodeAt(0);
    return code < 0x20 ? String.fromCharCode(0x2400 + code) : "\ufffd";
  });
}
