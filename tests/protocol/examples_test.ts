/**
 * The examples of the protocol's two pages fit the schemas that both programs check by.
 * @module
 */
import assert from "node:assert/strict";
import { SIDE_REQUESTS } from "../../lib/protocol/chat_messages.ts";
import { EVENTS } from "../../lib/protocol/events.ts";
import { LINK_REQUESTS, PEER_REQUESTS } from "../../lib/protocol/peer_messages.ts";
import { REQUESTS } from "../../lib/protocol/requests.ts";

interface Schema {
  readonly safeParse: (value: unknown) => { readonly success: boolean; readonly error?: Error };
}

/** Schemas of parameters and of results by method; those of a direct chat share one empty result. */
type Schemas = Record<"params" | "results", Record<string, Schema>>;

function schemasOf(
  ...tables: Record<string, { readonly params: Schema; readonly result: Schema }>[]
): Schemas {
  const all = tables.flatMap(Object.entries);
  return {
    params: { ...EVENTS, ...Object.fromEntries(all.map(([method, { params }]) => [method, params])) },
    results: Object.fromEntries(all.map(([method, { result }]) => [method, result])),
  };
}

function page(name: string): Promise<string> {
  return Deno.readTextFile(new URL(`../../lib/protocol/${name}`, import.meta.url));
}

/** Checks the frames of one example, and returns the methods that stand in it. */
function check(frames: readonly string[], { params: paramsOf, results }: Schemas): string[] {
  const methods = new Map<number, string>();
  const seen: string[] = [];
  for (const frame of frames) {
    const { jsonrpc, id, method, params = {}, result } = JSON.parse(frame);
    assert.equal(jsonrpc, "2.0");
    if (method !== undefined) {
      methods.set(id, method);
      seen.push(method);
      const outcome = paramsOf[method]?.safeParse(params);
      assert.ok(outcome?.success, `${method}: ${outcome?.error?.message ?? "unknown"}`);
    } else if (result !== undefined) {
      const outcome = results[methods.get(id) ?? ""]?.safeParse(result);
      assert.ok(outcome === undefined || outcome.success, `${frame}: ${outcome?.error?.message}`);
    }
  }
  return seen;
}

const isOfChat = (name: string) => name.includes("chat") || name === "offer_punch";

Deno.test("PEER.md has an example of each message of direct chat, and each one fits its schema", async () => {
  const schemas = schemasOf(REQUESTS, SIDE_REQUESTS, LINK_REQUESTS);
  Object.assign(schemas.params, PEER_REQUESTS); // both have a `bye`, and the page means this one
  const blocks = [...(await page("PEER.md")).matchAll(/```jsonl\n(.*?)```/gs)];
  const seen = new Set(blocks.flatMap(([, block = ""]) => check(block.trim().split("\n"), schemas)));
  for (
    const name of [
      ...Object.keys(REQUESTS).filter(isOfChat),
      ...Object.keys(EVENTS).filter(isOfChat),
      ...Object.keys({ ...SIDE_REQUESTS, ...LINK_REQUESTS, ...PEER_REQUESTS }),
    ]
  ) assert.ok(seen.has(name), `${name} has no example`);
});

Deno.test("README.md has an example of each other request and event, and each one fits its schema", async () => {
  const schemas = schemasOf(REQUESTS);
  const ping: Schema = REQUESTS.logout.params; // an empty object
  schemas.params["ping"] = ping;
  const blocks = [...(await page("README.md")).matchAll(/```\n([→←].*?)```/gs)];
  const seen = new Set(blocks.flatMap(([, block = ""]) => {
    const frames = block.trim().replace(/\n +/g, "").split("\n");
    return check(frames.map((frame) => frame.slice(2)), schemas);
  }));
  const all = [...Object.keys(REQUESTS), ...Object.keys(EVENTS)].filter((name) => !isOfChat(name));
  assert.deepEqual(all.filter((name) => !seen.has(name)), ["unblock_user"], "which goes like block_user");
});
