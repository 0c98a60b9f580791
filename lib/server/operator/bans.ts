// `ban`: who is let in no more for a while, by name or by address.
import { Argument, type Command, Option } from "commander";
import { Network } from "../../addresses.ts";
import type { Ban, BanKind } from "../../chat/store.ts";
import { UsageError } from "../../errors.ts";
import { reachableAddresses } from "../invites.ts";
import { addDataOption, lengthOfTime } from "../options.ts";
import type { OnStore } from "./desk.ts";
import { jsonLine } from "../../terminal/safe_text.ts";

interface BanOptions {
  readonly for: number; // milliseconds
  readonly reason?: string;
  readonly yes?: boolean;
}

const LOOPBACK = ["127.0.0.1", "::1"];

/** What may be banned: how it is named on the command line. */
const TARGETS = ["account", "address", "prefix"] as const;
type Target = typeof TARGETS[number];

const ARGUMENTS: Readonly<Record<Target, readonly [name: string, description: string]>> = {
  account: ["<account>", "name of the account"],
  address: ["<address>", "IP address; of IPv6 its whole /64, in which one household chooses freely"],
  prefix: ["<cidr>", "range of addresses, such as 192.0.2.0/24 or 2001:db8::/48"],
};

export function addBanCommands(ban: Command, onStore: OnStore): void {
  ban.description("who may not come in for a while: account, address, prefix, list, lift");
  for (const target of TARGETS) {
    const [argument, description] = ARGUMENTS[target];
    const command = addDataOption(ban.command(target).argument(argument, description))
      .description(`let this ${target} in no more for a while, and disconnect it within seconds`)
      .addOption(
        new Option("--for <time>", "for how long: 30m, 12h, 7d, 2w").argParser(lengthOfTime)
          .makeOptionMandatory(),
      )
      .option("--reason <text>", "a note for operators");
    if (target !== "account") {
      command.option("--yes", "also where it shuts out this machine itself");
    }
    onStore(command, async ({ noted, terminal }, what: string, options: BanOptions) => {
      const { kind, subject } = bannedBy(target, what);
      if (!options.yes) checkNotOneself(subject, kind);
      const endsAt = Date.now() + options.for;
      await noted(`${subject} until ${timeOf(endsAt)}`).ban({
        kind,
        subject,
        endsAt,
        reason: options.reason ?? "",
      });
      await terminal.print(`Banned ${subject} until ${timeOf(endsAt)}.`);
    });
  }
  onStore(
    addDataOption(ban.command("list")).description("list the bans that have not ended")
      .option("--json", "one JSON object per line"),
    async ({ store, terminal }, { json = false }: { json?: boolean }) => {
      for (const it of (await store.standingOrders()).bans) {
        await terminal.print(json ? jsonLine(it) : banLine(it));
      }
    },
  );
  onStore(
    addDataOption(
      ban.command("lift").addArgument(new Argument("<kind>", "what was banned").choices(TARGETS))
        .argument("<what>", "as it was banned"),
    ).description("end a ban now"),
    async ({ noted, terminal }, target: Target, what: string) => {
      const { kind, subject } = bannedBy(target, what);
      await noted(subject).liftBan({ kind, subject });
      await terminal.print(`Lifted the ban of ${subject}.`);
    },
  );
}

function bannedBy(target: Target, what: string): { readonly kind: BanKind; readonly subject: string } {
  if (target === "account") return { kind: "account", subject: what };
  const network = what.includes("/") === (target === "prefix") ? Network.parse(what) : null;
  if (network !== null) return { kind: "network", subject: network.toString() };
  const example = target === "prefix" ? "a prefix such as 192.0.2.0/24" : "an IP address such as 192.0.2.7";
  throw new UsageError(`Cannot read ${what} as ${example}`);
}

/** Throws `UsageError` where a ban would shut out this machine, or everybody who seems to come from it. */
function checkNotOneself(subject: string, kind: BanKind): void {
  if (kind === "account") return;
  const network = Network.parse(subject)!;
  const own = [...LOOPBACK, ...reachableAddresses("::")].find((address) => network.includes(address));
  if (own === undefined) return;
  throw new UsageError(
    `Cannot ban ${subject} just like that, as ${own} is this machine itself: you, and whoever comes through a proxy on it, ` +
      "could not come in any more; give --yes if you mean it",
  );
}

function banLine({ kind, subject, endsAt, reason }: Ban): string {
  return `${kind === "account" ? "account " : ""}${subject}  until ${timeOf(endsAt)}${
    reason && `  ${reason}`
  }`;
}

function timeOf(at: number): string {
  return new Date(at).toISOString();
}
