// `lockdown`: for a while nobody registers, and nobody writes to a stranger.
import { Argument, type Command, Option } from "commander";
import type { Lockdown } from "../../chat/store.ts";
import { UsageError } from "../../errors.ts";
import { addDataOption, lengthOfTime } from "../options.ts";
import type { OnStore } from "./desk.ts";
import { jsonLine } from "../../terminal/safe_text.ts";

interface LockdownOptions {
  readonly for?: number; // milliseconds
  readonly json?: boolean;
}

export function addLockdownCommand(lockdown: Command, onStore: OnStore): void {
  lockdown.description(
    "lock the server against strangers, or say whether it is: nobody can register, use an invite, or write to somebody with " +
      "whom no message was exchanged",
  )
    .addArgument(new Argument("[state]", "nothing says how it is").choices(["on", "off"]))
    .addOption(
      new Option("--for <time>", "for how long: 30m, 12h, 7d, 2w").default(undefined, "until lockdown off")
        .argParser(lengthOfTime),
    )
    .option("--json", "one JSON object");
  onStore(
    addDataOption(lockdown),
    async ({ store, noted, terminal }, state: "on" | "off" | undefined, options: LockdownOptions) => {
      if (state !== "on" && options.for !== undefined) {
        throw new UsageError("Cannot use --for without on: lockdown on --for 2h");
      }
      if (state === "on") {
        const endsAt = options.for === undefined ? null : Date.now() + options.for;
        await noted(endsAt === null ? "on" : `on until ${new Date(endsAt).toISOString()}`).lockDown(endsAt);
      }
      if (state === "off") await noted("off").endLockdown();
      const now = (await store.standingOrders()).lockdown;
      await terminal.print(options.json ? jsonLine({ lockdown: now }) : inWords(now));
    },
  );
}

function inWords(lockdown: Lockdown | null): string {
  if (lockdown === null) return "The server is not locked.";
  const since = new Date(lockdown.since).toISOString();
  const until = lockdown.endsAt === null ? "lockdown off" : new Date(lockdown.endsAt).toISOString();
  return `The server is locked against strangers since ${since}, until ${until}.`;
}
