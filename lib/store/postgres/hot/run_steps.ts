import type { Steps } from "../../verbs/steps.ts";
import type { Connection } from "../connection.ts";

/** Runs the steps of a verb to their end, each when the one before is answered. */
export async function runSteps<Result>(connection: Connection, steps: Steps<Result>): Promise<Result> {
  let turn = steps.next();
  while (!turn.done) turn = steps.next(await connection.query(turn.value));
  return turn.value;
}
