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
  const steps: [name: string, run: () => Promise<number>][] = [
    ["format", () => runDeno(["fmt", "--check", "--quiet"])],
    ["lint", () => runDeno(["lint", "--quiet"])],
    ["types", () => runDeno(["check", "--quiet", "."])],
    ["documentation", checkDocumentation],
  ];
  if (!Deno.args.includes("--without-tests")) {
    steps.push(["tests", () => runDeno(["task", "--quiet", "test"])]);
  }

  const failed: string[] = [];
  for (const [name, run] of steps) {
    const startedAt = performance.now();
    const code = await run();
    const seconds = ((performance.now() - startedAt) / 1000).toFixed(1);
    say(`${name}: ${code === 0 ? "ok" : "FAILED"} (${seconds} s)`);
    if (code !== 0) failed.push(name);
  }
  if (failed.length > 0) complain(`Not ok: ${failed.join(", ")}`);
  return failed.length > 0 ? 1 : 0;
}

/**
 * `deno doc --lint`, but for one of its rules: `private-type-ref` asks that every type of a signature be exported from the
 * same module, which a type of a package (`z.ZodString`, `Command`) cannot be.
 */
async function checkDocumentation(): Promise<number> {
  const { stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["doc", "--lint", "--quiet", ...documentedModules()],
    cwd: PROJECT_FOLDER,
    env: { NO_COLOR: "1" },
    stdout: "null",
  }).output();
  const complaints = new TextDecoder().decode(stderr).split(/\n(?=error)/)
    .filter((text) => text.startsWith("error") && !/^error\[private-type-ref\]|^error: Found/.test(text));
  for (const text of complaints) complain(text.trim());
  return complaints.length > 0 ? 1 : 0;
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
