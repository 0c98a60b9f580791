import assert from "node:assert/strict";
import { SIDE_REQUESTS } from "../../lib/protocol/chat_messages.ts";
import { EVENTS } from "../../lib/protocol/events.ts";
import { LINK_REQUESTS, PEER_REQUESTS } from "../../lib/protocol/peer_messages.ts";
import { REQUESTS } from "../../lib/protocol/requests.ts";

interface Schema {
  readonly safeParse: (value: unknown) => { readonly success: boolean; readonly error?: Error };
}

/** Schemas of parameters and of results by method; those of a session share one empty result. */
const PARAMS: Record<string, Schema> = { ...EVENTS };
const RESULTS: Record<string, Schema> = {};
for (const table of [REQUESTS, SIDE_REQUESTS, LINK_REQUESTS]) {
  for (const [method, { params, result }] of Object.entries(table)) {
    PARAMS[method] = params;
    RESULTS[method] = result;
  }
}
// Both have a `bye`, and the page means this one.
Object.assign(PARAMS, PEER_REQUESTS);

Deno.test("PEER.md has an example of each message of direct chat, and each one fits its schema", async () => {
  const text = await Deno.readTextFile(new URL("../../lib/protocol/PEER.md", import.meta.url));
  const seen = new Set<string>();
  for (const [, block = ""] of text.matchAll(/```jsonl\n(.*?)```/gs)) {
    const methods = new Map<number, string>();
    for (const line of block.trim().split("\n")) {
      const { jsonrpc, id, method, params, result } = JSON.parse(line);
      assert.equal(jsonrpc, "2.0");
      if (method !== undefined) {
        methods.set(id, method);
        seen.add(method);
        const outcome = PARAMS[method]?.safeParse(params);
        assert.ok(outcome?.success, `${method}: ${outcome?.error?.message ?? "unknown"}`);
      } else {
        const schema = RESULTS[methods.get(id) ?? ""];
        const outcome = schema?.safeParse(result);
        assert.ok(outcome === undefined || outcome.success, `${line}: ${outcome?.error?.message}`);
      }
    }
  }
  const chat = (name: string) => name.includes("chat") || name === "offer_punch";
  for (
    const name of [
      ...Object.keys(REQUESTS).filter(chat),
      ...Object.keys(EVENTS).filter(chat),
      ...Object.keys({ ...SIDE_REQUESTS, ...LINK_REQUESTS, ...PEER_REQUESTS }),
    ]
  ) assert.ok(seen.has(name), `${name} has no example`);
});
