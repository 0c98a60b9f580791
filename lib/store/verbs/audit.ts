// The audit log: what operators changed. Nothing here changes an entry; pruning takes old ones away.
import type { Act, OperatorAct } from "../../chat/operator_store.ts";
import { query, type Steps, type VerbContext, type VerbSteps } from "./steps.ts";

type Acts = Readonly<Record<OperatorAct, (...args: never[]) => Steps<unknown>>>;

/** @param acts The verbs that can be noted. */
export function auditVerbs(context: VerbContext, acts: Acts) {
  const { tables } = context.dialect;

  const insert = query((p: Act & { at: number }) =>
    tables.insertInto("audit_log").values({ at: p.at, actor: p.actor, act: p.act, subject: p.subject })
  );
  const page = query((p: { from: number; after: number; limit: number }) =>
    tables.selectFrom("audit_log").select(["id", "at", "actor", "act", "subject"])
      .where("id", ">", p.after).where("at", ">=", p.from).orderBy("id").limit(p.limit)
  );

  function* note({ actor, act, subject }: Act) {
    yield* insert.run({ at: context.now, actor, act, subject });
  }

  return {
    reads: {
      listAudit: (wanted) => page.all(wanted),
    },
    writes: {
      *operate(act, verb, args) {
        // First the act: one that is refused is not noted.
        const result = yield* acts[verb](...args as never[]);
        yield* note(act);
        return result;
      },

      *noteAct(act) {
        yield* note(act);
      },
    },
  } satisfies VerbSteps;
}
