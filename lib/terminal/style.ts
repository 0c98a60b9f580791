/**
 * Colour and weight for what the program itself says, never as the only signal: a screen reader, a pipe and `NO_COLOR` see
 * none of it. The terminal takes these sequences out again where they are not wanted, so callers use them freely.
 * @module
 * @see ECMA-48 §8.3.117 (SGR)
 */

export const bold = styled(1, 22);
export const dim = styled(2, 22); // faint: hints, times, what may be skipped
export const red = styled(31, 39);
export const green = styled(32, 39);
export const yellow = styled(33, 39);
export const cyan = styled(36, 39); // names and what can be typed

function styled(on: number, off: number): (text: string) => string {
  return (text) => `\x1b[${on}m${text}\x1b[${off}m`;
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
