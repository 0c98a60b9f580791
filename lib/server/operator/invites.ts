// `invite`: the join codes, and the links that carry them.
import type { Command } from "commander";
import { count } from "../../count.ts";
import { DEFAULT_PORT } from "../../protocol/limits.ts";
import { dataPaths } from "../data_folder.ts";
import { inviteLink, newJoinCode, reachableAddresses } from "../invites.ts";
import { readRunFile } from "../live/run_file.ts";
import {
  addDataOption,
  addLinkOptions,
  checkServeOptions,
  type KeyOptions,
  type LinkOptions,
  wholeNumber,
} from "../options.ts";
import { checkKeyIsThere, loadServerIdentity } from "../server_key.ts";
import type { OnStore } from "./desk.ts";

const DAY_MS = 24 * 3_600_000;

export function addInviteCommands(invite: Command, onStore: OnStore): void {
  invite.description("invites: new, list, revoke");
  onStore(
    addLinkOptions(addDataOption(invite.command("new"))).description("create an invite and print its link")
      .option("--uses <number>", "how many accounts it can create (default: no limit)", wholeNumber)
      .option("--days <number>", "days until it expires (default: never)", wholeNumber)
      .option("--note <text>", "a note for yourself", ""),
    async (
      { noted, terminal, databaseUrl },
      options: LinkOptions & { data: string; uses?: number; days?: number; note: string },
    ) => {
      const { uses, days, note } = options;
      const paths = dataPaths(options.data);
      const running = await readRunFile(paths.folder);
      const isKeySaid = options.cert !== undefined || options.key !== undefined;
      const ownKey: KeyOptions = isKeySaid ? options : running ?? {};
      if (checkServeOptions(ownKey).cert === undefined) await checkKeyIsThere(paths);
      const identity = await loadServerIdentity(ownKey, paths);
      if (databaseUrl !== undefined) {
        const { checkCommunityKey } = await import("../../store/open.ts");
        await checkCommunityKey(databaseUrl, identity.fingerprint); // else the link would warn everybody away
      }
      const code = newJoinCode();
      await noted(note).createInvite({
        code,
        maxUses: uses ?? null,
        expiresAt: days === undefined ? null : Date.now() + days * DAY_MS,
        note,
      });
      const host = options.publicHost ?? running?.publicHost ?? reachableAddresses(running?.host ?? "::")[0]!;
      const port = options.port || running?.port || DEFAULT_PORT;
      await terminal.print(inviteLink({ host, port, identity }, code));
    },
  );
  onStore(
    addDataOption(invite.command("list")).description("list all invites, also those that have ended"),
    async ({ store, terminal }) => {
      for (const { code, isOpen, uses, maxUses, note } of await store.listInvites()) {
        const state = isOpen ? "open" : "ended";
        await terminal.print(
          `${code}  ${state}  used ${maxUses === null ? "" : `${uses} of `}${count(maxUses ?? uses, "time")}${
            note && `  ${note}`
          }`,
        );
      }
    },
  );
  onStore(
    addDataOption(invite.command("revoke").argument("<code>", "join code, as invite list shows it"))
      .description("revoke an invite; accounts created with it stay"),
    async ({ noted, terminal }, code: string) => {
      await noted(code).revokeInvite(code);
      await terminal.print(`Revoked ${code}.`);
    },
  );
}
