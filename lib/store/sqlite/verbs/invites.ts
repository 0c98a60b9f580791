import { ChatError } from "../../../errors.ts";
import type { ServerContext, SomeVerbs } from "../context.ts";
import type { InvitesTable } from "../schema.ts";
import type { Invite } from "../../../chat/operator_store.ts";

export function inviteVerbs(context: ServerContext) {
  const { database } = context;
  const { tables } = database;

  return {
    reads: {
      listInvites() {
        const query = tables.selectFrom("invites").selectAll().orderBy("created_at").orderBy("code");
        return database.all(query).map((row): Invite => ({
          code: row.code,
          maxUses: row.max_uses,
          uses: row.uses,
          expiresAt: row.expires_at,
          isOpen: whyClosed(row, context.now) === null,
          note: row.note,
        }));
      },
    },
    writes: {
      createInvite({ code, maxUses, expiresAt, note }) {
        const row = database.get(
          tables.insertInto("invites")
            .values({ code, max_uses: maxUses, expires_at: expiresAt, note, created_at: context.now })
            .onConflict((conflict) => conflict.doNothing()).returning("code"),
        );
        if (row === undefined) {
          throw new ChatError("conflict", "Cannot make the invite as its code exists already");
        }
      },

      revokeInvite(code) {
        const query = tables.updateTable("invites")
          .set(({ fn, val }) => ({ revoked_at: fn.coalesce("revoked_at", val(context.now)) }));
        const found = database.run(query.where("code", "=", code));
        if (found === 0) throw new ChatError("not_found", `Cannot find the invite: ${code}`);
      },
    },
  } satisfies SomeVerbs;
}

/** Why nobody can register with an invite; null when somebody can. */
export function whyClosed(invite: InvitesTable | undefined, now: number): string | null {
  if (invite === undefined) return "it is unknown";
  if (invite.revoked_at !== null) return "it was revoked";
  if (invite.expires_at !== null && invite.expires_at <= now) return "it has expired";
  return invite.max_uses !== null && invite.uses >= invite.max_uses ? "it is used up" : null;
}
