// What somebody has chosen about notifications, as the profile keeps it.
import type { Profile } from "../../profile/profile.ts";
import { ALERT_STYLES, type AlertStyle } from "../../terminal/terminal.ts";

/** By what means: as the terminal shows it best, in one of its ways, or with a command of the person's own. */
export const WAYS = ["auto", ...ALERT_STYLES, "command"] as const;
export type Way = "auto" | AlertStyle | "command";

export interface NotifyChoices {
  readonly isOn: boolean;
  readonly way: Way;
  readonly command: string | null; // a line for the system's shell
  readonly quiet: string | null; // "22:00-07:00"
  readonly hidesText: boolean;
}

const KEYS = {
  isOn: "notify",
  way: "notify.how",
  command: "notify.command",
  quiet: "notify.quiet",
  hidesText: "notify.hide-text",
} as const;

export function readChoices({ settings }: Profile): NotifyChoices {
  const way = settings.get(KEYS.way) as Way | null;
  return {
    isOn: settings.get(KEYS.isOn) !== "off",
    way: way !== null && WAYS.includes(way) ? way : "auto",
    command: settings.get(KEYS.command),
    quiet: settings.get(KEYS.quiet),
    hidesText: settings.get(KEYS.hidesText) === "on",
  };
}

export function saveChoices({ settings }: Profile, changes: Partial<NotifyChoices>): void {
  for (const [name, value] of Object.entries(changes) as [keyof NotifyChoices, string | boolean | null][]) {
    settings.set(KEYS[name], typeof value === "boolean" ? (value ? "on" : "off") : value);
  }
}
