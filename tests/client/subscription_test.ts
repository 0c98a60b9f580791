import assert from "node:assert/strict";
import { Subscription } from "../../lib/client/subscription.ts";
import { Unread } from "../../lib/client/unread.ts";
import { ChatError, ConnectionError } from "../../lib/errors.ts";

Deno.test("Subscription asks a server that refuses until it delivers, and tells of both once", async () => {
  const told: string[] = [];
  const refusals = ["forbidden", "internal", "timeout", "rate_limited", "invalid"] as const;
  let asked = 0;
  using subscription = new Subscription({
    unread: new Unread(3),
    subscribe: (after) => {
      assert.equal(after, 3);
      const code = refusals[asked++];
      return code === undefined ? Promise.resolve(3) : Promise.reject(new ChatError(code, `no: ${code}`));
    },
    onRefused: ({ message }) => told.push(message),
    onDelivered: () => told.push(`delivered after ${subscription.refusal?.code}`),
    onFault: (error) => told.push(`fault ${error}`),
    firstPauseMs: 1,
  });
  await subscription.begin();
  assert.equal(asked, 6);
  assert.deepEqual(told, ["no: forbidden", "delivered after invalid"]);
  assert.equal(subscription.refusal, null);
});

Deno.test("Subscription stops asking when it is disposed of, and leaves an ended session to the link", async () => {
  for (const code of ["forbidden", "unauthenticated"] as const) {
    const refused = Promise.withResolvers<void>();
    const subscription = new Subscription({
      unread: new Unread(0),
      subscribe: () => Promise.reject(new ChatError(code, "no")),
      onRefused: () => refused.resolve(),
      onDelivered: () => {},
      onFault: () => {},
    });
    const begun = subscription.begin();
    if (code === "forbidden") {
      void refused.promise.then(() => subscription[Symbol.dispose]());
      await assert.rejects(begun, ConnectionError);
    } else await assert.rejects(begun, ChatError);
  }
});
