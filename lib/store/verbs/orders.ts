// What the operator orders for a while: bans and lockdown. What is over is not there any more, whether or not its row is.
import type { BanKind } from "../../chat/store.ts";
import { ChatError } from "../../errors.ts";
import { noAccount } from "./accounts.ts";
import { query, type VerbContext, type VerbSteps } from "./steps.ts";

export function orderVerbs(context: VerbContext) {
  const { dialect } = context;
  const { tables } = dialect;

  const bans = query((p: { now: number }) =>
    tables.selectFrom("bans")
      .select(["kind", "subject", "created_at as createdAt", "ends_at as endsAt", "reason"])
      .where("ends_at", ">", p.now).orderBy("kind").orderBy("subject")
  );
  const lockdown = query((p: { now: number }) =>
    tables.selectFrom("lockdown").select(["since", "ends_at as endsAt"])
      .where((where) => where.or([where("ends_at", "is", null), where("ends_at", ">", p.now)]))
  );
  const named = query((p: { name: string }) =>
    tables.selectFrom("accounts").select("id").where("name", "=", p.name).where("removed_at", "is", null)
  );
  const saveBan = query((
    p: { kind: BanKind; subject: string; now: number; endsAt: number; reason: string },
  ) =>
    tables.insertInto("bans")
      .values({
        kind: p.kind,
        subject: p.subject,
        created_at: p.now,
        ends_at: p.endsAt,
        reason: p.reason,
      })
      .onConflict((conflict) =>
        conflict.columns(["kind", "subject"])
          .doUpdateSet({ created_at: p.now, ends_at: p.endsAt, reason: p.reason })
      )
  );
  const removeBan = query((p: { kind: BanKind; subject: string; now: number }) =>
    tables.deleteFrom("bans").where("kind", "=", p.kind).where("subject", "=", p.subject)
      .where("ends_at", ">", p.now)
  );
  const saveLockdown = query((p: { now: number; endsAt: number | null }) =>
    tables.insertInto("lockdown").values({ only_row: 1, since: p.now, ends_at: p.endsAt })
  );
  const removeLockdown = query(() => tables.deleteFrom("lockdown"));
  const met = query((p: { accountId: number; to: string }) =>
    tables.selectFrom("accounts").select("id").where("name", "=", p.to).where("removed_at", "is", null)
      .where((where) =>
        where.or([
          where.exists(
            where.selectFrom("messages").select("sequence").where("sender_id", "=", p.accountId)
              .whereRef("recipient_id", "=", "accounts.id"),
          ),
          where.exists(
            where.selectFrom("messages").select("sequence").where("recipient_id", "=", p.accountId)
              .whereRef("sender_id", "=", "accounts.id"),
          ),
        ])
      )
  );

  return {
    reads: {
      *standingOrders() {
        const { now } = context;
        return { bans: yield* bans.all({ now }), lockdown: (yield* lockdown.first({ now })) ?? null };
      },

      *haveMet(accountId, to) {
        if ((yield* named.first({ name: to })) === undefined) return true;
        return (yield* met.first({ accountId, to })) !== undefined;
      },
    },
    writes: {
      *ban({ kind, subject, endsAt, reason }) {
        const { now } = context;
        if (kind === "account" && (yield* named.first({ name: subject })) === undefined) {
          throw noAccount(subject);
        }
        yield* saveBan.run({ kind, subject, now, endsAt, reason });
        yield* dialect.announce({ type: "orders_changed" });
      },

      *liftBan({ kind, subject }) {
        const lifted = yield* removeBan.run({ kind, subject, now: context.now });
        if (lifted === 0) throw new ChatError("not_found", `Cannot find a ban of ${kind} ${subject}`);
        yield* dialect.announce({ type: "orders_changed" });
      },

      *lockDown(endsAt) {
        yield* removeLockdown.run({});
        yield* saveLockdown.run({ now: context.now, endsAt });
        yield* dialect.announce({ type: "orders_changed" });
      },

      *endLockdown() {
        yield* removeLockdown.run({});
        yield* dialect.announce({ type: "orders_changed" });
      },
    },
  } satisfies VerbSteps;
}
