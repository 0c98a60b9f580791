/**
 * What both programs say of themselves: each subcommand's help.
 * @module
 */
import type { Command } from "commander";
import assert from "node:assert/strict";
import { clientProgram } from "../../client.ts";
import { serverProgram } from "../../server.ts";
import { commandsIn } from "../helpers/command_tree.ts";

for (
  const program of [
    clientProgram(),
    await serverProgram(() => Promise.reject(new Error("nothing is run here"))),
  ]
) {
  Deno.test(`each help of ${program.name()} fits 80 columns, and describes every argument and flag`, () => {
    const commands = commandsIn(program).filter((command) => command.name() !== "complete"); // for scripts; not shown
    assert.ok(commands.length > 10, "no subcommand was found");
    for (const command of commands) checkHelp(command);
  });
}

Deno.test("the client's page says what each --json prints", async () => {
  const page = await Deno.readTextFile(new URL("../../lib/commands/README.md", import.meta.url));
  const rows = page.split("\n").filter((line) => line.startsWith("| `")).map((line) => line.split("|")[1]!);
  const described = rows.flatMap((row) => [...row.matchAll(/`(.*?)`/g)].map(([, name]) => name));
  const asked = commandsIn(clientProgram())
    .filter((command) => command.options.some(({ long }) => long === "--json"))
    .map((command) => [command.parent?.parent ? command.parent.name() : "", command.name()].join(" ").trim());
  assert.ok(asked.length > 10, "no subcommand was found");
  assert.deepEqual(asked.filter((name) => !described.includes(name)), ["logout"], "which prints nothing");
});

function checkHelp(command: Command): void {
  const help = command.configureOutput({ getOutHelpWidth: () => 80 }).helpInformation();
  for (const line of help.split("\n")) assert.ok(line.length <= 80, `${line}\nin ${help}`);
  assert.doesNotMatch(
    help,
    /default: *(?:false|undefined|")|\)\s+\(/,
    "a note that says nothing, or two of them",
  );
  for (const kind of ["Arguments", "Options", "Commands"]) {
    for (const [term, description] of entries(help, kind)) assert.ok(description, `${term} in ${help}`);
  }
  const [, asked = ""] = /^Usage: .*?((?:[[<][a-z]+(?:\.\.\.)?[\]>] ?)*)$/m.exec(help) ?? [];
  const named = asked.match(/[a-z]+/g)?.filter((name) => !["options", "command"].includes(name)) ?? [];
  assert.deepEqual(entries(help, "Arguments").map(([term]) => term), named, help);
  const shown = entries(help, "Commands").map(([term]) => term.split(/[ |]/)[0]);
  assert.deepEqual(
    shown,
    command.createHelp().visibleCommands(command).map((sub) => sub.name()),
    help,
  );
}

/** The entries of a part of a help: what stands in its left column, and in its right one. */
function entries(help: string, kind: string): [term: string, description: string][] {
  const [, part = ""] = new RegExp(`^${kind}:\n((?:  .*\n?)+)`, "m").exec(help) ?? [];
  return [...part.matchAll(/^ {2}(\S.*?)(?: {2,}(\S.*))?$/gm)].map((
    [, term = "", text = ""],
  ) => [term, text]);
}
