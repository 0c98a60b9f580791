// A user reports another one to the operator.
import type { Handlers } from "../session.ts";

export const REPORT_HANDLERS: Pick<Handlers, "report_user"> = {
  async report_user(session, { name, why, messages = [] }) {
    const { accountId, services: { store, throttles, log } } = session;
    await throttles.startReport(accountId);
    const { reportId } = await store.reportUser({ reporterId: accountId, name, why, sequences: messages });
    log.info("user reported", { connection: session.peer.id, report: reportId });
    return { report: reportId };
  },
};
