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
        return database.all(query).map(inviteFrom);
      },
    },
    writes: {
      createInvite({ code, maxUses, expiresAt, note }) {
        const row = database.get(
          tables.insertInto("invites")
            .values({ code, max_uses: maxUses, expires_at: expiresAt, note, created_at: context.now })
            .onConflict((conflict) => conflict.doNothing()).returningAll(),
        );
        if (row === undefined) {
          throw new ChatError("conflict", "Cannot make the invite as its code exists already");
        }
        return inviteFrom(row);
      },

      revokeInvite(code) {
        const invite = database.get(
          tables.selectFrom("invites").select("revoked_at").where("code", "=", code),
        );
        if (invite === undefined) throw new ChatError("not_found", `Cannot find the invite: ${code}`);
        if (invite.revoked_at !== null) return;
        database.run(tables.updateTable("invites").set("revoked_at", context.now).where("code", "=", code));
      },
    },
  } satisfies SomeVerbs;
}

function inviteFrom(row: InvitesTable): Invite {
  return {
    code: row.code,
    maxUses: row.max_uses,
    uses: row.uses,
    createdAt: row.created_at,
    expiresAt: row.expires_at,
    revokedAt: row.revoked_at,
    note: row.note,
  };
}
