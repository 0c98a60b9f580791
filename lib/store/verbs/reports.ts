// What users report of each other, for the operator: with texts as the mailbox has them, not as somebody says they are.
import { ChatError } from "../../errors.ts";
import type { OpenReport, ReportedMessage } from "../../chat/operator_store.ts";
import { noUser } from "../rules.ts";
import { query, type Steps, type VerbContext, type VerbSteps } from "./steps.ts";

/** What is kept as JSON: so a text may hold U+0000 on every engine. */
interface Content {
  readonly why: string;
  readonly messages: readonly ReportedMessage[];
}

/** Reports of one account that may be open: what was said in them is kept until the operator closes them. */
const MAX_OPEN = 20;

export function reportVerbs(context: VerbContext) {
  const { dialect } = context;
  const { tables } = dialect;

  const named = query((p: { name: string }) =>
    tables.selectFrom("accounts").select("id").where("name", "=", p.name)
  );
  const lock = query((p: { accountId: number }) =>
    dialect.forUpdate(tables.selectFrom("accounts").select("id").where("id", "=", p.accountId))
  );
  const countOpen = query((p: { reporterId: number }) =>
    tables.selectFrom("reports").select((select) => select.fn.countAll<number>().as("amount"))
      .where("reporter_id", "=", p.reporterId).where("closed_at", "is", null)
  );
  const insert = query((
    p: { now: number; reporterId: number; reportedId: number; messageCount: number; content: string },
  ) =>
    tables.insertInto("reports").values({
      created_at: p.now,
      reporter_id: p.reporterId,
      reported_id: p.reportedId,
      message_count: p.messageCount,
      content: p.content,
    }).returning("id")
  );
  const reports = () =>
    tables.selectFrom("reports")
      .innerJoin("accounts as reporters", "reporters.id", "reporter_id")
      .innerJoin("accounts as reported", "reported.id", "reported_id")
      .select(["reports.id", "reports.created_at as createdAt", "reporters.name as reporter"])
      .select(["reported.name as reported", "message_count as messageCount", "closed_at as closedAt"]);
  const page = query((p: { after: number; limit: number }) =>
    reports().where("reports.id", ">", p.after).orderBy("reports.id").limit(p.limit)
  );
  const single = query((p: { id: number }) => reports().select("content").where("reports.id", "=", p.id));
  const close = query((p: { id: number; now: number }) =>
    tables.updateTable("reports").set((update) => ({
      content: null,
      closed_at: update.fn.coalesce("closed_at", update.val(p.now)),
    })).where("id", "=", p.id)
  );

  /** A message of one account to another. @throws {ChatError} `not_found` – it is not there. */
  function* messageOf(senderId: number, recipientId: number, sequence: number): Steps<ReportedMessage> {
    const [row] = yield* dialect.readConversation({
      senderId,
      recipientId,
      before: sequence + 1,
      limit: 1,
      maxBytes: Number.MAX_SAFE_INTEGER,
    });
    if (row?.sequence !== sequence) {
      throw new ChatError(
        "not_found",
        `Cannot find message ${sequence} from this user to you: it may be pruned`,
      );
    }
    const { id, text, storedAt } = row;
    return { sequence, id, text, storedAt };
  }

  return {
    reads: {
      listReports: (wanted) => page.all(wanted),
    },
    writes: {
      *reportUser({ reporterId, name, why, sequences }) {
        const reported = yield* named.first({ name });
        if (reported === undefined) throw noUser(name);
        if (reported.id === reporterId) throw new ChatError("invalid", "Cannot report yourself");
        yield* lock.first({ accountId: reporterId });
        if ((yield* countOpen.first({ reporterId }))!.amount >= MAX_OPEN) {
          throw new ChatError(
            "too_large",
            `Cannot report more now: ${MAX_OPEN} of your reports wait for the server's operator, who has to close one first`,
          );
        }
        const messages: ReportedMessage[] = [];
        for (const sequence of [...new Set(sequences)].sort((a, b) => a - b)) {
          messages.push(yield* messageOf(reported.id, reporterId, sequence));
        }
        const report = yield* insert.first({
          now: context.now,
          reporterId,
          reportedId: reported.id,
          messageCount: messages.length,
          content: JSON.stringify({ why, messages } satisfies Content),
        });
        return { reportId: report!.id };
      },

      *openReport(id) {
        const report = yield* single.first({ id });
        if (report === undefined) throw noReport(id);
        const { content, ...listed } = report;
        const { why, messages }: Partial<Content> = content === null ? {} : JSON.parse(content);
        return { ...listed, why: why ?? null, messages: messages ?? [] } satisfies OpenReport;
      },

      *closeReport(id) {
        if ((yield* close.run({ id, now: context.now })) === 0) throw noReport(id);
      },
    },
  } satisfies VerbSteps;
}

function noReport(id: number): ChatError {
  return new ChatError("not_found", `Cannot find report ${id}: report list shows all`);
}
