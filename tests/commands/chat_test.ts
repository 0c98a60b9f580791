import assert from "node:assert/strict";
import { chatCommand } from "../../lib/commands/direct/join.ts";
import { UsageError } from "../../lib/errors.ts";
import type { CommandContext, MenuCommand } from "../../lib/terminal/menu.ts";

Deno.test("chatCommand() hands the untouched rest to the option that its first word names", async () => {
  const ran: string[] = [];
  const option = (name: string): MenuCommand => ({
    name,
    summary: "",
    run: (args) => void ran.push(`${name}: ${args}`),
  });
  const chat = chatCommand([option("host"), option("join")]);
  const context = {} as CommandContext;
  await chat.run("host bob --port 4000", context);
  await chat.run("join", context);
  assert.deepEqual(ran, ["host: bob --port 4000", "join: "]);
  for (const wrong of ["", "dance bob"]) assert.throws(() => chat.run(wrong, context), UsageError);
});
