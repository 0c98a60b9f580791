/** A person's name as somebody typed it: neither capital letters nor an @ before it are part of any. */
export function typedName(typed: string): string {
  return typed.trim().toLowerCase().replace(/^@/, "");
}
