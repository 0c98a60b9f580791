import { ChatError } from "../../errors.ts";
import type { Invite } from "../../chat/operator_store.ts";
import type { InvitesTable } from "./schema.ts";
import { query, type VerbContext, type VerbSteps } from "./steps.ts";

export function inviteVerbs(context: VerbContext) {
  const { tables } = context.dialect;

  const list = query(() => tables.selectFrom("invites").selectAll().orderBy("created_at").orderBy("code"));
  const insert = query((
    p: { code: string; maxUses: number | null; expiresAt: number | null; note: string; now: number },
  ) =>
    tables.insertInto("invites")
      .values({
        code: p.code,
        max_uses: p.maxUses,
        expires_at: p.expiresAt,
        note: p.note,
        created_at: p.now,
      })
      .onConflict((conflict) => conflict.doNothing())
  );
  const revoke = query((p: { code: string; now: number }) =>
    tables.updateTable("invites").set(({ fn, val }) => ({
      revoked_at: fn.coalesce("revoked_at", val(p.now)),
    }))
      .where("code", "=", p.code)
  );

  return {
    reads: {
      *listInvites() {
        return (yield* list.all({})).map((row): Invite => ({
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
      *createInvite({ code, maxUses, expiresAt, note }) {
        const made = yield* insert.run({ code, maxUses, expiresAt, note, now: context.now });
        if (made === 0) throw new ChatError("conflict", "Cannot make the invite as its code exists already");
      },

      *revokeInvite(code) {
        const found = yield* revoke.run({ code, now: context.now });
        if (found === 0) throw new ChatError("not_found", `Cannot find the invite: ${code}`);
      },
    },
  } satisfies VerbSteps;
}

/** Why nobody can register with an invite; null when somebody can. */
export function whyClosed(invite: InvitesTable | undefined, now: number): string | null {
  if (invite === undefined) return "it is unknown";
  if (invite.revoked_at !== null) return "it was revoked";
  if (invite.expires_at !== null && invite.expires_at <= now) return "it has expired";
  return invite.max_uses !== null && invite.uses >= invite.max_uses ? "it is used up" : null;
}
