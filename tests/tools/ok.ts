/**
 * `deno task ok`: everything that must hold before a commit: format, lint, types, documentation, tests.
 *
 * Runs each step even when one before it failed, and ends with the list of those that did. `--without-tests`
 * leaves out the last one.
 * @module
 */
import { join } from "node:path";
import { complain, PROJECT_FOLDER, runDeno, say } from "./tool.ts";

async function main(): Promise<number> {
  const steps: [name: string, args: string[]][] = [
    ["format", ["fmt", "--check", "--quiet"]],
    ["lint", ["lint", "--quiet"]],
    ["types", ["check", "--quiet", "."]],
    ["documentation", ["doc", "--lint", "--quiet", ...documentedModules()]],
  ];
  if (!Deno.args.includes("--without-tests")) steps.push(["tests", ["task", "--quiet", "test"]]);

  const failed: string[] = [];
  for (const [name, args] of steps) {
    const startedAt = performance.now();
    const code = await runDeno(args);
    const seconds = ((performance.now() - startedAt) / 1000).toFixed(1);
    say(`${name}: ${code === 0 ? "ok" : "FAILED"} (${seconds} s)`);
    if (code !== 0) failed.push(name);
  }
  if (failed.length > 0) complain(`Not ok: ${failed.join(", ")}`);
  return failed.length > 0 ? 1 : 0;
}

/** Every module whose exported symbols must be documented: all of `lib/` and both entry points. */
function documentedModules(): string[] {
  const entries = ["server.ts", "client.ts"].filter((name) => exists(join(PROJECT_FOLDER, name)));
  return [...modulesIn("lib"), ...entries].sort();
}

function modulesIn(folder: string): string[] {
  return [...Deno.readDirSync(join(PROJECT_FOLDER, folder))].flatMap((entry) => {
    const path = `${folder}/${entry.name}`;
    return entry.isDirectory ? modulesIn(path) : entry.name.endsWith(".ts") ? [path] : [];
  });
}

function exists(path: string): boolean {
  try {
    Deno.statSync(path);
    return true;
  } catch {
    return false;
  }
}

Deno.exit(await main());
