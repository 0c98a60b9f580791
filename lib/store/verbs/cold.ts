// All verbs that are written once for every engine.
import { accountVerbs } from "./accounts.ts";
import { auditVerbs } from "./audit.ts";
import { deviceVerbs } from "./devices.ts";
import { historyVerbs } from "./history.ts";
import { inviteVerbs } from "./invites.ts";
import { operatorVerbs } from "./operator.ts";
import { orderVerbs } from "./orders.ts";
import { pruneVerbs } from "./prune.ts";
import { removalVerbs } from "./removal.ts";
import { reportVerbs } from "./reports.ts";
import type { VerbContext } from "./steps.ts";
import { userVerbs } from "./users.ts";

export function coldVerbs(context: VerbContext) {
  const accounts = accountVerbs(context);
  const devices = deviceVerbs(context, accounts);
  const users = userVerbs(context);
  const pruning = pruneVerbs(context);
  const history = historyVerbs(context);
  const invites = inviteVerbs(context);
  const operator = operatorVerbs(context);
  const removal = removalVerbs(context, pruning.pruneMailbox);
  const orders = orderVerbs(context);
  const reports = reportVerbs(context);
  const audit = auditVerbs(context, {
    ...accounts.writes,
    ...devices.writes,
    ...invites.writes,
    ...operator.writes,
    ...removal.writes,
    ...orders.writes,
    ...reports.writes,
  });
  return {
    pruneMailbox: pruning.pruneMailbox,
    reads: {
      ...accounts.reads,
      ...devices.reads,
      ...users.reads,
      ...history.reads,
      ...invites.reads,
      ...operator.reads,
      ...removal.reads,
      ...orders.reads,
      ...reports.reads,
      ...audit.reads,
    },
    writes: {
      ...accounts.writes,
      ...devices.writes,
      ...users.writes,
      ...pruning.writes,
      ...invites.writes,
      ...operator.writes,
      ...removal.writes,
      ...orders.writes,
      ...reports.writes,
      ...audit.writes,
    },
  };
}
