// What an examination says: one finding for each thing that was looked at.

export interface Finding {
  readonly about: string; // one word
  readonly level: "ok" | "warning" | "error"; // as it should be; works, but not for long or not for all; does not work
  readonly seen: string; // one sentence, with the value
  readonly next?: string; // what to do
}

export const ok = (about: string, seen: string, next?: string): Finding => finding(about, "ok", seen, next);
export const warning = (about: string, seen: string, next: string): Finding =>
  finding(about, "warning", seen, next);
export const error = (about: string, seen: string, next: string): Finding =>
  finding(about, "error", seen, next);

function finding(about: string, level: Finding["level"], seen: string, next?: string): Finding {
  return { about, level, seen, ...(next === undefined ? {} : { next }) };
}
